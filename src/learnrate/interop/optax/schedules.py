"""Every schedule of `optax.schedules`: pure functions of the count, which optax computes in float32 unless JAX is told
otherwise. All of them are made of four: a polynomial, an exponential, points with cumulative scales, and a cosine.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import ParameterError
from ...feedback import Plateau
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import (
    Constant,
    Cosine,
    CosineInterpolation,
    Exponential,
    Interpolation,
    Linear,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
)
from ...spec import FrozenDict, Number, choice, declare, flag, number, shorten
from ..conventions import Conventions
from ..dialect import Dialect, listener
from ..fields import LARGEST, PlainKind, count, counts, schedules
from ..joining import joined
from ..quirks import misses_peak


def _rate(help: str, default: Any = dataclasses.MISSING) -> Any:
    return number("a", "rate", help, default=default, span=(1e-3, 1.0))


def _any_count(help: str, default: Any = dataclasses.MISSING) -> Any:
    """A number of updates that optax also takes when it is not positive."""
    return number("n", "updates", help, default=default, ge=-LARGEST, le=LARGEST, whole=True, span=(0, 40))


@dataclasses.dataclass(eq=False, repr=False)
class ScalesKind(PlainKind):
    """A mapping from an update to what the value is multiplied by from there on; keys may be text, as JSON has them."""

    def read(self, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ValueError(f"be a mapping of updates to scales, got {shorten(value)}")
        at = Number("b", "updates", "", ge=0, le=LARGEST, whole=True)
        scale = Number("s", "", "", ge=0)
        read = {}
        for key, item in value.items():
            try:
                update = at.read(int(key) if isinstance(key, str) and key.strip().isdecimal() else key)
            except ValueError as rule:
                raise ValueError(f"have keys that each {rule}") from None
            try:
                read[update] = scale.read(item)
            except ValueError as rule:
                raise ValueError(f"have scales that each {rule} at key {key!r}") from None
        return FrozenDict({str(update): read[update] for update in sorted(read, key=float)})  # type: ignore[arg-type]

    def draw(self, rng: random.Random) -> Any:
        places = sorted(rng.sample(range(0 if rng.random() < 0.3 else 1, 40), rng.randint(1, 4)))
        return (
            {place: rng.choice((0.1, 0.5, 1.5, rng.random(), 0.0)) for place in places} if rng.random() < 0.9 else None
        )


def _scales(default: Any = None) -> Any:
    return declare(ScalesKind("", "", "which updates multiply the value, and by what; they accumulate"), default)


class constant_schedule(Dialect):
    """optax.constant_schedule: the same value at every update.

    >>> constant_schedule(0.1)([0, 99])
    array([0.1, 0.1])
    """

    conventions = Conventions("constant")
    value: float = _rate("the value")

    def meaning(self) -> Schedule:
        return Constant(self.value)


def _never(
    dialect: Dialect, steps: int, end: float, run: int, steps_name: str = "transition_steps"
) -> Iterator[Finding]:
    """A length that is not positive switches the transition off without a word."""
    if steps <= 0 and end != dialect(0):
        evidence = {steps_name: steps, "rate": float(dialect(0)), "end asked for": end, "run": run}
        advice = f"optax holds the first value for ever when {steps_name} is not positive; give it at least 1 update."
        yield Finding("transition never starts", "warning", evidence, advice)


def _polynomial(start: float, end: float, power: float, steps: int, begin: int) -> Schedule:
    if steps <= 0 or power == 0:
        return Constant(start)
    curve = Linear(start, end, steps) if power == 1 else Polynomial(start, end, steps, power=power)
    return curve.delay(begin) if begin > 0 else curve


class polynomial_schedule(Dialect):
    """optax.polynomial_schedule: a power of what is left. `transition_steps` <= 0 silently holds `init_value`.

    >>> polynomial_schedule(1.0, 0.1, 2.0, 10)([0, 5, 10, 15])
    array([1.   , 0.325, 0.1  , 0.1  ])
    >>> polynomial_schedule(1.0, 0.1, 2.0, 0)([0, 5])
    array([1., 1.])
    """

    conventions = Conventions("polynomial", horizon="whole", floor="rate")
    init_value: float = _rate("the value at t = 0")
    end_value: float = _rate("the value at the end")
    power: float = number("p", "", "how fast it falls at first", ge=0, le=100, span=(0.3, 4))
    transition_steps: int = _any_count("how many updates the transition takes; held at the start if not positive")
    transition_begin: int = _any_count("how many updates the start is held for", 0)

    def meaning(self) -> Schedule:
        return _polynomial(self.init_value, self.end_value, self.power, self.transition_steps, self.transition_begin)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _never(self, self.transition_steps, self.end_value, run)


class linear_schedule(Dialect):
    """optax.linear_schedule: a straight line. `transition_steps` <= 0 silently holds `init_value`.

    >>> linear_schedule(0.0, 1.0, 4, transition_begin=1)([0, 1, 2, 5, 9])
    array([0.  , 0.  , 0.25, 1.  , 1.  ])
    """

    conventions = Conventions("linear", horizon="whole", floor="rate")
    init_value: float = _rate("the value at t = 0")
    end_value: float = _rate("the value at the end")
    transition_steps: int = _any_count("how many updates the transition takes; held at the start if not positive")
    transition_begin: int = _any_count("how many updates the start is held for", 0)

    def meaning(self) -> Schedule:
        return _polynomial(self.init_value, self.end_value, 1, self.transition_steps, self.transition_begin)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _never(self, self.transition_steps, self.end_value, run)


class warmup_constant_schedule(Dialect):
    """optax.warmup_constant_schedule: a line to the peak, which is at update W. With `warmup_steps=0` it stays at
    `init_value` for ever, not at the peak.

    >>> warmup_constant_schedule(0.0, 1.0, 4)([0, 1, 4, 9])
    array([0.  , 0.25, 1.  , 1.  ])
    >>> warmup_constant_schedule(0.0, 1.0, 0)([0, 9])
    array([0., 0.])
    """

    conventions = Conventions("constant", warmup="t/W")
    init_value: float = _rate("the value at t = 0")
    peak_value: float = _rate("the value after the warmup")
    warmup_steps: int = _any_count("how many updates the warmup takes")

    def meaning(self) -> Schedule:
        return _polynomial(self.init_value, self.peak_value, 1, self.warmup_steps, 0)

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _never(self, self.warmup_steps, self.peak_value, run, "warmup_steps")


def _exponential(start: float, steps: int, rate: float, begin: int, staircase: bool, end: float | None) -> Schedule:
    if steps <= 0 or rate == 0:
        return Constant(start)
    # `Exponential` only falls; what rises saturates before it overflows
    falls = rate <= 1
    curve = Exponential(start, rate, period=steps) if falls else NaturalExponential(start, -math.log(rate) / steps)
    stairs = curve.every(steps) if staircase else curve
    held = stairs.delay(begin) if begin > 0 else stairs
    if end is None:
        return held
    return held.clip(low=end) if rate < 1 else held.clip(high=end)


class exponential_decay(Dialect):
    """optax.exponential_decay: times `decay_rate` every `transition_steps`, from `transition_begin` on. `end_value`
    cuts it off from below, or from above when the rate is 1 or more; it also cuts the first value. It has no end.

    >>> exponential_decay(1.0, 5, 0.5, staircase=True, end_value=0.2)([0, 4, 5, 10, 15])
    array([1.  , 1.  , 0.5 , 0.25, 0.2 ])
    """

    conventions = Conventions("exponential", floor="clipped", past="continues")
    init_value: float = _rate("the value at t = 0")
    transition_steps: int = _any_count("how many updates one factor takes; held at the start if not positive")
    decay_rate: float = number("r", "", "the factor; 0 holds the start", ge=0, span=(0.1, 1.2))
    transition_begin: int = _any_count("how many updates the start is held for", 0)
    staircase: bool = flag("s", "in steps", default=False)
    end_value: float | None = number("b", "rate", "where it is cut off", default=None, span=(1e-3, 1.0))

    def meaning(self) -> Schedule:
        return _exponential(
            self.init_value,
            self.transition_steps,
            self.decay_rate,
            self.transition_begin,
            self.staircase,
            self.end_value,
        )

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _exponential_quirks(self, self.init_value, run)


def _exponential_quirks(dialect: Any, start: float, run: int) -> Iterator[Finding]:
    if dialect.decay_rate == 0 and start != 0:
        evidence = {"decay_rate": 0, "rate": start, "run": run}
        yield Finding(
            "transition never starts", "warning", evidence, "optax takes a decay_rate of 0 for no decay at all."
        )
    elif dialect.transition_steps <= 0 and dialect.decay_rate != 1:
        evidence = {"transition_steps": dialect.transition_steps, "rate": start, "run": run}
        advice = (
            "optax holds the first value for ever when transition_steps is not positive; give it at least 1 update."
        )
        yield Finding("transition never starts", "warning", evidence, advice)


def _cosine(start: float, end: float, steps: int, power: float) -> Schedule:
    return Cosine(start, end, steps, power=power) if power else Constant(start, steps)


class cosine_decay_schedule(Dialect):
    """optax.cosine_decay_schedule: half a cosine, to the power of `exponent`, down to `alpha` of the start.

    >>> cosine_decay_schedule(1.0, 10, alpha=0.1)([0, 5, 10, 15])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="ratio", past="holds")
    init_value: float = _rate("the value at t = 0")
    decay_steps: int = count("how many updates it decays over", least=1)
    alpha: float = number("\\alpha", "", "the end, as a share of the start", default=0.0, span=(0.01, 0.5))
    exponent: float = number("p", "", "power of the cosine", default=1.0, ge=0, le=100, span=(0.5, 3))

    def meaning(self) -> Schedule:
        return _cosine(self.init_value, self.alpha * self.init_value, self.decay_steps, self.exponent)


