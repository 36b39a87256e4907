"""The policies that `learnrate compare` runs unless told otherwise, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ..errors import UnknownName
from ..feedback import Plateau
from ..policy import Policy, Setting
from ..runs import Mode
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Exponential, Linear, OneCycle, Polynomial, Step
from ..spec import unknown


@dataclasses.dataclass(frozen=True)
class Contender:
    """An optimizer with the settings and the peak rate that all of its schedules share."""

    name: str
    optimizer: str
    peak: float
    settings: Mapping[str, Setting]


CONTENDERS = {
    "sgd": Contender("SGD", "sgd", 0.02, {"momentum": 0.9}),
    "adamw": Contender("AdamW", "adamw", 0.01, {}),
}
"""One peak for every schedule of an optimizer: where a *fixed* rate had the lowest mean on `digits`, so that no
schedule beats a straw man. Tried were 1, 2, 3 and 5 times powers of ten, 0.01 to 0.3 for SGD and 0.001 to 0.03 for
AdamW, on seeds 10 to 12; with three seeds the neighbours of each peak cannot be told apart from it."""

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "fixed": lambda peak, updates: Constant(peak),
    "fixed 10x too high": lambda peak, updates: Constant(10 * peak),
    "fixed 10x too low": lambda peak, updates: Constant(peak / 10),
    "step": lambda peak, updates: Step(peak, 0.1, max(1, updates // 3)),
    "exponential": lambda peak, updates: Exponential(peak, 0.01, period=updates),
    "polynomial": lambda peak, updates: Polynomial(peak, power=2.0),
    "cosine": lambda peak, updates: Cosine(peak),
    "warmup + cosine": lambda peak, updates: Linear(0, peak, "5%") >> Cosine(peak),
    "one-cycle": lambda peak, updates: OneCycle(peak),
    "plateau": lambda peak, updates: Constant(peak),
}
"""Name -> the schedule for a peak and a number of updates. Step and exponential end at a hundredth of the peak."""


def plateau(mode: Mode) -> Plateau:
    """The rule that listens to the objective; its patience is a tenth of a run that is evaluated ten times."""
    return Plateau(factor=0.1, patience=1, mode=mode)


def lineup(updates: int, mode: Mode, optimizers: Sequence[str] = ()) -> dict[str, Policy]:
    """Name -> policy for every schedule and every one of `optimizers` (all of `CONTENDERS` when empty)."""
    return {
        f"{each.name} {name}": Policy(
            each.optimizer, make(each.peak, updates), each.settings, plateau(mode) if name == "plateau" else None
        )
        for each in map(contender, optimizers or CONTENDERS)
        for name, make in SCHEDULES.items()
    }


def contender(optimizer: str) -> Contender:
    """The entry of that name; raises `UnknownName` that lists the known ones."""
    if optimizer.lower() not in CONTENDERS:
        known = unknown("optimizer of the default policies", optimizer, list(CONTENDERS))
        raise UnknownName(f"{known}; for another one give --policy \"Policy('{optimizer}', ...)\"")
    return CONTENDERS[optimizer.lower()]
