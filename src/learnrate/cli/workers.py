"""Many runs in worker processes, one at a time in each.

Every run happens in a fresh interpreter's single thread, so the number of workers changes the time and nothing else. A
worker that dies takes its own run with it and no other. Workers do not hear Ctrl-C: the parent does, keeps what is
finished and sends them away.
"""

from __future__ import annotations

import dataclasses
import queue
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..comparison import FIRST
from ..errors import LearnrateError, TaskError
from ..policy import Policy
from ..runs import Run, run
from ..tasks import find
from ..trace import Trace
from ..tuner.workers import Channel, Inbox, Worker, dismiss

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
    inbox: Inbox = queue.SimpleQueue()
    idle: list[Worker] = []
    busy: dict[Worker, int] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else Worker(inbox, _serve, task)
                busy[worker] = waiting.pop()
                progress.running[busy[worker]] = 0.0
                worker.send(jobs[busy[worker]])
            watch(progress)
            worker, message = inbox.get()
            if worker in busy and _heard(progress, busy[worker], message or _gone(worker)):
                del busy[worker]
                if message is not None:
                    idle.append(worker)
            elif worker in idle:
                idle.remove(worker)
        watch(progress)
    except KeyboardInterrupt:
        progress.interrupted = True
    finally:
        dismiss([*idle, *busy], 0.0)
    return progress


def _heard(progress: Progress, index: int, message: tuple[str, Any]) -> bool:
    """Take one message about a job in; whether its run is over."""
    kind, content = message
    if kind == "error":
        raise LearnrateError(content)
    if kind == "progress":
        progress.running[index] = content
        return False
    del progress.running[index]
    progress.traces[index] = _lost(progress.jobs[index], content) if kind == "gone" else content
    return True


def _gone(worker: Worker) -> tuple[str, int]:
    """What a worker that has died would say."""
    return "gone", worker.end()


def _lost(job: Job, code: int) -> Trace:
    """The trace of a run whose process died under it."""
    none = np.zeros(0)
    error = f"the process ended with code {code}"
    return Trace(none.astype(int), none, none, policy=job.policy, seed=job.seed, ended="failed", error=error)


def _serve(channel: Channel, task: str) -> None:
    """What a worker does: make the runs of jobs until the parent is gone."""
    first = True
    while True:
        (job,) = channel.receive()
        kind, content = _made(channel, task, job)
        if kind == "trace" and first:
            content = content.replace(meta={**content.meta, FIRST: True})
        first = False
        channel.send(kind, content)


def _made(channel: Channel, task: str, job: Job) -> tuple[str, Any]:
    """The trace of a job, or the error that no other run would be spared."""
    ended: list[Trace] = []
    try:
        return "trace", run(
            find(task), job.policy, job.seed, job.updates, on_update=_Reporter(channel), on_end=ended.append
        )
    except TaskError as error:  # it may yet come out right under other policies
        return ("trace", ended[0]) if ended else ("error", str(error))
    except LearnrateError as error:
        return "error", str(error)


class _Reporter:
    """Says how far a run is, now and then."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.last = time.monotonic()

    def __call__(self, live: Run) -> None:
        now = time.monotonic()
        if now - self.last > _BREATH:
            self.last = now
            self.channel.send("progress", live.t / live.updates)
