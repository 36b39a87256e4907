"""detectron2.solver: fvcore's schedulers with a warmup, as multipliers of the base rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ParameterError
from ..findings import Finding
from ..schedule import Schedule
from ..schedules import Constant, Cosine, Linear, PiecewiseConstant
from ..spec import choice, flag, number
from .conventions import Conventions
from .dialect import Dialect
from .fields import base_rate, count, counts, schedule
from .fvcore import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    CosineParamScheduler,
    Failure,
    LinearParamScheduler,
    MultiStepParamScheduler,
    StepWithFixedGammaParamScheduler,
    failures,
    stretched,
)
from .progress import run_of
from .quirks import misses_peak, of_parts, past_end
from .units import Counted

METHODS = ("linear", "constant")


def _factor() -> Any:
    return number("f", "", "the start, as a share of the first value", default=0.001, ge=0, span=(1e-3, 0.5))


class WarmupParamScheduler(Dialect):
    """detectron2 WarmupParamScheduler: a line up to the value that `scheduler` has when the warmup ends.

    So a cosine never reaches its start value, unless `rescale_interval` lets it begin only then.

    >>> cosine = CosineParamScheduler(1.0, 0.0)
    >>> WarmupParamScheduler(cosine, 0.001, 4 / 12, num_updates=12)([0, 1, 2, 3, 4, 5]).round(3)
    array([0.001, 0.188, 0.376, 0.563, 0.75 , 0.629])
    """

    conventions = Conventions("warmup", warmup="t/W", horizon="whole", past="continues")
    scheduler: Schedule = schedule("what the warmup is put in front of")
    warmup_factor: float = number("f", "", "the start, as a share of the first value", ge=0, span=(1e-3, 0.5))
    warmup_length: float = number("w", "", "the share of the run that warms up", ge=0, le=1, span=(0.05, 0.5))
    warmup_method: str = choice("m", "a line, or one value", METHODS, default="linear")
    rescale_interval: bool = flag("r", "whether the scheduler runs whole after the warmup", default=False)
    num_updates: int = count("the updates of the run", 1, least=1)

    def check(self) -> None:
        run_of(self.scheduler)

    def meaning(self) -> CompositeParamScheduler:
        run = run_of(self.scheduler)
        first = float(self.scheduler(0))
        reached = first if self.rescale_interval else float(self.scheduler(self.warmup_length * run))
        start = self.warmup_factor * first
        line = self.warmup_method == "linear"
        return CompositeParamScheduler(
            schedulers=[
                LinearParamScheduler(start, reached) if line else ConstantParamScheduler(start),
                self.scheduler,
            ],
            lengths=[self.warmup_length, 1 - self.warmup_length],
            interval_scaling=["rescaled", "rescaled" if self.rescale_interval else "fixed"],
            num_updates=self.num_updates,
        )

    @property
    def horizon(self) -> int:
        return self.num_updates

    @property
    def failure(self) -> Failure | None:
        return self.meaning().failure

    def quirks(self, run: int) -> Iterator[Finding]:
        first = float(self.scheduler(0))
        advice = "detectron2's warmup ends on the decayed value; rescale_interval=True starts the decay after it."
        yield from misses_peak(self, first, run, advice)
        yield from of_parts(self.meaning().placed, run)
        yield from past_end(self, self.horizon, run, "The scheduler goes on past its end; make it as long as the run.")
        yield from failures(self, self.horizon, run)


class LRMultiplier(Dialect):
    """detectron2 LRMultiplier: the base rate times a scheduler of progress; update t is asked at t / `max_iter`.

    >>> steps = MultiStepParamScheduler([1, 0.1, 0.01], 90, [60, 80])
    >>> LRMultiplier(WarmupParamScheduler(steps, 0.001, 10 / 90), 90, lr=0.02)([0, 5, 10, 60, 80])
    array([2.000e-05, 1.001e-02, 2.000e-02, 2.000e-03, 2.000e-04])
    """

    conventions = Conventions("as given", horizon="whole", past="continues")
    multiplier: Schedule = schedule("what the base rate is multiplied by")
    max_iter: int = count("the updates of the run", least=1)
    lr: float = base_rate()

    def check(self) -> None:
        run_of(self.multiplier)

    def meaning(self) -> Schedule:
        return self.lr * Counted(self.multiplier, run_of(self.multiplier), span=self.max_iter)

    @property
    def horizon(self) -> int:
        return self.max_iter

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from of_parts([(stretched(self.multiplier, self.max_iter), 0, self.max_iter)], run)
        advice = "The multiplier goes on past its end; make max_iter the length of the run."
        yield from past_end(self, self.horizon, run, advice)
        yield from failures(self.multiplier, self.max_iter, run)


def _warmup(method: str, updates: int, factor: float) -> Schedule:
    """What the deprecated classes multiply the rate by."""
    if updates == 0:
        return Constant(1.0)
    return Linear(factor, 1.0, updates) if method == "linear" else Constant(factor, updates) >> Constant(1.0, 1)


class WarmupMultiStepLR(Dialect):
    """detectron2 WarmupMultiStepLR (deprecated there): a line from `warmup_factor`, times stairs.

    >>> WarmupMultiStepLR([8], warmup_iters=4, lr=1.0)([0, 2, 4, 7, 8])
    array([0.001 , 0.5005, 1.    , 1.    , 0.1   ])
    """

    conventions = Conventions("multi-step", warmup="t/W", boundary="t >= b")
    milestones: Sequence[int] = counts("from where each further factor applies", empty=True)
    gamma: float = number("\\gamma", "", "what each milestone multiplies by", default=0.1, span=(0.1, 0.9))
    warmup_factor: float = _factor()
    warmup_iters: int = count("length of the warmup", 1000, span=(0, 12))
    warmup_method: str = choice("m", "a line, or one value", METHODS, default="linear")
    lr: float = base_rate()

    def check(self) -> None:
        if list(self.milestones) != sorted(self.milestones):
            raise ParameterError(f"WarmupMultiStepLR.milestones must not fall (updates), got {list(self.milestones)}")

    def meaning(self) -> Schedule:
        warmup = _warmup(self.warmup_method, self.warmup_iters, self.warmup_factor)
        places = sorted({place for place in self.milestones if place})
        passed = [sum(m <= place for m in self.milestones) for place in (0, *places)]
        values = [self.lr * self.gamma**n for n in passed]
        return warmup * (PiecewiseConstant(values, places) if places else Constant(values[0]))

    @property
    def horizon(self) -> int:
        return max((self.warmup_iters, *self.milestones))


class WarmupCosineLR(Dialect):
    """detectron2 WarmupCosineLR (deprecated there): the warmup times a cosine that runs from the start.

    The peak is never reached, and past `max_iters` the rate rises again.

    >>> WarmupCosineLR(12, warmup_iters=4)([0, 1, 2, 3, 4, 5]).round(3)
    array([0.001, 0.246, 0.467, 0.64 , 0.75 , 0.629])
    """

    conventions = Conventions("cosine", warmup="t/W", horizon="whole", past="bounces")
    max_iters: int = count("the updates of the run", least=1)
    warmup_factor: float = _factor()
    warmup_iters: int = count("length of the warmup", 1000, span=(0, 12))
    warmup_method: str = choice("m", "a line, or one value", METHODS, default="linear")
    lr: float = base_rate()

    def meaning(self) -> Schedule:
        warmup = _warmup(self.warmup_method, self.warmup_iters, self.warmup_factor)
        return warmup * Cosine(self.lr, 0.0, self.max_iters).mirror().repeat()

    @property
    def horizon(self) -> int:
        return self.max_iters

    def quirks(self, run: int) -> Iterator[Finding]:
        yield from misses_peak(self, self.lr, run, "The cosine has already fallen when detectron2's warmup ends.")
        yield from past_end(self, self.horizon, run, "The cosine bounces; make max_iters the length of the run.")


class build_lr_scheduler(Dialect):
    """detectron2 build_lr_scheduler: what the `SOLVER` section of its config makes, by the names it has there.

    >>> solver = {"MAX_ITER": 12, "WARMUP_ITERS": 4, "BASE_LR": 1.0}
    >>> build_lr_scheduler("WarmupCosineLR", **solver)([0, 1, 4, 5, 12]).round(3)
    array([0.001, 0.188, 0.75 , 0.629, 0.   ])
    """

    conventions = Conventions("as given", warmup="t/W", boundary="t >= b", horizon="whole", past="bounces")
    LR_SCHEDULER_NAME: str = choice(
        "",
        "the curve",
        ("WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR"),
        default="WarmupMultiStepLR",
    )
    MAX_ITER: int = count("the updates of the run", 40_000, least=1)
    BASE_LR: float = number("\\eta", "rate", "the base rate", default=0.001, gt=0, span=(1e-4, 1.0))
    BASE_LR_END: float = number("e", "rate", "the end of the cosine", default=0.0, ge=0, span=(1e-6, 1e-4))
    GAMMA: float = number("\\gamma", "", "the factor of each step", default=0.1, gt=0, span=(0.1, 0.9))
    STEPS: Sequence[int] = counts(
        "where each step is; those past MAX_ITER are left out", (30_000,), least=1, empty=True
    )
    NUM_DECAYS: int = count("steps of WarmupStepWithFixedGammaLR", 3, least=1, span=(1, 6))
    WARMUP_FACTOR: float = _factor()
    WARMUP_ITERS: int = count("length of the warmup", 1000, span=(0, 12))
    WARMUP_METHOD: str = choice("m", "a line, or one value", METHODS, default="linear")
    RESCALE_INTERVAL: bool = flag("r", "whether the curve runs whole after the warmup", default=False)

    def check(self) -> None:
        if self.BASE_LR_END > self.BASE_LR:
            raise ParameterError(
                f"build_lr_scheduler.BASE_LR_END must be <= BASE_LR = {self.BASE_LR} rate, got {self.BASE_LR_END}"
            )
        self.meaning()
        own = type(self._curve).conventions
        self._differs(shape=own.shape, boundary=own.boundary, past=own.past)

    @property
    def _curve(self) -> Dialect:
        if self.LR_SCHEDULER_NAME == "WarmupCosineLR":
            return CosineParamScheduler(1.0, self.BASE_LR_END / self.BASE_LR)
        if self.LR_SCHEDULER_NAME == "WarmupStepWithFixedGammaLR":
            return StepWithFixedGammaParamScheduler(1.0, self.NUM_DECAYS, self.GAMMA, self.MAX_ITER)
        steps = [step for step in self.STEPS if step <= self.MAX_ITER]
        return MultiStepParamScheduler([self.GAMMA**k for k in range(len(steps) + 1)], self.MAX_ITER, steps)

    def meaning(self) -> Schedule:
        warmed = WarmupParamScheduler(
            self._curve,
            self.WARMUP_FACTOR,
            min(self.WARMUP_ITERS / self.MAX_ITER, 1.0),
            self.WARMUP_METHOD,
            self.RESCALE_INTERVAL,
        )
        return LRMultiplier(warmed, self.MAX_ITER, lr=self.BASE_LR)

    @property
    def horizon(self) -> int:
        return self.MAX_ITER

    def quirks(self, run: int) -> Iterator[Finding]:
        meaning = self.meaning()
        assert isinstance(meaning, LRMultiplier)
        yield from meaning.quirks(run)


__all__ = ["LRMultiplier", "WarmupCosineLR", "WarmupMultiStepLR", "WarmupParamScheduler", "build_lr_scheduler"]
