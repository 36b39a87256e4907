"""What decides the size of an update, as one value; with its text, JSON and code forms."""

from __future__ import annotations

import dataclasses
import numbers as abc_numbers
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .errors import NotationError, UnknownName
from .feedback import RULES, Rule
from .notation import from_json, to_json
from .schedule import SCHEDULES, Schedule
from .schedule.contract import above
from .schedules import Constant
from .spec import Declared, FrozenDict, Kind, Number, Registry, arguments, declare, draw, shorten, unknown

Setting = float | int | bool | str | Schedule

_CATALOGUE = "learnrate.schedules"

_TARGETS = ("torch",)
"""The frameworks whose bridges print a policy as code."""

POLICIES: Registry[type[Policy]] = Registry("policy", form="text")

_RESERVED = {
    "lr": "the learning rate is Policy.lr",
    "betas": "give beta1 and beta2, which can be scheduled one by one",
    "params": "parameters belong to the model",
    "type": "the JSON form uses this name",
}


@dataclasses.dataclass(eq=False, repr=False)
class OptimizerName(Kind):
    """The usual name of an optimizer in lower case; which names exist is for the bridge that builds it to say."""

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or not value.isidentifier():
            raise ValueError(f"be the name of an optimizer such as 'adamw', got {shorten(value)}")
        return value.lower()

    def draw(self, rng: random.Random) -> str:
        return rng.choice(("sgd", "adamw", "rmsprop"))


def _finite(value: Any) -> float | None:
    """A number as a float; None for what is none, and for what a float cannot hold."""
    try:
        return Number("", "", "").read(value)
    except ValueError:
        return None


@dataclasses.dataclass(eq=False, repr=False)
class Rate(Kind):
    """A schedule; a number stands for one that never changes."""

    def read(self, value: Any) -> Schedule:
        if isinstance(value, Schedule):
            return value
        number = _finite(value)
        if number is None:
            raise ValueError(f"be a schedule or a number, got {shorten(value)}")
        return Constant(number)

    def draw(self, rng: random.Random) -> Schedule:
        name = rng.choice([name for name, cls in SCHEDULES.items() if cls.__module__.startswith(_CATALOGUE)])
        return cast(Schedule, draw(SCHEDULES[name], rng))


@dataclasses.dataclass(eq=False, repr=False)
class Settings(Kind):
    """Names to numbers, bools, text or schedules."""

    def read(self, value: Any) -> FrozenDict:
        if not isinstance(value, Mapping):
            raise ValueError(f"map names to numbers, bools, text or schedules, got {shorten(value)}")
        return FrozenDict({self._name(name): self._setting(name, item) for name, item in value.items()})

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"have names of settings such as 'weight_decay' as keys, got {shorten(name)}")
        if name in _RESERVED:
            raise ValueError(f"not have the key {name!r}: {_RESERVED[name]}")
        return name

    def _setting(self, name: Any, value: Any) -> Setting:
        if isinstance(value, (bool, str, Schedule)):
            return value
        number = _finite(value)
        if number is None:
            raise ValueError(f"hold a finite number, a bool, text or a schedule under {name!r}, got {shorten(value)}")
        return int(value) if isinstance(value, abc_numbers.Integral) else number

    def draw(self, rng: random.Random) -> FrozenDict:
        drawn: dict[str, Any] = {"weight_decay": rng.random(), "beta1": Rate("", "", "").draw(rng), "foreach": False}
        return FrozenDict({name: drawn[name] for name in rng.sample(sorted(drawn), rng.randint(0, 3))})


@dataclasses.dataclass(eq=False, repr=False)
class Listener(Kind):
    """A rule that listens to a metric, or None."""

    def read(self, value: Any) -> Rule | None:
        if value is None or isinstance(value, Rule):
            return value
        raise ValueError(f"be a rule such as Plateau() or None, got {shorten(value)}")

    def draw(self, rng: random.Random) -> Rule | None:
        return None if rng.random() < 0.5 else cast(Rule, draw(RULES[rng.choice(list(RULES))], rng))


