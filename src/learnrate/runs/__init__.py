"""The task contract, and the one thing that trains: `run(task, policy, seed)`.

A task is a training loop that yields. It yields a mapping that has `loss` after every update, and one without `loss`
for an evaluation; what `yield` returns to it is None, or `"evaluate"` when an evaluation is wanted now.

    @task(updates=500, objective="val_loss")
    def mine(policy, seed):
        ...
        for t in range(500):
            ...
            request = yield {"loss": loss}
            if request == "evaluate":
                yield {"val_loss": evaluate()}

Besides `loss`, an update may yield any other numbers: they become the signals of the trace. One name is special:
`rate`, the rate that the update really used, such as `optimizer.param_groups[0]["lr"]`. Yield it wherever something
besides the schedule moves the rate, above all when the task listens to `policy.feedback`. Where it is left out, the
trace holds what the schedule says, and `trace.meta["rate"]` is "schedule" instead of "task".

The task owns the model, the data and the optimizer; the runner owns time: it binds the policy to the horizon, counts
updates, asks for evaluations, notices divergence and records.

A task whose runs can be forked and continued in another process takes a fourth argument, `snapshot`, and answers one
more request, `"snapshot"`, at every yield: with everything that the next update depends on. Called with such a state it
goes on as if it had never stopped.

    @task(updates=500, objective="val_loss")
    def mine(policy, seed, updates, snapshot=None):
        model, t = (start(seed), 0) if snapshot is None else (rebuilt(snapshot["model"]), snapshot["t"])
        while t < updates:
            ...
            t += 1
            request = yield {"loss": loss}
            while request:
                state = {"model": model.state_dict(), "t": t}
                request = yield {"snapshot": state} if request == "snapshot" else {"val_loss": evaluate()}

The state is plain data (numbers, text, lists, dicts) and torch tensors; the runner copies it.
"""

from __future__ import annotations

from .contract import MODES, UNITS, Loop, Mode, Task, TaskFunction, task
from .pairing import check_pairing
from .running import Run, run
from .snapshot import Snapshot

__all__ = [
    "MODES",
    "UNITS",
    "Loop",
    "Mode",
    "Run",
    "Snapshot",
    "Task",
    "TaskFunction",
    "check_pairing",
    "run",
    "task",
]