class warmup_cosine_decay_schedule(Dialect):
    """optax.warmup_cosine_decay_schedule: a line to the peak at update W, then a cosine; `decay_steps` is the whole
    length, warmup included. A `peak_value` of 0 makes `end_value` 0 as well.

    >>> warmup_cosine_decay_schedule(0.0, 1.0, 4, 12)([0, 1, 4, 5, 8, 12]).round(3)
    array([0.   , 0.25 , 1.   , 0.962, 0.5  , 0.   ])
    """

    conventions = Conventions("cosine", warmup="t/W", horizon="whole", floor="rate")
    init_value: float = _rate("the value at t = 0")
    peak_value: float = _rate("the value after the warmup")
    warmup_steps: int = count("how many updates the warmup takes", span=(0, 12))
    decay_steps: int = count("how many updates there are, warmup included", least=1, span=(1, 40))
    end_value: float = _rate("the value at the end", 0.0)
    exponent: float = number("p", "", "power of the cosine", default=1.0, ge=0, le=100, span=(0.5, 3))

    def check(self) -> None:
        if self.decay_steps <= self.warmup_steps:
            raise ParameterError(
                f"warmup_cosine_decay_schedule.decay_steps must be > warmup_steps={self.warmup_steps} updates, which "
                f"it includes, got {self.decay_steps}"
            )

    def meaning(self) -> Schedule:
        end = self.end_value if self.peak_value else 0.0
        cosine = _cosine(self.peak_value, end, self.decay_steps - self.warmup_steps, self.exponent)
        return Linear(self.init_value, self.peak_value, self.warmup_steps) >> cosine if self.warmup_steps else cosine

    def quirks(self, run: int) -> Iterator[Finding]:
        if run > self.decay_steps > self.warmup_steps and self.peak_value == 0 != self.end_value:
            evidence = {
                "peak_value": 0.0,
                "end_value": self.end_value,
                "rate at the end": float(self(self.decay_steps)),
            }
            yield Finding(
                "end value ignored", "warning", evidence, "With a peak of 0 optax ends at 0, not at end_value."
            )


