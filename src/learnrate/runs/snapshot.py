"""Where a run is, as a value that another process can go on from; and the file it is kept in.

A snapshot file has one line of JSON that says what it is, one with the trace, and then the state: JSON too when it is
plain data, else what `torch.save` writes, which is read back with `weights_only=True`. The first line holds the SHA-256
of the rest. Nothing in the file is ever executed. It is written whole, under a temporary name, and then renamed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LearnrateError, MissingExtra, TraceFileError, UsageError
from ..policy import Policy
from ..schedule import Schedule
from ..schedule.contract import above
from ..schedules import Constant, Interpolation
from ..spec import shorten
from ..trace import Trace, replace_file

FORMAT = "learnrate snapshot"
VERSION = 1

_CLOSE = 1e-12  # of the larger peak: the same schedule written in two ways


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """Where a run is: `trace`, what it has shown until then, and `state`, what its task goes on from.

    `Run.snapshot()` makes one, `Run(task, policy, seed, snapshot=snapshot)` and `run(..., snapshot=snapshot)` go on
    from it, and `save` and `load` keep it in a file. `state` is None before the first update. Treat it as read-only.

    >>> import tempfile, pathlib
    >>> from learnrate.runs import Run, task
    >>> @task(updates=4, objective="left")
    ... def halving(policy, seed, updates, snapshot=None):
    ...     t, x = snapshot or [0, 8.0]
    ...     while t < updates:
    ...         loss, x, t = x, x - policy.lr(t) * x, t + 1
    ...         request = yield {"loss": loss}
    ...         while request:
    ...             request = yield {"snapshot": [t, x]} if request == "snapshot" else {"left": x}
    >>> policy = Policy("sgd", 0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Run(halving, policy).advance(3).snapshot().save(pathlib.Path(folder) / "run.snapshot")
    ...     kept = Snapshot.load(pathlib.Path(folder) / "run.snapshot")
    >>> kept, kept.state
    (Snapshot(halving, 3 of 4 updates, seed 0), [3, 1.0])
    >>> Run(halving, policy, snapshot=kept).advance().trace()
    Trace(4 updates, loss 8 -> 1, objective 0.5, seed 0, finished)
    """

    trace: Trace
    state: Any

    @property
    def t(self) -> int:
        """Updates made."""
        return len(self.trace)

    @property
    def task(self) -> str:
        """The name of the task."""
        return str(self.trace.meta["task"])

    @property
    def policy(self) -> Policy:
        """The policy of the run, bound to its horizon."""
        assert self.trace.policy is not None
        return self.trace.policy

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.trace.seed

    @property
    def updates(self) -> int:
        """The horizon of the run."""
        return int(self.trace.meta["updates"])

    def __repr__(self) -> str:
        return f"Snapshot({self.task}, {self.t} of {self.updates} updates, seed {self.seed})"

    # -- what a run takes over

    def require(self, task: str, policy: Policy, seed: int, updates: int) -> None:
        """That a run of this task, policy, seed and horizon can go on from here; `UsageError` that says why not."""
        if task != self.task:
            raise UsageError(f"the snapshot is of task {self.task!r}, not of {task!r}")
        if seed != self.seed:
            raise UsageError(f"the snapshot is of seed {self.seed}, not of {seed}: give seed={self.seed}")
        if updates < self.t or (updates == self.t != self.updates):
            raise UsageError(
                f"the horizon must be beyond the {self.t} updates that the snapshot has made, got {updates}"
            )
        if policy.feedback is not None and updates != self.updates:
            raise UsageError(
                f"{shorten(policy.feedback)} has heard evaluations of a run of {self.updates} updates; one of {updates}"
                " would have had others: start it anew, or leave feedback out"
            )
        difference = self._difference(policy)
        if difference is not None:
            raise UsageError(
                f"a run that goes on after {self.t} updates must have had the same policy until then: {difference}"
            )

    def _difference(self, policy: Policy) -> str | None:
        """Where a policy differs from this one's in what has happened, in words."""
        for field in ("optimizer", "feedback", "groups"):
            mine, other = getattr(self.policy, field), getattr(policy, field)
            if mine != other:
                return f"{field} was {shorten(mine)}, not {shorten(other)}"
        mine, other = ({"lr": given.lr, **given.settings} for given in (self.policy, policy))
        if mine.keys() != other.keys():
            return f"its settings were {', '.join(mine)}, not {', '.join(other)}"
        differences = (self._differs(name, mine[name], other[name]) for name in mine)
        return next((found for found in differences if found is not None), None)

    def _differs(self, name: str, mine: Any, other: Any) -> str | None:
        numbers = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in (mine, other)]
        if isinstance(mine, Schedule) or isinstance(other, Schedule):
            a, b = (Constant(float(v)) if n else v for v, n in zip((mine, other), numbers, strict=True))
            if isinstance(a, Schedule) and isinstance(b, Schedule):
                return self._parted(name, a, b)
        elif mine == other and isinstance(mine, bool) == isinstance(other, bool):
            return None
        return f"{name} was {shorten(mine)}, not {shorten(other)}"

    def _parted(self, name: str, mine: Schedule, other: Schedule) -> str | None:
        """The first update that was made at which two schedules differ."""
        times = np.arange(self.t)
        if name in self.trace.meta.get("sampled", ()) and isinstance(mine, Interpolation):  # known at these times only
            times = np.array([at for at in mine.knots if at < self.t])
        a, b = np.asarray(mine(times)), np.asarray(other(times))
        scale = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
        apart = np.flatnonzero(~(np.abs(a - b) <= _CLOSE * scale))
        if not apart.size:
            return None
        first = apart[0]
        return f"at update {int(times[first])}, {name} was {a[first]:.6g}, not {b[first]:.6g}"

    def made(self) -> Iterator[tuple[float, bool, float, dict[str, float]]]:
        """What was recorded of every update: its rate, whether the task said it, the loss, the signals."""
        trace = self.trace
        sources = str(trace.meta["rate"])
        told = [sources != "schedule"] * self.t
        if told and sources == "task and schedule":
            told[0] = False
        columns = {name: column.tolist() for name, column in trace.signals.items()}
        rows = zip(trace.rate.tolist(), told, trace.loss.tolist(), strict=True)
        for index, (rate, of_task, loss) in enumerate(rows):
            yield rate, of_task, loss, {name: column[index] for name, column in columns.items()}

    def evaluations(self) -> list[tuple[int, dict[str, float]]]:
        """What was recorded of every evaluation: the updates made before it, and what it measured."""
        columns = {name: column.tolist() for name, column in self.trace.evaluations.items()}
        times = columns.pop("update")
        return [(t, {name: column[index] for name, column in columns.items()}) for index, t in enumerate(times)]

    # -- the file

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, replacing it as a whole.

        Raises `UsageError` for a state that holds something besides numbers, text, lists, dicts and torch tensors, and
        `OSError` when the folder cannot be written; an older file of that name then stays as it was.
        """
        plain = _is_plain(self.state)
        state: bytes = json.dumps(self.state).encode() if plain else above("state written")(self.state)
        body = json.dumps(self.trace.to_json(), allow_nan=False).encode() + b"\n" + state
        header = {"format": FORMAT, "version": VERSION, "state": "json" if plain else "torch"}
        header["sha256"] = hashlib.sha256(body).hexdigest()
        replace_file(path, json.dumps(header).encode() + b"\n" + body)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Read the snapshot that `save` wrote.

        Raises `TraceFileError`, which names the file and the reason, for a damaged or foreign file and for one of a
        newer version, `MissingExtra` where its tensors need torch, and `OSError` when there is no such file.
        """
        name = os.fspath(path)
        head, _, body = Path(path).read_bytes().partition(b"\n")
        kind = _kind(name, head, body)
        line, _, state = body.partition(b"\n")
        try:
            trace = Trace.from_json(json.loads(line))
            held = json.loads(state) if kind == "json" else above("state read")(state)
            snapshot = cls(trace, held)
            snapshot._complete()
        except MissingExtra:
            raise
        except (LearnrateError, ValueError, RecursionError) as error:
            raise TraceFileError(f"{name} is not a snapshot that can be read: {error}") from None
        return snapshot

    def _complete(self) -> None:
        """That the trace says what a run needs to know; `ValueError` else."""
        known = {"task": str, "updates": int, "rate": str}
        missing = [name for name, kind in known.items() if type(self.trace.meta.get(name)) is not kind]
        if missing or self.trace.policy is None:
            raise ValueError(f"its trace lacks {', '.join(missing) or 'the policy'}")


def _kind(name: str, head: bytes, body: bytes) -> str:
    """What the state of a file is written as, once its header is found to be in order."""
    try:
        header = json.loads(head)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceFileError(f"{name} is not a snapshot file: its first line is not a {FORMAT!r} header")
    version, kind = header.get("version"), header.get("state")
    if type(version) is int and version > VERSION:
        raise TraceFileError(
            f"{name} has snapshot file version {version}; this learnrate reads up to {VERSION}: update it"
        )
    if type(version) is not int or version != VERSION or kind not in ("json", "torch"):
        raise TraceFileError(f"{name} has no valid header: version {shorten(version)}, state {shorten(kind)}")
    if header.get("sha256") != hashlib.sha256(body).hexdigest():
        raise TraceFileError(f"{name} is damaged: its content does not match the checksum in its header")
    return str(kind)


def _is_plain(value: Any) -> bool:
    """Whether JSON gives it back as it is."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)
