"""Transformers and Accelerate: schedules for `Trainer`, and a scheduler that Accelerate moves once per update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import MissingExtra, UnboundError, UsageError
from .spec import shorten
from .torch import Scheduler
from .torch import attach as _attach
from .torch.binding import bound, waits

try:
    from accelerate.scheduler import AcceleratedScheduler
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing == "accelerate":
        raise MissingExtra("accelerate", "transformers") from error
    if missing == "transformers":
        raise MissingExtra("transformers", "transformers") from error
    raise

if TYPE_CHECKING:
    from torch.optim import Optimizer


def optimizers(optimizer: Optimizer, lr: Any = None, **settings: Any) -> tuple[Optimizer, Scheduler]:
    """The pair for `Trainer(optimizers=...)`: the optimizer, and the schedule attached to it.

    Pick it when the length of the run is known: the schedule is bound. The Trainer steps it once per optimizer update,
    whatever it accumulates, and saves and restores it. `settings` are those of `learnrate.torch.attach`.

    Raises what `attach` raises.

    >>> import torch
    >>> from learnrate.schedules import Linear
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    >>> _, scheduler = optimizers(optimizer, lr=Linear(0.1, 0.3, 4), weight_decay=0.01)
    >>> scheduler.get_last_lr()
    [0.1]
    """
    given = settings if lr is None else {"lr": lr} | settings
    if any(waits(each) for each in given.values()):
        raise UnboundError(
            "optimizers(...) needs bound schedules: schedule.over(total); attach(trainer, ...) binds them"
        )
    return optimizer, _attach(optimizer, **given)


def attach(trainer: Trainer, lr: Any = None, *, monitor: str | None = None, **settings: Any) -> Trainer:
    """Let schedules set the rates of a `Trainer`, with the optimizer it makes itself.

    Pick it when the Trainer is to say how long the run is: `attach(Trainer(...), lr=schedule).train()`. A schedule
    without a length is bound to the number of updates that the Trainer has counted when training begins. It takes the
    place of `lr_scheduler_type`. With `monitor` that evaluation metric is reported to the feedback rule.

    Raises `UsageError` for a Trainer that was given a scheduler already, and when training begins what `attach` of
    `learnrate.torch` raises.

    >>> from learnrate.schedules import Cosine
    >>> attach(None, lr=Cosine(0.1))
    Traceback (most recent call last):
    learnrate.errors.UsageError: attach needs a transformers.Trainer, got None
    """
    if not isinstance(trainer, Trainer):
        raise UsageError(f"attach needs a transformers.Trainer, got {shorten(trainer)}")
    if trainer.lr_scheduler is not None:
        raise UsageError("the Trainer was given a scheduler already: leave it out of optimizers=(optimizer, None)")
    if (monitor is None) != (settings.get("feedback") is None):
        raise UsageError("feedback=rule and monitor=metric go together: the rule listens to that metric")
    given = settings if lr is None else {"lr": lr} | settings

    def create_scheduler(num_training_steps: int, optimizer: Any = None) -> Any:
        if trainer.lr_scheduler is None:
            settled = {name: bound(each, num_training_steps) for name, each in given.items()}
            trainer.lr_scheduler = _attach(trainer.optimizer if optimizer is None else optimizer, **settled)
            trainer._created_lr_scheduler = True  # so that a further train() makes a new one, as with the Trainer's own
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    if monitor is not None:
        trainer.add_callback(MetricCallback(monitor))
    return trainer


class MetricCallback(TrainerCallback):
    """Reports an evaluation metric to the feedback rule of the scheduler that the Trainer has.

    Pick it beside `optimizers(optimizer, lr=schedule, feedback=rule)`; `attach(..., monitor=...)` adds it by itself.
    The name is looked up with and without the Trainer's `eval_` in front.

    Raises `UsageError` when the metric was not evaluated, or the scheduler is not ours.

    >>> MetricCallback("loss").monitor
    'loss'
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **known: Any) -> None:
        """Report the metric; an evaluation outside training tells nothing."""
        scheduler, metrics = known.get("lr_scheduler"), known.get("metrics") or {}
        if scheduler is None or not 0 < state.global_step < state.max_steps:
            return
        scheduler = getattr(scheduler, "scheduler", scheduler)
        if not isinstance(scheduler, Scheduler):
            raise UsageError(f"the scheduler of the Trainer must be attached by learnrate, got {shorten(scheduler)}")
        named = [name for name in (self.monitor, f"eval_{self.monitor}") if name in metrics]
        if not named:
            raise UsageError(f"the metric {self.monitor!r} was not evaluated; evaluated: {', '.join(sorted(metrics))}")
        scheduler.observe(metrics[named[0]])


def prepare(accelerator: Any, optimizer: Any, scheduler: Scheduler) -> AcceleratedScheduler:
    """The scheduler for a loop of Accelerate: moved once per optimizer update, on any number of processes.

    Pick it instead of `accelerator.prepare(scheduler)`, which moves a scheduler once per process and update unless it
    splits batches. The optimizer is the prepared one: batches that are only accumulated, and updates that a gradient
    scaler left out, do not count. `accelerator.save_state` and `load_state` keep it.

    Raises `UsageError` for an optimizer that Accelerate has not prepared.

    >>> prepare(None, None, None)
    Traceback (most recent call last):
    learnrate.errors.UsageError: prepare needs a scheduler that learnrate attached, got None
    """
    if not isinstance(scheduler, Scheduler):
        raise UsageError(f"prepare needs a scheduler that learnrate attached, got {shorten(scheduler)}")
    if not hasattr(optimizer, "step_was_skipped"):
        raise UsageError("prepare the optimizer first: optimizer = accelerator.prepare(optimizer)")
    # split batches: the one case in which Accelerate does not multiply by the number of processes
    prepared = AcceleratedScheduler(scheduler, [optimizer], split_batches=True)
    prepared._is_accelerate_prepared = True
    return accelerator.prepare_scheduler(prepared)


__all__ = ["MetricCallback", "attach", "optimizers", "prepare"]
