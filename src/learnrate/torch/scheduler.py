"""Schedules attached to an optimizer: a real `torch.optim.lr_scheduler.LRScheduler`."""

from __future__ import annotations

import functools
import numbers
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..errors import TimeError, UnboundError, UsageError
from ..feedback import Rule, State
from ..formula import LATEST
from ..schedule import Schedule
from ..schedules import Constant
from ..spec import shorten
from . import checkpoint
from .settings import Place, group_label, groups_named, place_of

Given = Schedule | float | Mapping[str | int, Schedule | float]


def attach(
    optimizer: Optimizer,
    lr: Given | None = None,
    *,
    relative: bool = False,
    feedback: Rule | None = None,
    **other_settings: Given,
) -> Scheduler:
    """Let schedules set the numbers in an optimizer's parameter groups, update by update.

    Attaching writes the value at t = 0 at once. From then on the k-th `optimizer.step()` (k from 0) uses the value at
    t = k, if `scheduler.step()` is called once after each; it moves to k + 1. What comes back is a real
    `torch.optim.lr_scheduler.LRScheduler`, so Lightning, Accelerate and Transformers take it. (With several processes
    Accelerate calls `step` once per process and update, unless it splits batches: count updates times processes.)

    - `lr`: a bound schedule for all groups, or a mapping from group (its `"name"` or its index) to schedule; groups
      that a mapping leaves out keep their own value. A number stands for `Constant(number)`.
    - `relative=True`: the `lr` schedule multiplies each group's own base rate: its `initial_lr` if it has one, else its
      `lr`. Otherwise the schedule is the rate.
    - `feedback`: a rule such as `Plateau()`. Report to it with `scheduler.observe(metric)`; its factor multiplies the
      `lr` schedule from the next update on.
    - `other_settings`: the same for any number that the groups hold: `weight_decay`, `momentum`, `beta1` and `beta2`
      (which write into `betas`), ...

    Rates that are tensors are written in place. A group added later by `add_param_group` is taken in by the next
    `scheduler.step()`, with its own base rate; until then it runs at the rate it was added with.

    Raises `UnboundError` for a schedule without a length in updates, `UnknownName` for a setting or a group that the
    optimizer does not have, and `UsageError` for what is no schedule. Where two schedulers set the same thing, the one
    attached last does; stepping the other is a `UsageError`.

    >>> from learnrate.schedules import Linear
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    >>> scheduler = attach(optimizer, lr=Linear(0.1, 0.3, 4), momentum=Linear(0.8, 0.9, 2))
    >>> for _ in range(3):
    ...     print(optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"])
    ...     optimizer.step()
    ...     scheduler.step()
    0.1 0.8
    0.15 0.85
    0.2 0.9
    """
    settings = other_settings if lr is None else {"lr": lr} | other_settings
    return Scheduler(optimizer, settings, relative=relative, feedback=feedback)


class _Track(NamedTuple):
    """One setting: where groups hold it, and which of the scheduler's schedules each group follows.

    `shared` is that schedule when it is the same for all groups.
    """

    name: str
    place: Place
    which: list[int | None]
    shared: int | None


