"""transformers.optimization: the `get_..._schedule...` functions, and `get_scheduler`, which picks one by name.

They are torch LambdaLR schedulers: update t uses the factor at t. torchtune and diffusers have the same functions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from ...errors import ParameterError
from ...feedback import Greedy, Plateau, Rule
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Cosine, InverseSqrt, Linear, Polynomial, PowerDecay
from ...spec import Choice, choice, declare, number, shorten, unknown
from .. import quirks
from ..conventions import Conventions
from ..dialect import Curve, Dialect, listener
from ..fields import base_rate, count, plain

BOUNCES = "The cosine goes on past num_training_steps: count the updates of the run again."


def _num_warmup_steps() -> Any:
    return count("how long the warmup is", span=(0, 8))


def _num_training_steps() -> Any:
    return count("how long the run is, warmup included", span=(8, 40))


def _num_cycles(default: float = 0.5) -> Any:
    return number("c", "waves", "how many waves there are; half a wave goes down", default=default, ge=0, span=(0.5, 3))


def _min_lr() -> Any:
    return number("m", "rate", "the floor", default=None, ge=0, span=(1e-5, 1e-4))


def _min_lr_rate() -> Any:
    return number("r", "", "the floor, as a share of the base rate", default=None, ge=0, span=(0.01, 0.3))


class _Wave(Curve):
    """A cosine of any number of waves, which goes on for ever."""

    start: float = number("a", "rate", "the crest")
    floor: float = number("m", "rate", "the trough")
    waves: float = number("c", "waves", "waves in one span", ge=0)
    span: int = count("how long the span is", least=1)

    def formula(self, t: Any, xp: Any) -> Any:
        w = xp.let("w", (1 + xp.cos(math.pi * 2 * self.waves * t / self.span)) / 2)
        return self.start * w + self.floor * (1 - w)


class _Falls(Curve):
    """Half cosines in a row, each from the start to 0; where one begins is counted exactly."""

    start: float = number("a", "rate", "where each begins")
    falls: float = number("c", "", "how many there are in one span", ge=0)
    span: int = count("how long the span is", least=1)

    def formula(self, t: Any, xp: Any) -> Any:
        u = xp.let("u", (self.falls * t - self.span * xp.quotient(self.falls * t, self.span)) / self.span)
        return self.start * (1 + xp.cos(math.pi * u)) / 2


def _wave(start: float, floor: float, waves: float, span: int) -> Schedule:
    """A cosine from its crest; as half cosines there and back where their length is whole."""
    if waves == 0:
        return Constant(start)
    half = span / (2 * waves)
    if half >= 1 and half == math.floor(half):
        return Cosine(start, floor, int(half)).mirror().repeat()
    return _Wave(start, floor, waves, span)


def _warmed(warmup: int, peak: float, rest: Schedule) -> Schedule:
    return Linear(0.0, peak, warmup) >> rest


def _floor(dialect: Any) -> float:
    """The floor as a rate, from `min_lr` or `min_lr_rate`, of which the library wants exactly one."""
    name = type(dialect).__name__
    if (dialect.min_lr is None) == (dialect.min_lr_rate is None):
        raise ParameterError(
            f"{name} needs one of min_lr (a rate) and min_lr_rate (a share of the base rate), "
            f"got min_lr={dialect.min_lr} and min_lr_rate={dialect.min_lr_rate}"
        )
    if dialect.min_lr is None:
        return float(dialect.min_lr_rate * dialect.lr)
    if not dialect.lr:
        raise ParameterError(f"{name}.lr must be > 0 rate when min_lr is given, which is divided by it, got 0")
    return float(dialect.min_lr)


class get_constant_schedule(Dialect):
    """transformers.get_constant_schedule: the base rate.

    >>> get_constant_schedule(lr=0.1)(1000)
    0.1
    """

    conventions: ClassVar[Conventions] = Conventions("constant")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return Constant(self.lr)


class get_constant_schedule_with_warmup(Dialect):
    """transformers.get_constant_schedule_with_warmup: from 0 to the base rate, which it reaches at update W.

    >>> get_constant_schedule_with_warmup(4)([0, 1, 3, 4, 5])
    array([0.  , 0.25, 0.75, 1.  , 1.  ])
    """

    conventions: ClassVar[Conventions] = Conventions("constant", warmup="t/W")
    num_warmup_steps: int = _num_warmup_steps()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        return _warmed(self.num_warmup_steps, self.lr, Constant(self.lr))

    @property
    def horizon(self) -> int | None:
        return self.num_warmup_steps


class get_linear_schedule_with_warmup(Dialect):
    """transformers.get_linear_schedule_with_warmup: up to the base rate, and down to 0 at `num_training_steps`.

    >>> get_linear_schedule_with_warmup(2, 10)([0, 1, 2, 6, 10, 11])
    array([0. , 0.5, 1. , 0.5, 0. , 0. ])
    """

    conventions: ClassVar[Conventions] = Conventions("linear", warmup="t/W", horizon="whole")
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        fall = self.num_training_steps - self.num_warmup_steps
        return _warmed(self.num_warmup_steps, self.lr, _down(Linear(self.lr, 0.0, max(fall, 0))))

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps


def _down(fall: Schedule) -> Schedule:
    """A part of length 0 would vanish from a chain: its end value must stay."""
    return fall if fall.length else Constant(float(fall(0)), 1)


class get_cosine_schedule_with_warmup(Dialect):
    """transformers.get_cosine_schedule_with_warmup: down a cosine to 0, and past `num_training_steps` up again.

    `num_cycles` counts waves: 0.5 is half a wave, down.

    >>> get_cosine_schedule_with_warmup(2, 12)([0, 1, 2, 7, 12, 17, 22]).round(6)
    array([0. , 0.5, 1. , 0.5, 0. , 0.5, 1. ])
    """

    conventions: ClassVar[Conventions] = Conventions("cosine", warmup="t/W", horizon="whole", past="bounces")
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    num_cycles: float = _num_cycles()
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        span = max(1, self.num_training_steps - self.num_warmup_steps)
        return _warmed(self.num_warmup_steps, self.lr, _wave(self.lr, 0.0, self.num_cycles, span))

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        return quirks.past_end(self, self.num_training_steps, run, BOUNCES)


class get_cosine_with_hard_restarts_schedule_with_warmup(Dialect):
    """transformers.get_cosine_with_hard_restarts_schedule_with_warmup: equal cycles, and 0 from the end on.

    >>> get_cosine_with_hard_restarts_schedule_with_warmup(0, 12, 3)([3, 4, 5, 11, 12, 13]).round(3)
    array([0.146, 1.   , 0.854, 0.146, 0.   , 0.   ])
    """

    conventions: ClassVar[Conventions] = Conventions("cosine restarts", warmup="t/W", horizon="whole")
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    num_cycles: float = _num_cycles(1.0)
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        span = max(1, self.num_training_steps - self.num_warmup_steps)
        cycles = self.num_cycles
        if cycles >= 1 and cycles == math.floor(cycles):
            falls = Cosine(self.lr, 0.0, span).repeat(int(cycles)).fit(span)
        else:
            falls = (_Falls(self.lr, cycles, span).cut(span) >> Constant(0.0)).cut(span)
        return _warmed(self.num_warmup_steps, self.lr, falls)

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps


class get_polynomial_decay_schedule_with_warmup(Dialect):
    """transformers.get_polynomial_decay_schedule_with_warmup: down to `lr_end`, a rate, with a power.

    The library divides by zero when the warmup is as long as the run, which is an error here.

    >>> get_polynomial_decay_schedule_with_warmup(0, 10, lr_end=0.1, power=2.0)([0, 5, 10, 11])
    array([1.   , 0.325, 0.1  , 0.1  ])
    """

    conventions: ClassVar[Conventions] = Conventions("polynomial", warmup="t/W", horizon="whole", floor="rate")
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    lr_end: float = number("m", "rate", "the end", default=1e-7, ge=0, span=(1e-7, 1e-5))
    power: float = number("p", "", "power of what is left", default=1.0, gt=0, le=100, span=(0.5, 3))
    lr: float = base_rate()

    def check(self) -> None:
        name = type(self).__name__
        if not self.lr > self.lr_end:
            raise ParameterError(f"{name}.lr_end must be < lr (rate), got {self.lr_end} and {self.lr}")
        if self.num_warmup_steps == self.num_training_steps:
            raise ParameterError(
                f"{name}.num_warmup_steps must not be num_training_steps (updates), got {self.num_warmup_steps} for "
                "both: transformers divides by what is left, which is 0; give the decay an update"
            )

    def meaning(self) -> Schedule:
        fall = max(self.num_training_steps - self.num_warmup_steps, 0)
        return _warmed(self.num_warmup_steps, self.lr, _down(Polynomial(self.lr, self.lr_end, fall, power=self.power)))

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps


class get_inverse_sqrt_schedule(Dialect):
    """transformers.get_inverse_sqrt_schedule: falls with the root of time; `timescale` is the warmup, or else 10,000.

    >>> get_inverse_sqrt_schedule(4)([0, 1, 3, 4, 5, 16, 100]).round(3)
    array([0.   , 0.25 , 0.75 , 1.   , 0.894, 0.5  , 0.2  ])
    """

    conventions: ClassVar[Conventions] = Conventions("inverse square root", warmup="t/W", past="continues")
    num_warmup_steps: int = _num_warmup_steps()
    timescale: float | None = number(
        "\\tau", "updates", "timescale of the decay; the warmup if left out", default=None, gt=0, span=(1, 40)
    )
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        timescale = self.timescale or self.num_warmup_steps or 10_000
        return _warmed(self.num_warmup_steps, self.lr, InverseSqrt(self.lr, timescale))


class get_cosine_with_min_lr_schedule_with_warmup(Dialect):
    """transformers.get_cosine_with_min_lr_schedule_with_warmup: down a cosine to a floor, then up again.

    The floor is `min_lr`, which the library divides by the optimizer's default rate (so a group with another rate has
    another floor), or `min_lr_rate`, a share.

    >>> get_cosine_with_min_lr_schedule_with_warmup(0, 10, min_lr=0.1)([0, 5, 9, 10, 11, 15, 20]).round(3)
    array([1.   , 0.55 , 0.122, 0.1  , 0.122, 0.55 , 1.   ])
    """

    conventions: ClassVar[Conventions] = Conventions(
        "cosine", warmup="t/W", horizon="whole", floor="ratio", past="bounces"
    )
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    num_cycles: float = _num_cycles()
    min_lr: float | None = _min_lr()
    min_lr_rate: float | None = _min_lr_rate()
    lr: float = base_rate()

    def check(self) -> None:
        _floor(self)

    def meaning(self) -> Schedule:
        span = max(1, self.num_training_steps - self.num_warmup_steps)
        return _warmed(self.num_warmup_steps, self.lr, _wave(self.lr, _floor(self), self.num_cycles, span))

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        return quirks.past_end(self, self.num_training_steps, run, BOUNCES)


class get_cosine_with_min_lr_schedule_with_warmup_lr_rate(Dialect):
    """transformers' "cosine_warmup_with_min_lr": everything one update early, and up again past the end.

    The warmup is (t + 1) / W, or from `warmup_lr_rate` to 1 over W - 1 updates; the floor is met at update T - 1.

    >>> get_cosine_with_min_lr_schedule_with_warmup_lr_rate(4, 12, min_lr=0.0)([0, 1, 2, 3, 4, 5, 11]).round(3)
    array([0.25 , 0.5  , 0.75 , 1.   , 0.962, 0.854, 0.   ])
    """

    conventions: ClassVar[Conventions] = Conventions(
        "cosine", warmup="(t+1)/W", horizon="whole", floor="ratio", past="bounces"
    )
    num_warmup_steps: int = _num_warmup_steps()
    num_training_steps: int = _num_training_steps()
    num_cycles: float = _num_cycles()
    min_lr: float | None = _min_lr()
    min_lr_rate: float | None = _min_lr_rate()
    warmup_lr_rate: float | None = number(
        "w", "", "start of the warmup, as a share of the base rate", default=None, ge=0, span=(0.01, 0.5)
    )
    lr: float = base_rate()

    def check(self) -> None:
        _floor(self)

    def meaning(self) -> Schedule:
        span = max(1, self.num_training_steps - self.num_warmup_steps)
        wave = _wave(self.lr, _floor(self), self.num_cycles, span)
        warmup, share = self.num_warmup_steps, self.warmup_lr_rate
        if warmup == 0:
            return wave.skip(1)
        if share is None:  # the peak is at update W - 1, where the wave begins
            return Linear(0.0, self.lr, warmup).skip(1) >> wave
        if warmup == 1:  # there is no update at the peak
            return Constant(share * self.lr, 1) >> wave.skip(1)
        return Linear(share * self.lr, self.lr, warmup - 1) >> wave

    @property
    def horizon(self) -> int | None:
        return self.num_training_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        end = self.num_training_steps - 1
        if end > self.num_warmup_steps and self.num_cycles == 0.5:
            yield from quirks.past_end(self, end, run, "The floor is met one update before num_training_steps.")


class get_wsd_schedule(Dialect):
    """transformers.get_wsd_schedule: warmup, stable phase, decay. The warmup starts at `min_lr_ratio`, not at 0.

    Without `num_stable_steps` the stable phase is what is left of `num_training_steps`; when warmup and decay are
    longer than that, the decay is entered in its middle, with a jump.

    >>> get_wsd_schedule(2, 4, 10, decay_type="linear", min_lr_ratio=0.1)([0, 1, 5, 6, 7, 9, 10, 11])
    array([0.1  , 0.55 , 1.   , 1.   , 0.775, 0.325, 0.1  , 0.1  ])
    """

    conventions: ClassVar[Conventions] = Conventions(
        "warmup-stable-decay", warmup="t/W", horizon="whole", floor="ratio"
    )
    num_warmup_steps: int = _num_warmup_steps()
    num_decay_steps: int = count("how long the decay is", span=(1, 12))
    num_training_steps: int | None = number(
        "T", "updates", "how long the run is", default=None, ge=0, le=2**53, whole=True, span=(8, 40)
    )
    num_stable_steps: int | None = number(
        "S", "updates", "how long the stable phase is", default=None, ge=0, le=2**53, whole=True, span=(1, 20)
    )
    warmup_type: str = choice("", "curve of the warmup", ("linear", "cosine", "1-sqrt"), default="linear")
    decay_type: str = choice("", "curve of the decay", ("linear", "cosine", "1-sqrt"), default="cosine")
    min_lr_ratio: float = number("r", "", "the floor, as a share of the base rate", default=0.0, ge=0, span=(0.01, 0.3))
    num_cycles: float = _num_cycles()
    lr: float = base_rate()

    def check(self) -> None:
        if self.num_training_steps is None and self.num_stable_steps is None:
            raise ParameterError("get_wsd_schedule needs num_training_steps or num_stable_steps (updates), got neither")

    @property
    def _stable(self) -> int:
        """How long the stable phase is; below 0 it is the part of the decay that is left out."""
        if self.num_stable_steps is not None:
            return self.num_stable_steps
        assert self.num_training_steps is not None
        return self.num_training_steps - self.num_warmup_steps - self.num_decay_steps

    @property
    def _end(self) -> int:
        return self.num_warmup_steps + max(self._stable + self.num_decay_steps, 0)

    def meaning(self) -> Schedule:
        low, warmup, stable = self.min_lr_ratio * self.lr, self.num_warmup_steps, self._stable
        rises: dict[str, Schedule] = {
            "linear": Linear(low, self.lr, warmup),
            "cosine": Cosine(low, self.lr, warmup),
            "1-sqrt": Polynomial(low, self.lr, warmup, power=0.5),
        }
        decay = self._decay(low).skip(-stable) if stable < 0 else self._decay(low)
        chain = rises[self.warmup_type] >> Constant(self.lr, max(stable, 0)) >> decay >> Constant(low)
        return chain.cut(self._end)

    def _decay(self, low: float) -> Schedule:
        length = self.num_decay_steps
        if self.decay_type == "linear":
            return Linear(self.lr, low, length)
        if self.decay_type == "1-sqrt":
            return PowerDecay(self.lr, low, length, power=0.5)
        if self.num_cycles == 0.5:
            return Cosine(self.lr, low, length)
        return _wave(self.lr, low, self.num_cycles, max(1, length)).cut(length)

    @property
    def horizon(self) -> int | None:
        return self._end if self.num_training_steps is None else self.num_training_steps

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.min_lr_ratio and self.num_warmup_steps and run:
            yield Finding(
                "warmup starts at the floor",
                "note",
                {"rate at 0": float(self(0))},
                "min_lr_ratio is also where the warmup starts.",
            )
        if self._stable < 0:
            advice = "Warmup and decay are longer than num_training_steps: shorten one of them."
            yield from quirks.jumps(self, self.num_warmup_steps, run, advice)


def _one(name: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ParameterError(f"{name}.{key} must be one number (rate), got {shorten(value)}")
    return float(value)


def _shares(name: str, lr: Any, **bounds: Any) -> list[float]:
    """Rates as shares of the base rate, which is what a rule bounds."""
    base = _one(name, "lr", lr)
    if not base > 0:
        raise ParameterError(f"{name}.lr must be > 0 rate, got {lr!r}")
    return [_one(name, key, value) / base for key, value in bounds.items()]


@listener
def get_reduce_on_plateau_schedule(
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
    lr: float = 1.0,
) -> Rule:
    """transformers.get_reduce_on_plateau_schedule, which is torch's ReduceLROnPlateau: one report per evaluation.

    >>> get_reduce_on_plateau_schedule(patience=2, min_lr=1e-5, lr=1e-3)
    Plateau(patience=2, threshold_mode='rel', floor=0.01, eps=1e-05)
    """
    name = "get_reduce_on_plateau_schedule"
    floor, smallest = _shares(name, lr, min_lr=min_lr, eps=eps)
    if floor > 1:
        raise ParameterError(f"{name}.min_lr must be <= lr (rate), got {min_lr} and {lr}")
    return Plateau(factor, patience, threshold, threshold_mode, cooldown, floor, mode, "torch", smallest)


@listener
def get_greedy_schedule(
    mode: str = "min",
    factor: float = 0.95,
    patience: int = 10,
    threshold: float = 1e-6,
    threshold_mode: str = "abs",
    cooldown: int = 0,
    warmup: int = 0,
    min_lr: float = 1e-3,
    max_lr: float = 1.0,
    eps: float = 1e-8,
    verbose: bool = False,
    smooth: bool = False,
    window_size: int = 50,
    reset_start: int = 500,
    lr: float = 1.0,
) -> Rule:
    """transformers.get_greedy_schedule (GreedyLR): raises the rate while reports improve, lowers it while they do not.

    `min_lr` is 1e-3 unless given, which is above many base rates: an error here, where the library stands still.

    >>> get_greedy_schedule(min_lr=1e-5, max_lr=1e-2, lr=1e-3)
    Greedy(eps=1e-05)
    """
    name = "get_greedy_schedule"
    floor, ceiling, smallest = _shares(name, lr, min_lr=min_lr, max_lr=max_lr, eps=eps)
    if not floor <= 1 <= ceiling:
        raise ParameterError(
            f"{name}.min_lr and max_lr must lie around lr (rate), got {min_lr}, {max_lr} and lr={lr}; give all three"
        )
    window = window_size if smooth else 1
    bounds = (floor, ceiling)
    return Greedy(
        factor, patience, threshold, threshold_mode, cooldown, warmup, *bounds, mode, window, reset_start, smallest
    )


SCHEDULES: dict[str, type[Dialect]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
    "cosine_with_restarts": get_cosine_with_hard_restarts_schedule_with_warmup,
    "polynomial": get_polynomial_decay_schedule_with_warmup,
    "constant": get_constant_schedule,
    "constant_with_warmup": get_constant_schedule_with_warmup,
    "inverse_sqrt": get_inverse_sqrt_schedule,
    "cosine_with_min_lr": get_cosine_with_min_lr_schedule_with_warmup,
    "cosine_warmup_with_min_lr": get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
    "warmup_stable_decay": get_wsd_schedule,
}
RULES: dict[str, Callable[..., Rule]] = {
    "reduce_lr_on_plateau": get_reduce_on_plateau_schedule,
    "greedy": get_greedy_schedule,
}
WITHOUT_OPTIONS = ("constant", "constant_with_warmup")
"""The names to which the library does not pass `scheduler_specific_kwargs`."""


@dataclasses.dataclass(eq=False, repr=False)
class _Name(Choice):
    """A name of a schedule, as text or as a member of transformers' SchedulerType."""

    def read(self, value: Any) -> str:
        value = getattr(value, "value", value)
        if not isinstance(value, str) or value not in self.choices:
            raise ValueError(f"be one of {', '.join(map(repr, (*self.choices, *RULES)))}, got {shorten(value)}")
        return value


