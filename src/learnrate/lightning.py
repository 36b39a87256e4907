"""Lightning: schedules in `configure_optimizers`, or added from outside by a callback; both count optimizer updates."""

from __future__ import annotations

import math
from typing import Any

from .errors import MissingExtra, UsageError
from .spec import shorten
from .torch import Scheduler, attach
from .torch.binding import bound, waits

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.utilities.types import LRSchedulerConfig
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "lightning":
        raise
    raise MissingExtra("lightning", "lightning") from error


def configure(optimizer: Any, lr: Any = None, *, trainer: Trainer | None = None, **settings: Any) -> dict[str, Any]:
    """What `configure_optimizers` returns, so that the schedule moves once per optimizer update.

    Pick it when the module is yours: `return configure(optimizer, lr=schedule, trainer=self.trainer)`. The trainer says
    how long the run is, which binds a schedule that has no length yet; a bound one needs no trainer. Accumulated
    batches are one update, and a checkpoint resumes exactly. `settings` are those of `learnrate.torch.attach`.

    Raises `UsageError` when the trainer does not know how long the run is, and what `attach` raises.

    >>> import torch
    >>> from learnrate.schedules import Cosine, Linear
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    >>> found = configure(optimizer, lr=Linear(0.1, 0.3, 4))
    >>> found["lr_scheduler"]["interval"], found["lr_scheduler"]["scheduler"].get_last_lr()
    ('step', [0.1])
    """
    given = settings if lr is None else {"lr": lr} | settings
    scheduler = attach(optimizer, **(given if trainer is None else _bound(given, trainer)))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1}}


class ScheduleCallback(Callback):
    """Attaches a schedule to a module whose `configure_optimizers` returns just an optimizer, and reports a metric.

    Pick it when the module is not yours, or to try a schedule from outside: `Trainer(callbacks=[ScheduleCallback(s)])`.
    A schedule without a length is bound to `trainer.estimated_stepping_batches`, which counts optimizer updates.

    With `monitor` the metric of that name, logged with `self.log`, is reported to the feedback rule: after every
    validation, or after every training epoch when there is no validation. Without a schedule the callback only reports,
    to the scheduler that the module configured itself.

    Raises `UsageError` when training begins: for a module that has a scheduler of its own, that optimizes manually, or
    that has several optimizers (use `configure` there), and for a metric that was not logged.

    >>> from learnrate.feedback import Plateau
    >>> from learnrate.schedules import Cosine, Linear
    >>> ScheduleCallback(Linear(0, 0.1, "10%") >> Cosine(0.1), feedback=Plateau(), monitor="val_loss")
    ScheduleCallback(lr=Linear(0.0, 0.1, '10%') >> Cosine(0.1), feedback=Plateau(), monitor='val_loss')
    """

    def __init__(self, lr: Any = None, *, monitor: str | None = None, **settings: Any) -> None:
        self.monitor = monitor
        self.settings = settings if lr is None else {"lr": lr} | settings
        self.scheduler: Scheduler | None = None
        if not self.settings and monitor is None:
            raise UsageError("ScheduleCallback needs a schedule, or a metric to monitor: ScheduleCallback(schedule)")
        if self.settings and (monitor is None) != (settings.get("feedback") is None):
            raise UsageError("feedback=rule and monitor=metric go together: the rule listens to that metric")

    def __repr__(self) -> str:
        given = self.settings | ({} if self.monitor is None else {"monitor": self.monitor})
        return f"ScheduleCallback({', '.join(f'{name}={shorten(value, 200)}' for name, value in given.items())})"

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach, before a checkpoint is restored; Lightning saves and restores the scheduler with its own."""
        configured = trainer.lr_scheduler_configs
        if not self.settings:
            self.scheduler = _only_listener([config.scheduler for config in configured])
            return
        if configured:
            raise UsageError("the module has configured a scheduler of its own; use that, or leave it out there")
        if not pl_module.automatic_optimization or len(trainer.optimizers) != 1:
            raise UsageError("ScheduleCallback needs one optimizer that Lightning steps; attach in the module itself")
        self.scheduler = attach(trainer.optimizers[0], **_bound(self.settings, trainer))
        configured.append(LRSchedulerConfig(self.scheduler, interval="step", frequency=1))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric."""
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._report(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric where no validation does."""
        if not trainer.enable_validation:
            self._report(trainer)

    def _report(self, trainer: Trainer) -> None:
        if self.monitor is None or self.scheduler is None:
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise UsageError(f"the metric {self.monitor!r} was not logged; logged: {known}")
        self.scheduler.observe(trainer.callback_metrics[self.monitor])


def _only_listener(schedulers: list[Any]) -> Scheduler:
    listening = [each for each in schedulers if isinstance(each, Scheduler) and each.feedback is not None]
    if len(listening) != 1:
        raise UsageError(f"one scheduler with a feedback rule must listen to the metric, found {len(listening)}")
    return listening[0]


def _bound(settings: dict[str, Any], trainer: Trainer) -> dict[str, Any]:
    """The settings with every schedule bound to the run of the trainer."""
    if not any(waits(given) for given in settings.values()):
        return settings
    total = trainer.estimated_stepping_batches
    if not 0 < total < math.inf:
        raise UsageError("the trainer does not know how long the run is; give it max_steps, or the schedule .over(n)")
    batches = trainer.num_training_batches
    per_epoch = math.ceil(batches / trainer.accumulate_grad_batches) if 0 < batches < math.inf else None
    return {name: bound(given, int(total), per_epoch) for name, given in settings.items()}


__all__ = ["ScheduleCallback", "configure"]