class Scheduler(LRScheduler):
    """What `attach` returns. `update` is t; `schedule` what was given for `lr`; `observe` reports to the feedback rule.

    `state_dict` is plain data: t, the text of every schedule, the base rates and the feedback state.
    `load_state_dict` writes the exact rate at once, whether the optimizer's own state is loaded before or after.

    >>> from learnrate.schedules import Linear
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = attach(optimizer, lr=Linear(0.1, 0.3, 4))
    >>> scheduler.load_state_dict(scheduler.state_dict() | {"update": 3})
    >>> scheduler.update, scheduler.get_last_lr(), optimizer.param_groups[0]["lr"]
    (3, [0.25], 0.25)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        settings: Mapping[str, Given],
        *,
        relative: bool = False,
        feedback: Rule | None = None,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise UsageError(f"attach needs a torch.optim.Optimizer, got {shorten(optimizer)}")
        if not settings:
            raise UsageError("attach needs a schedule: attach(optimizer, lr=schedule)")
        if (relative or feedback is not None) and "lr" not in settings:
            raise UsageError("relative and feedback act on the lr schedule; give lr=... (1.0 with relative=True holds)")
        if feedback is not None and not isinstance(feedback, Rule):
            raise UsageError(f"feedback must be a rule such as Plateau(), got {shorten(feedback)}")
        self.relative = bool(relative)
        self.feedback = feedback
        self._heard: State = feedback.start() if feedback is not None else {}
        self._factor = 1.0
        self._given = {name: _read(name, given) for name, given in settings.items()}
        self._schedules: list[Schedule] = []
        self._tracks: list[_Track] = []
        self._described: list[dict[str, Any]] | None = None
        self._taken = -1
        self._copied = False
        self._succeeded = ""
        self._plan(optimizer)
        self._succeed_rivals(optimizer)
        super().__init__(optimizer)
        self._watch_loading()

    # -- which group follows what

    def _plan(self, optimizer: Optimizer) -> None:
        """Settle which schedule every group follows; a schedule used many times is evaluated once."""
        groups = optimizer.param_groups
        pool: dict[Schedule, int] = {}
        tracks = []
        for name, given in self._given.items():
            chosen = _per_group(name, given, groups)
            places = {
                place_of(name, groups[index], group_label(index, groups[index]))
                for index, schedule in enumerate(chosen)
                if schedule is not None
            }
            which = [None if schedule is None else pool.setdefault(schedule, len(pool)) for schedule in chosen]
            tracks.append(_Track(name, places.pop(), which, which[0] if len(set(which)) == 1 else None))
        self._tracks, self._schedules, self._described = tracks, list(pool), None
        self._planned = len(groups)

    def _succeed_rivals(self, optimizer: Optimizer) -> None:
        """The one attached last speaks; two that wrote would overwrite each other, and nobody would see it."""
        mine = _claimed(self._given, optimizer.param_groups)
        for rival in _watching(optimizer):
            shared = mine & _claimed(rival._given, optimizer.param_groups)
            if shared:
                name, index = min(shared)
                rival._succeeded = f"{name} of {group_label(index, optimizer.param_groups[index])}"

    def _refuse_if_succeeded(self) -> None:
        if self._succeeded:
            raise UsageError(
                f"{self._succeeded} follows a scheduler that was attached later: step that one, or attach once, with "
                "all settings in one call (schedules that follow each other join with >>)"
            )

    def _take_in(self) -> None:
        """Settle everything again when groups were added; known groups keep their base rates."""
        groups = self.optimizer.param_groups
        if len(groups) != self._planned:
            self._plan(self.optimizer)
        for group in groups[len(self.base_lrs) :]:
            group.setdefault("initial_lr", float(group["lr"]))
            self.base_lrs.append(group["initial_lr"])
        self.base_lrs = [float(base) for base in self.base_lrs]
        self._taken = len(groups)

    # -- values

    def _values(self) -> list[float]:
        if len(self.optimizer.param_groups) != self._taken:
            self._take_in()
        return [schedule(self.last_epoch) for schedule in self._schedules]

    def _settled(self, track: _Track, values: list[float]) -> list[float | None]:
        """The value of one setting for every group; None where the group keeps its own."""
        which, lr = track.which, track.name == "lr"
        if lr and self._factor != 1:
            values = [value * self._factor for value in values]
        if lr and self.relative:
            pairs = zip(self.base_lrs, which, strict=True)
            return [None if index is None else float(base) * values[index] for base, index in pairs]
        if track.shared is not None:
            return [values[track.shared]] * len(which)
        return [None if index is None else values[index] for index in which]

    def get_lr(self) -> list[Any]:
        """The rate of every group at the current update."""
        values = self._values()
        settled = [self._settled(track, values) for track in self._tracks if track.name == "lr"]
        own = [group["lr"] for group in self.optimizer.param_groups]
        return [held if rate is None else rate for rate, held in zip(settled[0], own, strict=True)] if settled else own

    def get_last_lr(self) -> list[Any]:
        """The rates this scheduler wrote last; a tensor, and never the group's own, where the group holds one."""
        groups = self.optimizer.param_groups
        return [
            torch.full_like(group["lr"], float(rate)) if isinstance(group["lr"], torch.Tensor) else rate
            for rate, group in zip(self._last_lr, groups, strict=False)
        ]

    def _write(self) -> None:
        """Write the value of every setting at the current update into every group."""
        if self._succeeded:
            return
        groups = self.optimizer.param_groups
        values = self._values()
        rates: list[float | None] = []
        for track in self._tracks:
            settled = self._settled(track, values)
            key, write = track.place.key, track.place.write
            for group, value in zip(groups, settled, strict=True):
                if type(group[key]) is float and value is not None:  # nearly always, and a thousand groups are many
                    group[key] = value
                elif value is not None:
                    write(group, value)
            if track.name == "lr":
                rates = settled
        self._last_lr = (
            cast(list[float | torch.Tensor], rates)
            if rates and None not in rates
            else [float(group["lr"]) for group in groups]
        )

    # -- time

    @property
    def update(self) -> int:
        """t: how many updates have been made."""
        return int(self.last_epoch)

    @property
    def schedule(self) -> Schedule | dict[str | int, Schedule] | None:
        """What was given for `lr`."""
        given = self._given.get("lr")
        return dict(given) if isinstance(given, Mapping) else given

    def step(self, epoch: int | None = None) -> None:
        """Move to the next update; call it once after each `optimizer.step()`.

        `epoch` is torch's deprecated way to jump to an update.
        """
        self._refuse_if_succeeded()
        if epoch is not None and not (isinstance(epoch, int) and 0 <= epoch <= LATEST):
            raise TimeError(f"step(epoch) jumps to a whole number of updates >= 0, got {shorten(epoch)}")
        if epoch is None and (self._step_count > 1 or self._copied or self._skipped()):
            self._step_count += 1
            self.last_epoch += 1
        else:
            super().step(epoch)  # the first ones: torch warns there when the order is wrong
        self._write()

    def _skipped(self) -> bool:
        """Whether a gradient scaler left out the very first update; torch would take that for a wrong order."""
        if self._step_count != 1 or getattr(self.optimizer, "_opt_called", False):
            return False
        parameters = (parameter for group in self.optimizer.param_groups for parameter in group["params"])
        gradients = (parameter.grad for parameter in parameters if parameter.grad is not None)
        return any(not bool(torch.isfinite(grad).all()) for grad in gradients if grad.layout == torch.strided)

    def observe(self, metric: Any) -> float:
        """Report a metric to the feedback rule; its factor holds from the next update on, and is returned."""
        if self.feedback is None:
            raise UsageError("no rule listens; attach one: attach(optimizer, lr=schedule, feedback=Plateau())")
        self._refuse_if_succeeded()
        self._heard, self._factor = self.feedback(self._heard, metric)
        self._write()
        return self._factor

    # -- state

    def _checkpoint(self) -> checkpoint.Checkpoint:
        self._values()  # takes in groups added since
        if self._described is None:
            self._described = [checkpoint.describe(schedule) for schedule in self._schedules]
        rule = None if self.feedback is None else {"rule": repr(self.feedback), "state": self._heard}
        return checkpoint.Checkpoint(
            update=self.update,
            schedules=self._described,
            settings={track.name: list(track.which) for track in self._tracks},
            relative=self.relative,
            base_rates=[float(base) for base in self.base_lrs],
            feedback=rule,
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain data: for JSON, and for `torch.load(weights_only=True)`."""
        return self._checkpoint().plain()

    def load_state_dict(self, state_dict: Mapping[str, Any], allow_change: bool = False) -> None:
        """Continue from a state; the exact values are written at once, in any order relative to the optimizer's load.

        A state made with other schedules, settings or another rule is a `StateError` that shows the first update where
        they differ. With `allow_change=True` only the update is taken over (and the state of the same rule):
        schedules and base rates stay as attached here.
        """
        saved, attached = checkpoint.read(state_dict), self._checkpoint()
        if not allow_change:
            checkpoint.compare(saved, attached, self._schedules)
        if self.feedback is not None:
            known = saved.feedback if saved.feedback and saved.feedback["rule"] == repr(self.feedback) else None
            self._heard = self.feedback.read(known["state"]) if known else self.feedback.start()
            self._factor = self.feedback.multiplier(self._heard)
        if not allow_change:
            self.base_lrs = [float(base) for base in saved.base_rates]
        self.last_epoch = saved.update
        self._step_count = saved.update + 1
        self._write()

    def _watch_loading(self) -> None:
        """Write the values again when the optimizer loads a state; it knows this scheduler only weakly."""
        owner = _unwrapped(self.optimizer)
        handle = owner.register_load_state_dict_post_hook(functools.partial(_rewrite, weakref.ref(self)))
        weakref.finalize(self, handle.remove).atexit = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy or an unpickled scheduler watches its own optimizer, whose steps torch cannot see in the copy."""
        self.__dict__.update(state, _copied=True)
        self._watch_loading()

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={shorten(given, 200)}" for name, given in self._given.items())
        return f"Scheduler(update={self.update}, {settings})"


def _rewrite(known: weakref.ref[Scheduler], optimizer: Optimizer) -> None:
    scheduler = known()
    if scheduler is not None:
        for group, base in zip(optimizer.param_groups, scheduler.base_lrs, strict=False):
            group.setdefault("initial_lr", base)
        scheduler._write()


def _unwrapped(optimizer: Any) -> Any:
    """The optimizer itself, which holds the hooks; Accelerate wraps it."""
    while "_optimizer_load_state_dict_post_hooks" not in vars(optimizer) and hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


def _watching(optimizer: Optimizer) -> Iterator[Scheduler]:
    """The schedulers attached to an optimizer that are still in use; it knows them by the hooks they left."""
    for hook in _unwrapped(optimizer)._optimizer_load_state_dict_post_hooks.values():
        scheduler = hook.args[0]() if isinstance(hook, functools.partial) and hook.func is _rewrite else None
        if scheduler is not None:
            yield scheduler


def _claimed(
    settings: Mapping[str, Schedule | dict[str | int, Schedule]], groups: list[dict[str, Any]]
) -> set[tuple[str, int]]:
    """Which setting of which group schedules speak for."""
    return {
        (name, index)
        for name, given in settings.items()
        for index, schedule in enumerate(_per_group(name, given, groups))
        if schedule is not None
    }


def _read(name: str, given: Given) -> Schedule | dict[str | int, Schedule]:
    if isinstance(given, Mapping):
        if not given:
            raise UsageError(f"{name} is an empty mapping; map groups to schedules")
        return {key: _schedule(f"{name}[{key!r}]", value) for key, value in given.items()}
    return _schedule(name, given)


def _schedule(label: str, given: Any) -> Schedule:
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        return Constant(float(given))
    if not isinstance(given, Schedule):
        raise UsageError(f"{label} must be a schedule, a number or a mapping from groups to them, got {shorten(given)}")
    if not given.bound:
        raise UnboundError(
            f"{label} has no length in updates yet: {shorten(given, 200)}; bind it first: schedule.over(total)"
        )
    return given


def _per_group(
    name: str, given: Schedule | Mapping[str | int, Schedule], groups: list[dict[str, Any]]
) -> list[Schedule | None]:
    if isinstance(given, Schedule):
        return [given] * len(groups)
    chosen: list[Schedule | None] = [None] * len(groups)
    for key, schedule in given.items():
        for index in groups_named(key, groups, name):
            if chosen[index] is not None:
                raise UsageError(f"{name} names {group_label(index, groups[index])} twice")
            chosen[index] = schedule
    return chosen