def _options(given: Mapping[str, Any] | None, steps: Mapping[str, Any]) -> dict[str, Any]:
    """`scheduler_specific_kwargs`, which must not repeat what has an argument of its own."""
    for key in given or {}:
        if key in (*steps, "lr"):
            raise ParameterError(
                f"get_scheduler.scheduler_specific_kwargs must not hold {key!r}; it is an argument of get_scheduler"
            )
    return dict(given or {})


class get_scheduler(Dialect):
    """transformers.get_scheduler: a schedule by its name; `scheduler_specific_kwargs` are the further arguments.

    The names that listen to a metric, "reduce_lr_on_plateau" and "greedy", return a rule instead of a schedule.

    >>> get_scheduler("linear", num_warmup_steps=2, num_training_steps=10, lr=0.1)([1, 2, 6])
    array([0.05, 0.1 , 0.05])
    >>> get_scheduler("reduce_lr_on_plateau", scheduler_specific_kwargs={"patience": 2})
    Plateau(patience=2, threshold_mode='rel', eps=1e-08)
    """

    conventions: ClassVar[Conventions] = Conventions("as given", warmup="t/W", horizon="whole")
    name: str = declare(_Name("", "", "the schedule", tuple(SCHEDULES)))
    num_warmup_steps: int | None = number(
        "W", "updates", "how long the warmup is", default=None, ge=0, le=2**53, whole=True, span=(0, 8)
    )
    num_training_steps: int | None = number(
        "T", "updates", "how long the run is, warmup included", default=None, ge=0, le=2**53, whole=True, span=(9, 40)
    )
    scheduler_specific_kwargs: Any = plain("further arguments of the schedule", default=None)
    lr: float = base_rate()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        name = args[0] if args else kwargs.get("name")
        name = getattr(name, "value", name)
        if not isinstance(name, str) or name not in RULES:
            return super().__new__(cls)
        given = cls._assigned(args, kwargs)
        options = _options(given["scheduler_specific_kwargs"], {})
        return RULES[name](**options, lr=given["lr"])

    def check(self) -> None:
        options = self.scheduler_specific_kwargs
        if options is not None and not isinstance(options, Mapping):
            raise ParameterError(f"get_scheduler.scheduler_specific_kwargs must be a mapping, got {shorten(options)}")
        self.__dict__["conventions"] = SCHEDULES[self.name].conventions

    @property
    def inner(self) -> Dialect:
        """The function that the name stands for, with its arguments."""
        cls = SCHEDULES[self.name]
        own: dict[str, Any] = {"num_warmup_steps": self.num_warmup_steps, "num_training_steps": self.num_training_steps}
        steps = {key: value for key, value in own.items() if key in cls.kinds}
        for key, value in steps.items():
            if value is None and key not in cls._defaults:
                raise ParameterError(f"get_scheduler.{key} must be given (updates) for {self.name!r}, got None")
        options = {} if self.name in WITHOUT_OPTIONS else _options(self.scheduler_specific_kwargs, steps)
        for key in options:
            if key not in cls.kinds:
                known = [known for known in cls.kinds if known not in (*steps, "lr")]
                raise ParameterError(unknown(f"parameter of {cls.__name__}", key, known))
        return cls(**steps, **options, lr=self.lr)

    def meaning(self) -> Schedule:
        return self.inner

    @property
    def horizon(self) -> int | None:
        return self.inner.horizon

    def quirks(self, run: int) -> Iterator[Finding]:
        return self.inner.quirks(run)


__all__ = [
    "RULES",
    "SCHEDULES",
    "get_constant_schedule",
    "get_constant_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "get_cosine_with_hard_restarts_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "get_greedy_schedule",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
    "get_reduce_on_plateau_schedule",
    "get_scheduler",
    "get_wsd_schedule",
]
