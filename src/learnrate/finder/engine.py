"""Where runs happen: a small contract, and its plainest form, this process.

An engine is told to start, advance, fork and stop runs, which it knows by a number that the driver gives them, and says
in `wait` how far they are. It never decides anything. Other engines (worker processes, a cluster) keep the same
contract: what goes in and out of it are values, so nothing needs shared memory.
"""

from __future__ import annotations

import dataclasses
import time
from types import TracebackType
from typing import Protocol, Self

from ..errors import UsageError
from ..runs import Task
from ..spec import shorten
from ..trace import Trace
from .asking import Ask
from .keeping import ALIVE, Course, Keeper, Route, shown

BREATH = 0.2
"""Seconds between two reports of progress from one run."""


@dataclasses.dataclass(frozen=True)
class Report:
    """How far a run is; `trace` is there when it has come to where it was sent, or ended before.

    `cost` is what the last command has cost in updates, evaluations included, and `again` the part of it that made what
    had been made before: that depends on the engine, on how many runs it keeps and on how its workers fare. `lost` says
    why a run has no trace and never will: the process that held it is gone.
    """

    run: int
    t: int
    loss: float | None = None
    trace: Trace | None = None
    cost: float = 0.0
    again: float = 0.0
    lost: str | None = None


class Engine(Protocol):
    """What every engine does. Commands return at once or soon; the work shows in `wait`.

    An engine evaluates a run at its end and wherever it pauses. A run that it no longer has is made again with the same
    pauses, so that its trace is the same in every engine.
    """

    slots: int
    """How many runs it advances at the same time."""

    forks: bool
    """Whether its runs can be forked: the task makes snapshots."""

    def start(self, run: int, ask: Ask) -> None:
        """Begin a run and send it to `ask.goal`."""

    def advance(self, run: int, ask: Ask) -> None:
        """Send a paused run further, to `ask.goal`; one that is no longer alive is begun anew."""

    def fork(self, run: int, trunk: int, ask: Ask) -> None:
        """Begin a run where another one is paused, under the policy of `ask`, and send it to `ask.goal`."""

    def stop(self, run: int) -> None:
        """Forget a run, wherever it is."""

    def wait(self, seconds: float) -> list[Report]:
        """What has happened: at least one report, or none when `seconds` have passed without."""

    def close(self) -> None:
        """Forget all runs and let everything go."""


class Local:
    """The engine that is this process: one run at a time, the others wait or are paused.

    `alive` paused runs keep their models. A run that made way goes on from a snapshot if the task makes them, and else
    is made again, which is charged.
    """

    slots = 1

    def __init__(self, task: Task, alive: int = ALIVE) -> None:
        if not isinstance(task, Task):
            raise UsageError(
                f"an engine needs a task; make one with @task(updates=..., objective=...), got {shorten(task)}"
            )
        self.forks = task.resumable
        self._keeper = Keeper(task, alive)
        self._routes: dict[int, Route] = {}
        self._going: dict[int, Course] = {}

    def start(self, run: int, ask: Ask) -> None:
        """Begin a run and send it to `ask.goal`."""
        self._send(run, (ask,))

    def advance(self, run: int, ask: Ask) -> None:
        """Send a paused run further, to `ask.goal`; one that is no longer alive is begun anew."""
        self._send(run, (*self._routes.get(run, ()), ask))

    def fork(self, run: int, trunk: int, ask: Ask) -> None:
        """Begin a run where another one is paused, under the policy of `ask`, and send it to `ask.goal`."""
        if trunk in self._routes and self.forks:
            return self._send(run, (*self._routes[trunk], ask), trunk)
        return self.start(run, ask)

    def stop(self, run: int) -> None:
        """Forget a run, wherever it is."""
        self._routes.pop(run, None)
        if run in self._going:
            self._going.pop(run).live.close()
        self._keeper.forget(run)

    def wait(self, seconds: float) -> list[Report]:
        """What has happened: at least one report, or none when `seconds` have passed without."""
        if not self._going:
            time.sleep(seconds)  # whoever waits for another process would ask again at once
            return []
        run, course = next(iter(self._going.items()))
        if not course.forward(min(seconds, BREATH)):
            return [Report(run, course.live.t, course.live.loss)]
        del self._going[run]
        if course.live.ended is not None:
            del self._routes[run]
        self._keeper.keep(course)
        return [Report(run, course.live.t, course.live.loss, shown(course.live), course.spent, course.again)]

    def close(self) -> None:
        """Forget all runs and let everything go."""
        for run in list(self._routes):
            self.stop(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, run: int, route: Route, trunk: int | None = None) -> None:
        self._going[run] = self._keeper.begin(run, route, trunk)
        self._routes[run] = route
