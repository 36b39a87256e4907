"""Levanter: the rates of levanter.optim.OptimizerConfig, which hands them to optax in float32."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, InverseSqrt, InverseTime, Linear, Polynomial, PowerLaw
from ..spec import FrozenDict, Kind, declare, number, shorten, unknown
from . import quirks
from .conventions import Conventions
from .dialect import Dialect
from .fields import LARGEST, count

_WORDS = ("constant", "cosine", "linear", "inv_sqrt", "inv")
"""What may be given as a word alone."""

_SHAPES: dict[str, dict[str, Any]] = {
    "constant": {},
    "cosine": {"exponent": 1.0},
    "linear": {},
    "inv_sqrt": {"timescale": 10000.0},
    "inv": {},
    "polynomial": {"power": 2.0},
    "inv_sqrt_decay": {"decay_constant": 28.6},
    "power": {"batch_size": None, "seq_length": None, "a": 4.6, "b": -0.51},
}
"""What `type` may be, with its further keys and their defaults; None has no default."""

_WORD = {"inv_sqrt": "inverse square root", "inv_sqrt_decay": "inverse square root", "inv": "inverse time"}
"""Our words for the shapes that have another one."""

_INT32 = 2**31 - 1


@dataclasses.dataclass(eq=False, repr=False)
class _Shape(Kind):
    """A word, or a mapping of `type` and further keys."""

    def read(self, value: Any) -> Any:
        if isinstance(value, str):
            if value not in _WORDS:
                raise ValueError(f"be one of {', '.join(_WORDS)}, or a mapping with a type, got {shorten(value)}")
            return value
        kind, given = self._parted(value)
        known = _SHAPES[kind]
        for key in given:
            if key not in known:
                raise ValueError(f"hold only what it knows: {unknown('key', key, list(known))}")
        missing = [key for key, default in known.items() if default is None and key not in given]
        if missing:
            raise ValueError(f"have {' and '.join(missing)} with the type {kind!r}")
        return FrozenDict({kind: FrozenDict({key: self._positive(key, item) for key, item in given.items()})})

    def _parted(self, value: Any) -> tuple[str, dict[str, Any]]:
        """The type and the further keys of `{"type": "cosine", "exponent": 2}`, or of `{"cosine": {"exponent": 2}}`.

        The second form is how it is kept, because JSON says with "type" of which class a value is.
        """
        given = dict(value) if isinstance(value, Mapping) else {}
        if len(given) == 1 and isinstance(inner := next(iter(given.values())), Mapping):
            given = {"type": next(iter(given)), **inner}
        kind = given.pop("type", None)
        if not isinstance(kind, str) or kind not in _SHAPES:
            raise ValueError(f"be a word or a mapping whose type is one of {', '.join(_SHAPES)}, got {shorten(value)}")
        return kind, given

    def _positive(self, key: str, item: Any) -> float:
        sign = -1 if key == "b" else 1
        if isinstance(item, bool) or not isinstance(item, (int, float)) or not 0 < sign * item <= LARGEST:
            raise ValueError(f"have a number {'<' if sign < 0 else '>'} 0 as {key}, got {shorten(item)}")
        return item

    def draw(self, rng: random.Random) -> Any:
        return rng.choice(_WORDS)


@dataclasses.dataclass(eq=False, repr=False)
class _Part(Kind):
    """A share of the run (at most 1) or more than one whole update; `several` allows a list of updates too."""

    optional: bool = False
    several: bool = False

    def read(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        if self.several and isinstance(value, (list, tuple)):
            return tuple(self._whole(item, index) for index, item in enumerate(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
            raise ValueError(f"be a share from 0 to 1 or whole updates, got {shorten(value)}")
        if value > 1 and value % 1:
            raise ValueError(f"be a share from 0 to 1 or whole updates, got {value}")
        return value

    def _whole(self, item: Any, index: int) -> int:
        if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= LARGEST:
            raise ValueError(f"hold whole numbers >= 1 updates, got {shorten(item)} at index {index}")
        return item

    def draw(self, rng: random.Random) -> Any:
        return None if self.optional else round(rng.uniform(0, 0.5), 3)


@dataclasses.dataclass(eq=False, repr=False)
class _Cycles(_Part):
    """A number of cycles, or the updates at which they end."""

    def read(self, value: Any) -> Any:
        if value is None or isinstance(value, (list, tuple)):
            return super().read(value)
        return self._whole(value, 0)


def _part(help: str, default: Any, **rules: Any) -> Any:
    return declare(_Part("q", "", help, **rules), default)


class _Cycle(NamedTuple):
    """The lengths of one cycle's stages; they lie within its start and end."""

    warmup: int
    stable: int
    decay: int


