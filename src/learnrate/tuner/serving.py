"""What a worker process does for the engine: make one run at a time, and keep those that pause.

It is told `GO` with a run, its trunk and its route, and `STOP` with a run; it says `AT` now and then, `DONE` when a run
has come to its goal or ended, `STOPPED` for every `STOP`, and `ERROR` for what no run can be blamed for.
"""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import LearnrateError, TaskError, UsageError
from ..finder.engine import BREATH
from ..finder.keeping import Course, Keeper, Pause, Route, shown
from ..runs import Snapshot
from .places import Place
from .workers import Channel

GO, STOP = "go", "stop"
AT, DONE, STOPPED, ERROR = "at", "done", "stopped", "error"

_CARRIED = ("trace", "extra")  # what errors of ours hold besides their text
_SLICE = 0.02  # seconds after which a run is looked up from, to hear what else is said


@dataclasses.dataclass(frozen=True)
class Told:
    """An error of ours on its way to another process: its class by name, its text, what it carries."""

    kind: str
    text: str
    held: dict[str, Any]

    @classmethod
    def of(cls, error: Exception) -> Told:
        """Any error; one that is not ours becomes a `TaskError` that names it."""
        held = {name: value for name, value in vars(error).items() if name in _CARRIED}
        for kind in type(error).__mro__:
            if issubclass(kind, LearnrateError) and getattr(errors, kind.__name__, None) is kind:
                return cls(kind.__name__, str(error), held)
        return cls(TaskError.__name__, f"a worker process failed: {type(error).__name__}: {error}", {})

    def error(self) -> LearnrateError:
        """The error, to be raised here."""
        kind: type[LearnrateError] = getattr(errors, self.kind)
        made = kind.__new__(kind, self.text)  # some take other arguments than their text
        made.__dict__.update(self.held)
        return made


class Folder:
    """A shelf that several processes share: one file for each snapshot."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, pause: Pause) -> Path:
        """The file of a pause."""
        run, asks = pause
        return self._path / f"{run}-{asks}.snapshot"

    def put(self, pause: Pause, snapshot: Snapshot) -> None:
        """Keep one."""
        snapshot.save(self.file(pause))

    def get(self, pause: Pause) -> Snapshot | None:
        """The one of that pause, or None when it is not there, or is no longer whole."""
        try:
            return Snapshot.load(self.file(pause))
        except (LearnrateError, OSError):
            return None

    def has(self, pause: Pause) -> bool:
        """Whether there is a file of that pause; it is replaced as a whole, so it need not be read."""
        return self.file(pause).exists()

    def drop(self, run: int) -> None:
        """Nothing: another process may be about to read it. The engine takes files away."""


def serve(channel: Channel, place: Place, folder: Path | None, alive: int) -> None:
    """Do what is asked for until the parent is gone."""
    clerk = _Clerk(channel, place, folder, alive)
    channel.farewell = clerk.clear
    try:
        while True:
            clerk.take(*channel.receive())
    finally:
        clerk.close()


class _Clerk:
    """The runs of one worker process."""

    def __init__(self, channel: Channel, place: Place, folder: Path | None, alive: int) -> None:
        self._channel = channel
        self._place = place
        self._folder = folder
        self._most = alive
        self._keeper: Keeper | None = None
        self._course: Course | None = None

    def take(self, verb: str, run: int, *rest: Any) -> None:
        """One command. It returns when the run has come to its goal, has ended or was stopped."""
        if verb == STOP:
            return self._stop(run)
        try:
            self._go(run, *rest)
        except (EOFError, OSError):
            raise
        except Exception as error:
            if self._course is not None:
                self._course.live.close()
            self._channel.send(ERROR, run, Told.of(error))
        finally:
            self._course = None
        return None

    def _go(self, run: int, trunk: int | None, packed: bytes) -> None:
        keeper = self._open()
        course = self._course = keeper.begin(run, _route(packed), trunk)
        live, said = course.live, time.monotonic()
        while not course.forward(_SLICE):
            while self._channel.pending():
                self.take(*self._channel.receive())
                if self._course is None:
                    return
            if time.monotonic() - said >= BREATH:
                said, live = time.monotonic(), course.live
                self._channel.send(AT, run, live.t, live.loss, course.spent)
        keeper.keep(course)
        live = course.live
        self._channel.send(DONE, run, live.t, live.loss, shown(live), course.spent, course.again)

    def _stop(self, run: int) -> None:
        if self._course is not None and self._course.run == run:
            self._course.live.close()
            self._course = None
        if self._keeper is not None:
            self._keeper.forget(run)
        self._channel.send(STOPPED, run)

    def _open(self) -> Keeper:
        """The task is looked for when the first run is asked for, whose error it then is."""
        if self._keeper is None:
            task = self._place.find()
            shelf = None if self._folder is None else Folder(self._folder)
            self._keeper = Keeper(task, self._most, shelf, ahead=self._folder is not None)
        return self._keeper

    def close(self) -> None:
        """Let every run clean up, and leave no files."""
        if self._course is not None:
            self._course.live.close()
        if self._keeper is not None:
            self._keeper.close()
        self.clear()

    def clear(self) -> None:
        """Take the files away: the parent may be gone, and nobody else will."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def pause_of(file: Path) -> Pause:
    """The pause that a file of a `Folder` is of."""
    run, _, asks = file.stem.partition("-")
    return int(run), int(asks)


def _route(packed: bytes) -> Route:
    """A route, which came packed so that an error in it has a run to name."""
    try:
        route: Route = pickle.loads(packed)  # noqa: S301 - from the engine, over our own pipe
    except (AttributeError, ImportError) as missing:
        raise unsent(missing) from missing
    return route


def pack(route: Route) -> bytes:
    """A route as bytes; `UsageError` for a policy that cannot cross."""
    try:
        return pickle.dumps(tuple(dataclasses.replace(ask, trunk=None) for ask in route))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise unsent(error) from error


def unsent(why: Exception) -> UsageError:
    """The error about a policy that only its own process can read."""
    return UsageError(
        f"a policy holds a function that cannot be sent to a worker process ({why}): define it at the top of a file "
        "that both can import, or use engine='local'"
    )