@dataclasses.dataclass(eq=False, repr=False)
class Multipliers(Kind):
    """Names of parameter groups to what multiplies their rate."""

    def read(self, value: Any) -> FrozenDict:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value):
            raise ValueError(f"map names of groups to numbers, got {shorten(value)}")
        return FrozenDict({name: self._multiplier(name, item) for name, item in value.items()})

    def _multiplier(self, name: str, value: Any) -> float:
        try:
            return cast(float, Number("", "", "", ge=0).read(value))
        except ValueError as rule:
            raise ValueError(f"hold numbers that each {rule} under {name!r}") from None

    def draw(self, rng: random.Random) -> FrozenDict:
        return FrozenDict({} if rng.random() < 0.5 else {"head": rng.random(), "bias": 2.0})


class Policy(Declared):
    """What decides the size of an update: an optimizer, its learning-rate schedule, and everything around them.

    `optimizer` is its usual name ("sgd", "adamw"); `lr` its schedule, or a number; `settings` its other settings, keyed
    as torch's parameter groups are, each a number, a bool, text or a schedule (`beta1` and `beta2` write into `betas`);
    `feedback` a rule that listens to a metric and multiplies `lr`; `groups` multiplies the rate of named groups.

    It is immutable and equal by value, prints as the expression that rebuilds it, and goes to JSON and back without
    loss. Schedules may still be unbound: `over` binds them all to the length of a run. Raises `ParameterError` for a
    value of the wrong kind.

    >>> from learnrate.schedules import Cosine, Linear
    >>> policy = Policy("adamw", Linear(0, 1e-3, "5%") >> Cosine(1e-3), settings={"weight_decay": 0.01})
    >>> policy
    Policy('adamw', Linear(0.0, 0.001, '5%') >> Cosine(0.001), settings={'weight_decay': 0.01})
    >>> policy.over(1000).lr
    Linear(0.0, 0.001, 50) >> Cosine(0.001, updates=950)
    """

    optimizer: str = declare(OptimizerName("", "", "the optimizer's usual name"))
    lr: Schedule = declare(Rate("", "rate", "the learning-rate schedule, or a number"))
    settings: Mapping[str, Setting] = declare(Settings("", "", "its other settings, by name"), default=FrozenDict())
    feedback: Rule | None = declare(Listener("", "", "a rule that listens to a metric and multiplies lr"), default=None)
    groups: Mapping[str, float] = declare(
        Multipliers("", "", "what multiplies the rate of named groups"), default=FrozenDict()
    )

    if TYPE_CHECKING:  # what may be given, which is more than what is kept

        def __init__(
            self,
            optimizer: str,
            lr: Schedule | float,
            settings: Mapping[str, Setting] = ...,
            feedback: Rule | None = None,
            groups: Mapping[str, float] = ...,
        ) -> None: ...

    @property
    def bound(self) -> bool:
        """Whether every schedule knows its length in updates."""
        return all(schedule.bound for schedule in self.schedules.values())

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Everything that is scheduled, by name; `lr` comes first."""
        return {"lr": self.lr} | {name: item for name, item in self.settings.items() if isinstance(item, Schedule)}

    def over(self, total: int, **units: float | None) -> Policy:
        """Bound to a run of `total` updates; `units` are those of `Schedule.over` (`updates_per_epoch`, ...)."""
        bound = {name: schedule.over(total, **units) for name, schedule in self.schedules.items()}
        return self.replace(lr=bound.pop("lr"), settings={**self.settings, **bound})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Policy):
            return NotImplemented
        return super().__eq__(other) and self._switches == other._switches

    __hash__ = Declared.__hash__

    @property
    def _switches(self) -> set[str]:
        """The settings that are True or False: to an optimizer that is not the same as 1 or 0."""
        return {name for name, item in self.settings.items() if isinstance(item, bool)}

    def __repr__(self) -> str:
        return f"Policy({arguments(self, positional=2)})"

    def code(self, target: str = "torch") -> str:
        """Source to paste: it builds the same optimizer and scheduler, and needs the framework alone.

        Raises `UnboundError` before `over`, `UnknownName` for a target that is none, and `FormulaError` for what has
        no code form: a user's own function, or a rule that the framework does not have.
        """
        if target not in _TARGETS:
            raise UnknownName(unknown("code target of a policy", target, list(_TARGETS)))
        return cast(str, above(f"{target} code")(self))

    def to_json(self) -> dict[str, Any]:
        """Plain data, every field by its name."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: object) -> Policy:
        """The policy that `to_json` made this plain data from; raises `NotationError` when it is something else."""
        value = from_json(data)
        if not isinstance(value, Policy):
            raise NotationError(f"expected a policy, got {shorten(value)}")
        return value


POLICIES.add("Policy", Policy)