def _updates(part: float, whole: int) -> int:
    """Up to 1 it is a share of the whole, rounded down: also the number 1, which means all of it."""
    return int(part * whole) if part <= 1 else int(part)


class OptimizerConfig(Dialect):
    """levanter OptimizerConfig: cycles of warmup from where the last one ended, a stable part, and a decay.

    `lr_schedule` is the curve of the decay: a word, or a mapping of its `type` (also "polynomial", "inv_sqrt_decay",
    "power") and its further keys. Lengths up to 1 are shares: `warmup=1` is the whole run. Without `decay` the decay is
    all that the warmup leaves. "inv" begins one update in, so that the rate is never the peak.

    >>> OptimizerConfig(1.0, 10, warmup=0.2, decay=0.4)([0, 1, 2, 5, 6, 8, 10, 12])
    array([0.  , 0.5 , 1.  , 1.  , 1.  , 0.55, 0.1 , 0.1 ])
    >>> OptimizerConfig(1.0, 8, warmup=0, cycles=2, lr_schedule="linear", min_lr_ratio=0.0)([0, 2, 3, 4, 6])
    array([1.  , 0.5 , 0.25, 1.  , 0.5 ])
    """

    conventions = Conventions("as given", "t/W", "t >= b", "whole", "ratio")
    learning_rate: float = number("\\eta", "rate", "the peak", default=6e-4, ge=0, span=(1e-4, 1.0))
    num_train_steps: int = count("length of the run", least=1)
    min_lr_ratio: float = number(
        "m", "", "the floor, as a share of the peak", default=0.1, ge=0, le=1, span=(0.01, 0.5)
    )
    warmup: float = _part("warmup of the first cycle", 0.01)
    decay: float | None = _part("decay of each cycle; all that the warmup leaves if left out", None, optional=True)
    rewarmup: float = _part("warmup of each later cycle", 0.0)
    # the argument is in `parameters()`; as an attribute it is the method of every schedule (see below)
    cooldown: float | None = _part("a last line to the floor (deprecated)", None, optional=True)  # type: ignore[assignment]
    cycle_length: Any = _part("length of a cycle, or of each cycle", None, optional=True, several=True)
    cycles: Any = declare(_Cycles("n", "", "how many cycles, or where they end", optional=True, several=True), None)
    lr_schedule: Any = declare(_Shape("s", "", "the curve of the decay"), "cosine")
    haps: Any = declare(_Cycles("h", "", "where cycles end (deprecated there)", optional=True, several=True), None)

    def check(self) -> None:
        name = self.full_name()
        given = [key for key in ("cycle_length", "cycles", "haps") if getattr(self, key) is not None]
        if "cycle_length" in given and len(given) > 1:
            raise ParameterError(f"{name} takes one of cycle_length, cycles and haps, got {' and '.join(given)}")
        if isinstance(self.haps, int):
            raise ParameterError(
                f"{name}.haps must be a list of updates, got {self.haps}; cycles={self.haps} counts them"
            )
        if self._kind == "inv" and not self.min_lr_ratio * self.learning_rate:
            raise ParameterError(
                f"{name}.min_lr_ratio must be > 0 with 'inv', which divides by the floor, got {self.min_lr_ratio}"
            )
        if self._main < 1:
            raise ParameterError(
                f"{name}.cooldown must leave some of {self.num_train_steps} updates, got {self._cooldown}"
            )
        points = self._ends
        if any(after < before for before, after in itertools.pairwise(points)):
            raise ParameterError(f"{name}: cycles must end in order within {self._main} updates, got {points[1:-1]}")
        goes_on = self._kind in ("inv_sqrt", "inv_sqrt_decay", "power") and not self.num_train_steps - self._main
        self._differs(shape=_WORD.get(self._kind, self._kind), past="continues" if goes_on else "holds")

    @property
    def _cooldown(self) -> float | None:
        return cast(float | None, self.parameters()["cooldown"])

    @property
    def horizon(self) -> int | None:
        return self.num_train_steps

    @property
    def _kind(self) -> str:
        return self.lr_schedule if isinstance(self.lr_schedule, str) else next(iter(self.lr_schedule))

    @property
    def _keys(self) -> dict[str, Any]:
        """The further keys of the curve, with the library's defaults."""
        return _SHAPES[self._kind] | ({} if isinstance(self.lr_schedule, str) else self.lr_schedule[self._kind])

    @property
    def _main(self) -> int:
        """The run without its cooldown."""
        return self.num_train_steps - _updates(self._cooldown or 0, self.num_train_steps)

    @property
    def _ends(self) -> tuple[int, ...]:
        """Where cycles start and end."""
        main, points = self._main, list[int]()
        if isinstance(self.cycle_length, tuple):
            points = list(itertools.accumulate(self.cycle_length))
        elif self.cycle_length is not None:
            length = _updates(self.cycle_length, main)
            if length < 1:
                raise ParameterError(f"{self.full_name()}.cycle_length must be >= 1 updates, got {self.cycle_length}")
            points = [index * length for index in range(1, main // length)]
        elif self.haps is not None:
            points = list(self.haps)
        elif isinstance(self.cycles, tuple):
            points = list(self.cycles)
        elif self.cycles is not None:
            points = [int(main / self.cycles * (index + 1)) for index in range(self.cycles - 1)]
        points.insert(0, 0)
        return tuple(points) if points[-1] == main else (*points, main)

    def _stages(self, index: int, length: int) -> _Cycle:
        warmup = min(_updates(self.rewarmup if index else self.warmup, length), length)
        left = length - warmup
        decay = left if self.decay is None else min(_updates(self.decay, length), left)
        return _Cycle(warmup, left - decay, decay)

    def meaning(self) -> Schedule:
        parts: list[Schedule] = []
        last, lr = 0.0, self.learning_rate
        curve: Schedule = Constant(lr)
        for index, (start, end) in enumerate(itertools.pairwise(self._ends)):
            stages = self._stages(index, end - start)
            curve = self._decay(stages.warmup, stages.decay) if stages.decay else Constant(lr)
            parts += [Linear(last, lr, stages.warmup), Constant(lr, stages.stable), curve.cut(stages.decay)]
            last = float(curve(stages.decay))
        cooldown = self.num_train_steps - self._main
        if cooldown:
            parts.append(Linear(last, lr * self.min_lr_ratio, cooldown))
        else:
            parts[-1] = curve
        spoken = [part for part in parts if part.length > 0]
        whole = spoken[0]
        for part in spoken[1:]:
            whole = whole >> part
        return whole

    def _decay(self, warmup: int, updates: int) -> Schedule:
        lr, given = self.learning_rate, self._keys
        floor = lr * self.min_lr_ratio
        match self._kind:
            case "constant":
                return Constant(lr)
            case "cosine":
                return Cosine(lr, floor, updates, power=given["exponent"])
            case "linear":
                return Linear(lr, floor, updates)
            case "polynomial":
                return Polynomial(lr, floor, updates, power=given["power"])
            case "inv_sqrt":
                return _inverse_sqrt(lr, warmup, given["timescale"]).clip(floor, lr)
            case "inv":
                return InverseTime(lr, 1 / self.min_lr_ratio - 1, period=updates).skip(1).delay(1).clip(floor)
            case "inv_sqrt_decay":
                return InverseSqrt(lr, updates / given["decay_constant"]).clip(floor)
            case _:
                return Constant(lr, 1) >> _power(given).clip(high=lr)

    def quirks(self, run: int) -> Iterator[Finding]:
        advice = "Its curve begins one update in; leave the peak out of your reckoning, or take another lr_schedule."
        if self._kind == "inv":
            yield from quirks.misses_peak(self, self.learning_rate, run, advice)
        if self._kind == "power":
            yield from self._overflow(run)
        for key in ("warmup", "rewarmup", "decay"):
            value = getattr(self, key)
            if type(value) is int and value == 1:
                yield Finding(
                    "one means all", "warning", {key: 1}, f"{key}=1 is the whole cycle, as 1.0 is; one update is 1 / n."
                )

    def _overflow(self, run: int) -> Iterator[Finding]:
        """It counts tokens in 32 bits, which wrap around."""
        each = self._keys["batch_size"] * self._keys["seq_length"]
        if run * each > _INT32:
            evidence = {"tokens per update": each, "last update": int(_INT32 // each), "run": run}
            advice = "The library counts the tokens in 32 bits; past them the rate is not a number there. Ours goes on."
            yield Finding("token count overflows", "error", evidence, advice)


# A property comes before the argument of the same name that an instance holds.
OptimizerConfig.cooldown = property(  # type: ignore[assignment]
    lambda self: functools.partial(Schedule.cooldown, self), doc=Schedule.cooldown.__doc__
)


def _inverse_sqrt(lr: float, warmup: int, timescale: float) -> Schedule:
    """sqrt(timescale / max(t + W, 1)) of the rate."""
    first = max(warmup, 1)
    curve = InverseSqrt(lr * (timescale / first) ** 0.5, first)
    return curve if warmup else curve.delay(1)


def _power(given: Mapping[str, Any]) -> Schedule:
    """A power of the tokens seen, from the first update that has seen some."""
    each = given["batch_size"] * given["seq_length"]
    return PowerLaw(given["batch_size"] * given["a"] * each ** given["b"], -given["b"])


__all__ = ["OptimizerConfig"]