class warmup_exponential_decay_schedule(Dialect):
    """optax.warmup_exponential_decay_schedule: a line to the peak at update W, then `exponential_decay` counted from
    there.

    >>> warmup_exponential_decay_schedule(0.0, 1.0, 4, 5, 0.5)([0, 2, 4, 9, 14])
    array([0.  , 0.5 , 1.  , 0.5 , 0.25])
    """

    conventions = Conventions("exponential", warmup="t/W", floor="clipped", past="continues")
    init_value: float = _rate("the value at t = 0")
    peak_value: float = _rate("the value after the warmup")
    warmup_steps: int = count("how many updates the warmup takes", span=(0, 20))
    transition_steps: int = _any_count("how many updates one factor takes; held at the peak if not positive")
    decay_rate: float = number("r", "", "the factor; 0 holds the peak", ge=0, span=(0.1, 1.2))
    transition_begin: int = _any_count("how many updates the peak is held for", 0)
    staircase: bool = flag("s", "in steps", default=False)
    end_value: float | None = number("b", "rate", "where it is cut off", default=None, span=(1e-3, 1.0))

    def meaning(self) -> Schedule:
        decay = _exponential(
            self.peak_value,
            self.transition_steps,
            self.decay_rate,
            self.transition_begin,
            self.staircase,
            self.end_value,
        )
        return Linear(self.init_value, self.peak_value, self.warmup_steps) >> decay if self.warmup_steps else decay

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _exponential_quirks(self, self.peak_value, run)


