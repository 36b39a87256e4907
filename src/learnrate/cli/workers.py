"""Many runs in worker processes, one at a time in each.

Every run happens in a fresh interpreter's single thread, so the number of workers changes the time and nothing else. A
worker that dies takes its own run with it and no other. Workers do not hear Ctrl-C: the parent does, keeps what is
finished and sends them away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..comparison import FIRST
from ..errors import LearnrateError, TaskError
from ..policy import Policy
from ..runs import Run, run
from ..tasks import find
from ..trace import Trace
from .streams import stdout_is_stderr

_CONTEXT = multiprocessing.get_context("spawn")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_BREATH = 0.2  # seconds between two reports of progress from one run


@dataclasses.dataclass(frozen=True)
class Job:
    """One run to make; `name` is what the table calls the policy."""

    name: str
    policy: Policy
    seed: int
    updates: int


@dataclasses.dataclass
class Progress:
    """What is known while the runs go on: finished traces by job, and how far each running job is (0 to 1)."""

    jobs: Sequence[Job]
    traces: dict[int, Trace] = dataclasses.field(default_factory=dict)
    running: dict[int, float] = dataclasses.field(default_factory=dict)
    interrupted: bool = False

    @property
    def done(self) -> float:
        """Finished runs, and the finished parts of the others."""
        return len(self.traces) + sum(self.running.values())


def execute(task: str, jobs: Sequence[Job], workers: int, watch: Callable[[Progress], None]) -> Progress:
    """Make every run, in order as workers become free; `watch` is called whenever something is new.

    Ctrl-C ends it early: the result then has the traces of the runs that were finished. Raises `LearnrateError` for
    what no run would be spared, such as a package that is not installed.
    """
    progress = Progress(jobs)
    waiting = list(range(len(jobs)))[::-1]
    with contextlib.ExitStack() as stack:
        try:
            idle = [stack.enter_context(Worker(task)) for _ in range(min(workers, len(jobs)))]
            busy: dict[Connection, Worker] = {}
            while waiting or busy:
                while idle and waiting:
                    worker, index = idle.pop(), waiting.pop()
                    worker.give(index, jobs[index])
                    progress.running[index] = 0.0
                    busy[worker.connection] = worker
                watch(progress)
                for ready in wait(list(busy)):
                    worker = busy[ready]  # type: ignore[index]
                    if _heard(worker, progress):
                        del busy[worker.connection]
                        if worker.alive:
                            idle.append(worker)
                        elif waiting:
                            idle.append(stack.enter_context(Worker(task)))
            watch(progress)
        except KeyboardInterrupt:
            progress.interrupted = True
    return progress


def _heard(worker: Worker, progress: Progress) -> bool:
    """Take one message of a worker in; whether its run is over."""
    index = worker.index
    job = progress.jobs[index]
    try:
        kind, content = worker.connection.recv()
    except (EOFError, OSError):
        kind, content = "trace", _lost(job, worker.exit_code())
    if kind == "error":
        raise LearnrateError(content)
    if kind == "progress":
        progress.running[index] = content
        return False
    del progress.running[index]
    progress.traces[index] = content
    return True


def _lost(job: Job, code: int | None) -> Trace:
    """The trace of a run whose process died under it."""
    none = np.zeros(0)
    error = f"the process ended with code {code}"
    return Trace(none.astype(int), none, none, policy=job.policy, seed=job.seed, ended="failed", error=error)


class Worker:
    """A process that makes the runs it is given, one after the other."""

    def __init__(self, task: str) -> None:
        self.connection, child = _CONTEXT.Pipe()
        self.process: SpawnProcess = _CONTEXT.Process(target=_serve, args=(child, task))
        self.index = -1
        with _deaf(), _single_threaded():
            self.process.start()
        child.close()

    @property
    def alive(self) -> bool:
        """Whether it can take another run."""
        return not self.connection.closed and self.process.is_alive()

    def give(self, index: int, job: Job) -> None:
        """Start a run."""
        self.index = index
        with contextlib.suppress(OSError):  # a process that has died is noticed when it is listened to
            self.connection.send(job)

    def exit_code(self) -> int | None:
        """Wait for the process to be gone."""
        self.connection.close()
        self.process.join(5)
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()
        if self.process.is_alive():
            self.process.terminate()
        self.process.join()


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A process started in here is born with Ctrl-C blocked, also before its own code runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Numerical libraries read these when they are loaded, which in the worker is before any code of ours."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, task: str) -> None:
    """What a worker does: read jobs until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stdout_is_stderr()
    first = True
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job: Job = connection.recv()
            kind, content = _made(connection, task, job)
            if kind == "trace" and first:
                content = content.replace(meta={**content.meta, FIRST: True})
            first = False
            connection.send((kind, content))


def _made(connection: Connection, task: str, job: Job) -> tuple[str, Any]:
    """The trace of a job, or the error that no other run would be spared."""
    ended: list[Trace] = []
    try:
        return "trace", run(
            find(task), job.policy, job.seed, job.updates, on_update=_Reporter(connection), on_end=ended.append
        )
    except TaskError as error:  # it may yet come out right under other policies
        return ("trace", ended[0]) if ended else ("error", str(error))
    except LearnrateError as error:
        return "error", str(error)


class _Reporter:
    """Says how far a run is, now and then."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.last = time.monotonic()

    def __call__(self, live: Run) -> None:
        now = time.monotonic()
        if now - self.last > _BREATH:
            self.last = now
            self.connection.send(("progress", live.t / live.updates))
