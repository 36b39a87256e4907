"""What one run showed, as a value; and the file that traces are kept in.

A trace file is text, one JSON document per line. The first line is the header: `format`, `version`, the number of
traces and the SHA-256 of everything after it; each further line is one trace. Numbers are written so that they read
back bit for bit, non-finite ones as strings. The checksum finds a damaged file, the version a newer one; nothing in the
file is ever executed. A file is written whole, under a temporary name, and then renamed, so it is never half a file.

A schedule that holds a function of your own has no written form. It is stored as its values at up to 500 updates of the
run with straight lines between them, and `meta["sampled"]` names it: "lr", or the setting. Recorded numbers stay exact.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import LearnrateError, NotationError, ParameterError, TraceFileError, UsageError
from .notation import to_json
from .policy import Policy
from .schedule import Schedule
from .schedules import Constant, Interpolation
from .spec import NOT_FINITE, FrozenDict, Number, shorten, spelled, unknown, unspelled

Ending = Literal["finished", "stopped", "paused", "diverged", "failed"]
Floats = NDArray[np.float64]

ENDINGS: tuple[str, ...] = get_args(Ending)
FORMAT = "learnrate traces"
VERSION = 1
KNOTS = 500
"""At how many updates a schedule without a written form is stored, at most."""

_SEED = Number("", "", "", ge=0, whole=True)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What one run showed.

    `update`, `rate`, `loss` and each array of `signals` have one entry per update: `update` is t, the updates made
    before it; `rate` is what it used, as the task said, or what the schedule of the policy says where the task did not,
    which knows nothing of what `policy.feedback` multiplied (`meta["rate"]` of a recorded run is "task", "schedule" or
    "task and schedule"); `loss` was measured before the update; a signal is NaN where it was not given.
    `evaluations` are columns too: `evaluations["update"]` holds the updates made before each evaluation, the others
    what it measured. `objective` is the last one given: None when there was none, NaN when the run diverged, because a
    diverged run has no final objective (what it measured before stays in `evaluations`). `seconds` is the time spent
    inside the task. `policy` is bound to the run's horizon. `ended` is "finished", "stopped" (before its horizon, by a
    person or by the task), "paused", "diverged" (a loss or objective that is not finite) or "failed", and `error` says
    why. `meta` is plain data: the task, batch size, tokens per update, versions.

    `save_traces` and `load_traces` keep traces in a file. JSON and files store what has no written form (a schedule
    that holds a function of your own) as its values, and say so in `meta["sampled"]`; `written()` is the trace that
    they store. A pickle does the same where the function itself cannot be pickled.

    Arrays are float64 (`update` int64) and read-only. Two traces are equal when everything but `seconds` is, where NaN
    equals NaN. Raises `ParameterError` for columns of different lengths or values of the wrong kind.

    >>> trace = Trace([0, 1], [0.1, 0.05], [2.0, 1.5], evaluations={"update": [2], "val_loss": [1.4]}, objective=1.4)
    >>> trace
    Trace(2 updates, loss 2 -> 1.5, objective 1.4, seed 0, finished)
    >>> Trace.from_json(trace.to_json()) == trace
    True
    """

    update: NDArray[np.int64]
    rate: Floats
    loss: Floats
    signals: Mapping[str, Floats] = FrozenDict()
    evaluations: Mapping[str, Floats] = FrozenDict()
    objective: float | None = None
    seconds: float = 0.0
    policy: Policy | None = None
    seed: int = 0
    ended: Ending = "finished"
    error: str | None = None
    meta: Mapping[str, Any] = FrozenDict()

    if TYPE_CHECKING:  # what may be given, which is more than what is kept

        def __init__(
            self,
            update: ArrayLike,
            rate: ArrayLike,
            loss: ArrayLike,
            signals: Mapping[str, ArrayLike] = ...,
            evaluations: Mapping[str, ArrayLike] = ...,
            objective: float | None = None,
            seconds: float = 0.0,
            policy: Policy | None = None,
            seed: int = 0,
            ended: Ending = "finished",
            error: str | None = None,
            meta: Mapping[str, Any] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = self.__dict__.__setitem__
        put("update", _updates("update", self.update))
        put("rate", _column("rate", self.rate, len(self.update)))
        put("loss", _column("loss", self.loss, len(self.update)))
        put("signals", _columns("signals", self.signals, len(self.update)))
        put("evaluations", _evaluations(self.evaluations))
        put("objective", None if self.objective is None else _scalar("objective", self.objective))
        put("seconds", _scalar("seconds", self.seconds))
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise ParameterError(f"Trace.policy must be a Policy or None, got {shorten(self.policy)}")
        try:
            put("seed", _SEED.read(self.seed))
        except ValueError as rule:
            raise ParameterError(f"Trace.seed must {rule}") from None
        if self.ended not in ENDINGS:
            raise ParameterError(f"Trace.ended must be one of {', '.join(ENDINGS)}, got {shorten(self.ended)}")
        if self.error is not None and not isinstance(self.error, str):
            raise ParameterError(f"Trace.error must be text or None, got {shorten(self.error)}")
        if not isinstance(self.meta, Mapping):
            raise ParameterError(f"Trace.meta must be a mapping, got {shorten(self.meta)}")
        put("meta", plain(self.meta, "Trace.meta"))

    def __len__(self) -> int:
        """Updates made."""
        return len(self.update)

    def replace(self, **changes: Any) -> Trace:
        """A copy with some fields changed, checked like a new one."""
        for name in changes:
            if name not in _FIELDS:
                raise ParameterError(unknown("field of Trace", name, list(_FIELDS)))
        return dataclasses.replace(self, **changes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in _FIELDS if name != "seconds")

    def __hash__(self) -> int:
        return hash((len(self), self.seed, self.ended, self.policy))

    def __copy__(self) -> Trace:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Trace:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            pickle.dumps(self.policy)
            kept = self
        except Exception:  # a lambda, or whatever else the user's function holds on to
            kept = self.written()
        return Trace, tuple(getattr(kept, name) for name in _FIELDS)

    def written(self) -> Trace:
        """This trace as a file stores it: every schedule without a written form as its values on a fixed grid.

        `meta["sampled"]` then names those schedules: "lr", or the setting. The grid has up to 500 updates of the run,
        so that a run of fewer updates loses nothing; where the function raises, it has no point, and one that always
        raises is stored as 0.
        """
        if self.policy is None:
            return self
        drawn = {name: item for name, item in self.policy.schedules.items() if not _has_form(item)}
        if not drawn:
            return self
        stored: dict[str, Any] = {name: _sampled(item, self._horizon) for name, item in drawn.items()}
        lr = stored.pop("lr", self.policy.lr)
        policy = self.policy.replace(lr=lr, settings={**self.policy.settings, **stored})
        return self.replace(policy=policy, meta={**self.meta, "sampled": list(drawn)})

    @property
    def _horizon(self) -> int:
        """The updates the run was meant to have."""
        meant = self.meta.get("updates")
        return max(len(self), meant if type(meant) is int else 0, 1)

    def __repr__(self) -> str:
        parts = [f"{len(self)} updates"]
        if len(self):
            parts.append(f"loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g}")
        if self.objective is not None:
            parts.append(f"objective {self.objective:.4g}")
        return f"Trace({', '.join([*parts, f'seed {self.seed}', self.ended])})"

    def to_json(self) -> dict[str, Any]:
        """Plain data, without loss but for what `written` says; non-finite numbers as strings."""
        data = {name: _plain_numbers(getattr(self, name)) for name in _FIELDS if name not in ("policy", "meta")}
        kept = self.written()
        policy = None if kept.policy is None else kept.policy.to_json()
        return data | {"policy": policy, "meta": _thawed(kept.meta)}

    @classmethod
    def from_json(cls, data: object) -> Trace:
        """The trace that `to_json` made this plain data from; raises `NotationError` when it is something else."""
        if not isinstance(data, Mapping):
            raise NotationError(f"a trace must be a JSON object, got {shorten(data)}")
        for name in data:
            if name not in _FIELDS:
                raise NotationError(unknown("field of a trace", name, list(_FIELDS)))
        for name in _FIELDS:
            if name not in data:
                raise NotationError(f"a trace must have the field {name!r}")
        columns = {name: _numbers(name, data[name]) for name in ("update", "rate", "loss", "seconds")}
        columns["objective"] = None if data["objective"] is None else _numbers("objective", data["objective"])
        tables = {name: _table(name, data[name]) for name in ("signals", "evaluations")}
        policy = None if data["policy"] is None else Policy.from_json(data["policy"])
        try:
            return cls(**{**data, **columns, **tables, "policy": policy})
        except ParameterError as rule:
            raise NotationError(str(rule)) from None


_FIELDS = tuple(field.name for field in dataclasses.fields(Trace))


def save_traces(path: str | os.PathLike[str], traces: Trace | Iterable[Trace]) -> None:
    """Write traces, or one trace, to one file, replacing it as a whole.

    The file is text: a header with a checksum, then one JSON document per trace, every number exact. A schedule that
    holds a function of your own is stored as its values (`Trace.written`), and `meta["sampled"]` names it. Raises
    `UsageError` for what is no trace, and `OSError` when the folder cannot be written; an older file of that name then
    stays as it was.

    >>> import tempfile, pathlib
    >>> trace = Trace([0, 1], rate=[0.1, 0.05], loss=[2.0, 1.5])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_traces(pathlib.Path(folder) / "runs.traces", [trace, trace.replace(seed=1)])
    ...     load_traces(pathlib.Path(folder) / "runs.traces")
    [Trace(2 updates, loss 2 -> 1.5, seed 0, finished), Trace(2 updates, loss 2 -> 1.5, seed 1, finished)]
    """
    lines = [json.dumps(trace.to_json(), allow_nan=False, separators=(",", ":")) for trace in _given(traces)]
    body = "".join(f"{line}\n" for line in lines).encode()
    header = {"format": FORMAT, "version": VERSION, "traces": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    replace_file(path, json.dumps(header).encode() + b"\n" + body)


def load_traces(path: str | os.PathLike[str]) -> list[Trace]:
    """Read the traces that `save_traces` wrote, in their order.

    Raises `TraceFileError`, which names the file and the reason, for a damaged or foreign file and for one of a newer
    version, and `OSError` when there is no such file.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_traces(pathlib.Path(folder) / "runs.traces", Trace([0], rate=[0.1], loss=[2.0], objective=1.9))
    ...     load_traces(pathlib.Path(folder) / "runs.traces")[0].objective
    1.9
    """
    head, _, body = Path(path).read_bytes().partition(b"\n")
    try:
        header = _document(head)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceFileError(f"{os.fspath(path)} is not a trace file: its first line is not a {FORMAT!r} header")
    version = header.get("version")
    if type(version) is int and version > VERSION:
        raise TraceFileError(
            f"{os.fspath(path)} has trace file version {version}; this learnrate reads up to {VERSION}: update it"
        )
    if type(version) is not int or version != VERSION:
        raise TraceFileError(f"{os.fspath(path)} has no valid version in its header, got {shorten(version)}")
    if header.get("sha256") != hashlib.sha256(body).hexdigest():
        raise TraceFileError(f"{os.fspath(path)} is damaged: its content does not match the checksum in its header")
    lines = body.splitlines()
    if header.get("traces") != len(lines):
        raise TraceFileError(
            f"{os.fspath(path)} is damaged: its header promises {shorten(header.get('traces'))} traces, "
            f"it holds {len(lines)}"
        )
    return [_read_line(path, number, line) for number, line in enumerate(lines, start=2)]


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it: readers see the old file or the new one.

    A symbolic link stays, and its target is written. Raises `UsageError` for what is there and is no regular file, such
    as a folder or a device, and `OSError` that names `path`.
    """
    final = Path(os.path.realpath(path))
    if final.is_dir():
        raise UsageError(f"cannot write {os.fspath(path)}: it is a folder")
    if final.exists() and not final.is_file():
        raise UsageError(f"cannot write {os.fspath(path)}: it is not a regular file; give the name of a file")
    temporary = final.with_name(f".{final.name[:40]}.{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except OSError as error:  # the temporary name means nothing to whoever gave the path
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def plain(value: Any, where: str) -> Any:
    """A read-only copy of plain data (text, numbers, bool, None, lists and mappings of them); `ParameterError` else."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, (int, float)) and abs(value) <= sys.float_info.max:
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return FrozenDict({key: plain(item, f"{where}[{key!r}]") for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(plain(item, f"{where}[{index}]") for index, item in enumerate(value))
    raise ParameterError(f"{where} must be plain data (text, finite numbers, lists, mappings), got {shorten(value)}")


def _given(traces: Trace | Iterable[Trace]) -> Iterator[Trace]:
    if isinstance(traces, Trace):
        traces = [traces]
    if isinstance(traces, (str, bytes, Mapping)) or not isinstance(traces, Iterable):
        raise UsageError(f"save_traces takes a trace or a list of traces, got {shorten(traces)}")
    for index, trace in enumerate(traces):
        if not isinstance(trace, Trace):
            raise UsageError(f"save_traces takes traces, got {shorten(trace)} at index {index}")
        yield trace


def _has_form(schedule: Schedule) -> bool:
    try:
        to_json(schedule)
    except NotationError:
        return False
    return True


def _sampled(schedule: Schedule, horizon: int) -> Schedule:
    """A schedule as points over a run: it is code of the user's, so whatever it raises, the trace must not be lost."""
    points: dict[float, float] = {}
    with contextlib.suppress(LearnrateError):
        schedule = schedule.over(horizon)
    for t in _grid(horizon):
        with contextlib.suppress(Exception):
            value = float(schedule(t))
            if math.isfinite(value):
                points[t] = value
    return Interpolation(list(points), list(points.values())) if points else Constant(0.0)


def _grid(horizon: int) -> list[int]:
    """Updates 0 .. horizon, all of them if they are few; else half of them even and half ever sparser."""
    if horizon < KNOTS:
        return list(range(horizon + 1))
    even, sparse = np.linspace(0, horizon, KNOTS // 2), np.geomspace(1, horizon, KNOTS // 2)
    return sorted({int(t) for t in (*even, *sparse)})


def _read_line(path: str | os.PathLike[str], number: int, line: bytes) -> Trace:
    try:
        return Trace.from_json(_document(line))
    except (LearnrateError, ValueError) as reason:
        raise TraceFileError(f"{os.fspath(path)}, line {number} is not a trace: {reason}") from None


def _document(line: bytes) -> Any:
    """One line as plain data; `ValueError` for anything else, however deep or long."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"the bare number {constant}")

    try:
        return json.loads(line.decode(), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _updates(name: str, values: Any) -> NDArray[np.int64]:
    """Whole numbers >= 0 as a read-only int64 array."""
    exact = _column(name, values, None)
    if not (np.isfinite(exact).all() and (exact >= 0).all() and (exact == np.floor(exact)).all()):
        raise ParameterError(f"Trace.{name} must hold whole numbers >= 0 (updates), got {shorten(exact.tolist())}")
    whole = exact.astype(np.int64)
    whole.setflags(write=False)
    return whole


def _column(name: str, values: Any, rows: int | None) -> Floats:
    """Numbers as a read-only float64 array of `rows` entries."""
    try:
        given = np.asarray(values)
    except ValueError:  # rows of different lengths
        given = np.zeros((0, 0))
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iuf"):
        raise ParameterError(f"Trace.{name} must be a list of numbers, got {shorten(values)}")
    column = given.astype(np.float64)
    if rows is not None and len(column) != rows:
        raise ParameterError(f"Trace.{name} must have {rows} entries, one per update, got {len(column)}")
    column.setflags(write=False)
    return column


def _columns(name: str, table: Any, rows: int | None) -> Mapping[str, Floats]:
    if not isinstance(table, Mapping) or not all(isinstance(key, str) for key in table):
        raise ParameterError(f"Trace.{name} must map names to arrays, got {shorten(table)}")
    return FrozenDict({key: _column(f"{name}[{key!r}]", column, rows) for key, column in table.items()})


def _evaluations(table: Any) -> Mapping[str, Floats]:
    """Columns of one length; `update`, the updates made before each evaluation, comes first."""
    columns = _columns("evaluations", table, None)
    if "update" not in columns:
        if any(len(column) for column in columns.values()):
            raise ParameterError("Trace.evaluations must have the column 'update': the updates made before each one")
        columns = FrozenDict({"update": _updates("evaluations['update']", []), **columns})
    update = _updates("evaluations['update']", columns["update"])
    rest = _columns("evaluations", {name: columns[name] for name in columns if name != "update"}, len(update))
    return FrozenDict({"update": update, **rest})


def _scalar(name: str, value: Any) -> float:
    if isinstance(value, (bool, str)):
        raise ParameterError(f"Trace.{name} must be a number, got {shorten(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"Trace.{name} must be a number, got {shorten(value)}") from None


def _same(a: Any, b: Any) -> bool:
    """Equal, where NaN equals NaN and the order of names says nothing."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b)


def _thawed(value: Any) -> Any:
    """Plain dicts and lists again."""
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        numbers = value.tolist()
        return numbers if np.isfinite(value).all() else [_plain_numbers(number) for number in numbers]
    return spelled(value)


def _numbers(name: str, value: Any) -> Any:
    """Plain data to numbers: the strings of the non-finite ones, lists of them; other text is an error."""
    if isinstance(value, list):
        return [_numbers(name, item) for item in value]
    if isinstance(value, str) and value in NOT_FINITE:
        return unspelled(value)
    if type(value) not in (int, float):
        raise NotationError(f"{name} of a trace must hold numbers, got {shorten(value)}")
    return value


def _table(name: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise NotationError(f"{name} of a trace must map names to lists of numbers, got {shorten(table)}")
    return {key: _numbers(f"{name}[{key!r}]", column) for key, column in table.items()}