def _accumulated(start: float, scales: Mapping[str, float] | None) -> tuple[list[int], list[float]]:
    """The updates from 0 on at which the value changes, and the values; a scale at 0 changes the first one."""
    places, values = [0], [start]
    for place, scale in (scales or {}).items():
        value = values[-1] * scale
        if int(place) == 0:
            values[0] = value
        else:
            places.append(int(place))
            values.append(value)
    return places, values


class piecewise_constant_schedule(Dialect):
    """optax.piecewise_constant_schedule: every scale multiplies what was before, from its update on (t >= b).

    >>> piecewise_constant_schedule(1.0, {4: 0.1, 8: 0.5})([3, 4, 8])
    array([1.  , 0.1 , 0.05])
    """

    conventions = Conventions("piecewise constant", boundary="t >= b")
    init_value: float = _rate("the value at t = 0")
    boundaries_and_scales: Mapping[str, float] | None = _scales()

    def meaning(self) -> Schedule:
        places, values = _accumulated(self.init_value, self.boundaries_and_scales)
        return PiecewiseConstant(values, places[1:]) if places[1:] else Constant(values[0])


def _interpolated(kind: str, start: float, scales: Mapping[str, float] | None) -> Schedule:
    places, values = _accumulated(start, scales)
    if not places[1:]:
        return Constant(values[0])
    return Interpolation(places, values) if kind == "linear" else CosineInterpolation(places, values)


class piecewise_interpolate_schedule(Dialect):
    """optax.piecewise_interpolate_schedule: from one accumulated value to the next, in lines or half cosines.

    >>> piecewise_interpolate_schedule("linear", 1.0, {4: 0.1, 8: 0.5})([0, 2, 4, 6, 8, 9])
    array([1.   , 0.55 , 0.1  , 0.075, 0.05 , 0.05 ])
    """

    conventions = Conventions("points", horizon="whole", floor="rate")
    interpolate_type: str = choice("k", "how it gets from one value to the next", ("linear", "cosine"))
    init_value: float = _rate("the value at t = 0")
    boundaries_and_scales: Mapping[str, float] | None = _scales()

    def meaning(self) -> Schedule:
        return _interpolated(self.interpolate_type, self.init_value, self.boundaries_and_scales)


