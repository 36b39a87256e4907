"""The engine of worker processes: one run at a time in each, the paused ones kept where they were made."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import queue
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import LearnrateError, ParameterError
from ..finder.asking import Ask
from ..finder.engine import Report
from ..finder.keeping import ALIVE, Pause, Route
from ..runs import Task
from ..spec import Number
from . import serving
from .places import Place
from .workers import Inbox, Worker, dismiss, refuse_in_worker

_COUNT = Number("", "", "", ge=1, whole=True)
_TRIES = 2  # how often a run may lose its process


@dataclasses.dataclass(eq=False)
class _Errand:
    """A run on its way: what its worker was told, and what is known of it since.

    `spent` is what this try has spent, in updates, and `lost` what those before it had, whose workers died.
    """

    run: int
    route: Route
    trunk: int | None
    packed: bytes
    t: int = 0
    loss: float | None = None
    spent: float = 0.0
    lost: float = 0.0
    tries: int = 0
    stopped: bool = False

    @property
    def origin(self) -> Pause:
        """The pause that it goes on from."""
        return (self.run if self.trunk is None else self.trunk), len(self.route) - 1


class Processes:
    """The engine of worker processes, one run at a time in each: `slots` is their number.

    There is one for each core that this process may use, unless `workers` says otherwise, and each has one thread for
    arithmetic, unless `threads` says otherwise (None shares the cores among the workers). They are started when they
    are first needed. Runs show the same as in this process, as long as the task's results do not depend on the number
    of threads.

    A paused run stays in its worker, `alive` of them with their models. Where that worker is busy or gone when the run
    is to go on, another one takes its snapshot, if the task makes snapshots that can be written to a file, and else
    makes it again from the start, which is charged: `Report.again` says how much.

    A worker that dies is replaced, and its run is tried once more in a fresh one; what the first try is known to have
    spent is charged too. A run that loses its process a second time is lost, and its report says by which signal; the
    other runs go on. Workers do not hear Ctrl-C. They leave when the engine is closed, and also when this process ends
    in any other way.

    A task crosses as the name of its module and its own: `UsageError` for one that has none, which is one defined in a
    script, a notebook or a function, and for a policy that holds such a function. What a worker raises of our errors is
    raised by `wait`, with its text and its trace.

    >>> from learnrate import Policy
    >>> from learnrate.tasks import find
    >>> with Processes(find("digits"), workers=2) as engine:
    ...     engine.start(0, Ask(Policy("sgd", 0.1), seed=0, updates=20))
    ...     while not (reports := engine.wait(1.0)) or reports[0].trace is None:
    ...         pass
    >>> len(reports[0].trace), reports[0].trace.ended
    (20, 'finished')
    """

    def __init__(self, task: Task, workers: int | None = None, threads: int | None = 1, *, alive: int = ALIVE) -> None:
        refuse_in_worker()
        cores = _cores()
        self._place = Place.of(task)
        self.slots: int = cores if workers is None else _counted("workers", workers)
        self.forks = task.resumable
        self._threads = max(1, cores // self.slots) if threads is None else _counted("threads", threads)
        self._alive = _counted("alive", alive)
        self._folder: Path | None = None
        self._inbox: Inbox = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._busy: dict[Worker, _Errand] = {}
        self._waiting: collections.deque[_Errand] = collections.deque()
        self._routes: dict[int, Route] = {}
        self._homes: dict[int, Worker] = {}
        self._error: LearnrateError | None = None

    # -- commands

    def start(self, run: int, ask: Ask) -> None:
        """Begin a run and send it to `ask.goal`."""
        self._send(run, (ask,))

    def advance(self, run: int, ask: Ask) -> None:
        """Send a paused run further, to `ask.goal`."""
        self._send(run, (*self._routes.get(run, ()), ask))

    def fork(self, run: int, trunk: int, ask: Ask) -> None:
        """Begin a run where another one is paused, under the policy of `ask`, and send it to `ask.goal`."""
        if trunk in self._routes and self.forks:
            return self._send(run, (*self._routes[trunk], ask), trunk)
        return self.start(run, ask)

    def stop(self, run: int) -> None:
        """Forget a run, wherever it is."""
        self._routes.pop(run, None)
        self._waiting = collections.deque(errand for errand in self._waiting if errand.run != run)
        home = self._homes.pop(run, None)
        for worker, errand in self._busy.items():
            if errand.run == run:
                errand.stopped = True
                home = worker
        if home is not None:
            home.send(serving.STOP, run)
        self._clear(run)

    def wait(self, seconds: float) -> list[Report]:
        """What has happened: at least one report, or none when `seconds` have passed without."""
        until = time.monotonic() + seconds
        reports: dict[int, Report] = {}
        while self._error is None or not reports:  # what was finished before an error is said before it
            self._raise()
            self._assign()
            try:
                left = 0.0 if reports else max(0.0, until - time.monotonic())
                worker, message = self._inbox.get(timeout=left)
            except queue.Empty:
                if reports or not self._notice():
                    return list(reports.values())
                continue
            report = self._died(worker) if message is None else self._heard(worker, *message)
            if report is not None:
                reports[report.run] = report
        return list(reports.values())

    def close(self) -> None:
        """Forget all runs, and send every worker away."""
        self._waiting.clear()
        self._busy.clear()
        self._routes.clear()
        self._homes.clear()
        workers, self._workers = self._workers, []
        try:
            dismiss(workers)
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- who does what

    def _send(self, run: int, route: Route, trunk: int | None = None) -> None:
        """Note what is to be done; who does it is chosen when everything that is asked for is known."""
        self._waiting.append(_Errand(run, route, trunk, serving.pack(route)))
        self._routes[run] = route

    def _assign(self) -> None:
        """Give what waits to whoever is free: first to the workers that have the run, then to the others."""
        for errand in list(self._waiting):
            home = self._homes.get(errand.origin[0])
            if home is not None and home not in self._busy and home.alive:
                self._give(home, errand)
        for errand in list(self._waiting):
            worker = self._other(fresh=errand.tries > 0)
            if worker is None:
                return
            self._give(worker, errand)

    def _other(self, fresh: bool) -> Worker | None:
        """A worker that is free, and has the fewest runs to keep; a new one when there is none yet, or it must be."""
        free = [worker for worker in self._workers if worker not in self._busy and worker.alive]
        if len(self._workers) < self.slots and (fresh or not free):
            return self._hire()
        kept = collections.Counter(self._homes.values())
        return min(free, key=lambda worker: kept[worker], default=None)

    def _hire(self) -> Worker:
        if self.forks and self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="learnrate-"))
        worker = Worker(self._inbox, serving.serve, self._place, self._folder, self._alive, threads=self._threads)
        self._workers.append(worker)
        return worker

    def _give(self, worker: Worker, errand: _Errand) -> None:
        self._waiting.remove(errand)
        self._busy[worker] = errand
        home = self._homes.pop(errand.run, None)
        if home is not None and home is not worker:
            home.send(serving.STOP, errand.run)  # what it keeps is of the past now
        worker.send(serving.GO, errand.run, errand.trunk, errand.packed)

    # -- what is heard of it

    def _heard(self, worker: Worker, verb: str, run: int, *said: Any) -> Report | None:
        errand = self._busy.get(worker)
        if errand is None or errand.run != run:
            return None
        if verb == serving.AT:
            errand.t, errand.loss, errand.spent = said
            return None if errand.stopped else Report(run, errand.t, errand.loss)
        if errand.stopped != (verb == serving.STOPPED):
            return None  # it has still to say that it has stopped; or it says so of what it only kept
        del self._busy[worker]
        if verb == serving.ERROR:
            self._forget(run)
            self._error = said[0].error()
        return self._done(worker, errand, *said) if verb == serving.DONE else None

    def _done(self, worker: Worker, errand: _Errand, t: int, loss: float | None, *shown: Any) -> Report:
        trace, cost, again = shown
        if trace.ended == "paused":
            self._homes[errand.run] = worker
            self._clear(errand.run, before=len(errand.route))
        else:
            self._forget(errand.run)
        return Report(errand.run, t, loss, trace, cost + errand.lost, again + errand.lost)

    def _died(self, worker: Worker) -> Report | None:
        """A process has ended by itself: what it kept is made again when it is asked for, what it made is made now."""
        if worker not in self._workers:
            return None
        self._workers.remove(worker)
        code = worker.end()
        self._homes = {run: home for run, home in self._homes.items() if home is not worker}
        errand = self._busy.pop(worker, None)
        if errand is None or errand.stopped:
            return None
        errand.tries += 1
        errand.lost += errand.spent
        errand.spent = 0.0
        if errand.tries < _TRIES:
            self._waiting.appendleft(errand)
            return None
        self._forget(errand.run)
        return Report(errand.run, errand.t, errand.loss, cost=errand.lost, again=0.0, lost=_why(code))

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _notice(self) -> bool:
        """Whether a process has ended without a word: something that it started may hold its pipe open."""
        gone = [worker for worker in self._workers if not worker.alive]
        for worker in gone:
            self._inbox.put((worker, None))
        return bool(gone)

    def _forget(self, run: int) -> None:
        self._routes.pop(run, None)
        self._homes.pop(run, None)
        self._clear(run)

    def _clear(self, run: int, before: int | None = None) -> None:
        """Take away the snapshots of a run, or those before a pause, but for one that is still to be read."""
        if self._folder is None:
            return
        used = {errand.origin for errand in (*self._waiting, *self._busy.values())}
        for file in self._folder.glob(f"{run}-*"):
            pause = serving.pause_of(file)
            if (before is None or pause[1] < before) and pause not in used:
                file.unlink(missing_ok=True)


def _why(code: int) -> str:
    """What ended a process, in a sentence."""
    if code >= 0:
        return f"its worker process ended {_TRIES} times, the last time with exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        said = f"its worker process was killed {_TRIES} times, the last time by {name}"
        if name != "SIGKILL":
            return said
        return (
            f"{said}: the usual reason is that memory ran out; make the model or its batches smaller, or use fewer "
            "workers"
        )
    return f"its worker process was killed {_TRIES} times, the last time by signal {-code}"


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _counted(name: str, value: Any) -> int:
    try:
        return int(_COUNT.read(value) or 0)
    except ValueError as rule:
        raise ParameterError(f"{name} must {rule}") from None