def _share(help: str, default: float) -> Any:
    return number("q", "", help, default=default, ge=0, le=1, span=(0.05, 0.95))


def _divisor(help: str, default: float) -> Any:
    return number("d", "", help, default=default, gt=0, span=(2.0, 40.0))


def _cycle_quirks(dialect: Any, run: int) -> Iterator[Finding]:
    advice = (
        "The rise ends at int(pct_start * transition_steps), where a later corner takes its place; use more updates."
    )
    if run >= dialect.transition_steps:
        yield from misses_peak(dialect, dialect.peak_value, run, advice)


class cosine_onecycle_schedule(Dialect):
    """optax.cosine_onecycle_schedule: half cosines from peak / div_factor up to the peak, at update
    int(pct_start * transition_steps), and down to peak / (div_factor * final_div_factor). Corners at one and the same
    update overwrite each other, so that tiny lengths have no rise.

    >>> cosine_onecycle_schedule(10, 1.0)([0, 1, 2, 3, 9, 10]).round(6)
    array([4.0000e-02, 2.8000e-01, 7.6000e-01, 1.0000e+00, 4.9519e-02,
           4.0000e-06])
    """

    conventions = Conventions("one cycle", warmup="other", horizon="whole", floor="ratio")
    transition_steps: int = count("how many updates there are", least=1)
    peak_value: float = _rate("the highest value")
    pct_start: float = _share("the share of the updates in which it rises", 0.3)
    div_factor: float = _divisor("how much smaller the first value is", 25.0)
    final_div_factor: float = _divisor("how much smaller than the first the last value is", 1e4)

    def meaning(self) -> Schedule:
        corners = {
            int(self.pct_start * self.transition_steps): self.div_factor,
            self.transition_steps: 1.0 / (self.div_factor * self.final_div_factor),
        }
        return _interpolated("cosine", self.peak_value / self.div_factor, _sorted(corners))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _cycle_quirks(self, run)


class linear_onecycle_schedule(Dialect):
    """optax.linear_onecycle_schedule: lines from peak / div_factor up to the peak, back, and down to
    peak / (div_factor * final_div_factor). Corners at one and the same update overwrite each other.

    >>> linear_onecycle_schedule(10, 1.0)([0, 1, 2, 3, 8, 10]).round(6)
    array([4.0e-02, 3.6e-01, 6.8e-01, 1.0e+00, 4.0e-02, 4.0e-06])
    """

    conventions = Conventions("one cycle", warmup="t/W", horizon="whole", floor="ratio")
    transition_steps: int = count("how many updates there are", least=1)
    peak_value: float = _rate("the highest value")
    pct_start: float = _share("the share of the updates in which it rises", 0.3)
    pct_final: float = _share("the share of the updates after which it is back at the first value", 0.85)
    div_factor: float = _divisor("how much smaller the first value is", 25.0)
    final_div_factor: float = _divisor("how much smaller than the first the last value is", 1e4)

    def meaning(self) -> Schedule:
        corners = {
            int(self.pct_start * self.transition_steps): self.div_factor,
            int(self.pct_final * self.transition_steps): 1.0 / self.div_factor,
        }
        corners[self.transition_steps] = 1.0 / self.final_div_factor
        return _interpolated("linear", self.peak_value / self.div_factor, _sorted(corners))

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from _cycle_quirks(self, run)


def _sorted(corners: Mapping[int, float]) -> dict[str, float]:
    return {str(place): corners[place] for place in sorted(corners)}


class join_schedules(Dialect):
    """optax.join_schedules: the next schedule starts at its boundary (t >= b), and counts from 0 there.

    >>> join_schedules([linear_schedule(0.0, 1.0, 4), cosine_decay_schedule(1.0, 8)], [4])([0, 3, 4, 8, 12])
    array([0.  , 0.75, 1.  , 0.5 , 0.  ])
    """

    conventions = Conventions("sequence", boundary="t >= b")
    schedules: Sequence[Schedule] = schedules("the schedules, in order, or functions of the update", functions=True)
    boundaries: Sequence[int] = counts("where the next schedule takes over, one fewer than there are", empty=True)

    def check(self) -> None:
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ParameterError(
                f"join_schedules.boundaries must have one entry fewer than there are schedules "
                f"({len(self.schedules)}), got {len(self.boundaries)}; optax would ignore what is left over"
            )

    def meaning(self) -> Schedule:
        return joined(self.schedules, self.boundaries)

    def quirks(self, run: int) -> Iterator[Finding]:
        for place, schedule in zip((0, *self.boundaries), self.schedules, strict=True):
            if isinstance(schedule, Dialect) and place < run:
                yield from schedule.quirks(run - place)


@dataclasses.dataclass(eq=False, repr=False)
class CyclesKind(PlainKind):
    """A list of mappings, each the arguments of one `warmup_cosine_decay_schedule`."""

    def read(self, value: Any) -> Any:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
            raise ValueError(f"be a list of mappings, got {shorten(value)}")
        cycles = tuple(value)
        if not cycles:
            raise ValueError("have at least one cycle, got an empty list")
        for index, cycle in enumerate(cycles):
            if not isinstance(cycle, Mapping):
                raise ValueError(f"hold mappings, got {shorten(cycle)} at index {index}")
            try:
                warmup_cosine_decay_schedule(**cycle)
            except ParameterError as error:
                raise ValueError(f"hold arguments of warmup_cosine_decay_schedule; at index {index}: {error}") from None
        return super().read(cycles)

    def draw(self, rng: random.Random) -> Any:
        def cycle() -> dict[str, Any]:
            warmup = rng.choice((0, 1, rng.randint(0, 6)))
            given = {"init_value": rng.random(), "peak_value": rng.random(), "warmup_steps": warmup}
            return given | {"decay_steps": warmup + rng.randint(1, 10), "end_value": 0.1 * rng.random()}

        return [cycle() for _ in range(rng.randint(1, 4))]


class sgdr_schedule(Dialect):
    """optax.sgdr_schedule: cycles of `warmup_cosine_decay_schedule`, each as long as its `decay_steps`.

    >>> cycle = {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 1, "decay_steps": 3}
    >>> sgdr_schedule([cycle, cycle])([0, 1, 2, 3, 4, 6])
    array([0. , 1. , 0.5, 0. , 1. , 0. ])
    """

    conventions = Conventions("cosine restarts", warmup="t/W", boundary="t >= b", horizon="per cycle", floor="rate")
    cosine_kwargs: Sequence[Mapping[str, Any]] = declare(CyclesKind("", "", "the arguments of each cycle"))

    def meaning(self) -> Schedule:
        cycles = [warmup_cosine_decay_schedule(**cycle) for cycle in self.cosine_kwargs]
        result: Schedule = cycles[0]
        for cycle in cycles[1:]:
            result = result >> cycle
        return result


@listener
def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
) -> Plateau:
    """optax.contrib.reduce_on_plateau: scales the updates, not the rate, so that `min_scale` bounds the factor itself.

    >>> rule = reduce_on_plateau(patience=2)
    >>> state, factors = rule.start(), []
    >>> for metric in [1.0] * 7:
    ...     state, factor = rule(state, metric)
    ...     factors.append(round(factor, 6))
    >>> factors
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001]
    """
    return Plateau(
        factor=factor,
        patience=patience,
        threshold=rtol,
        cooldown=cooldown,
        floor=min_scale,
        convention="optax",
        atol=atol,
        average=accumulation_size,
    )


__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "join_schedules",
    "linear_onecycle_schedule",
    "linear_schedule",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "polynomial_schedule",
    "reduce_on_plateau",
    "sgdr_schedule",
    "warmup_constant_schedule",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]
