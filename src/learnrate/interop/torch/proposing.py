"""Which of torch's schedulers might give a schedule: read off its structure, to be compared update by update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from ...clock import FOREVER
from ...errors import LearnrateError
from ...schedule import Chain, Cut, Mirrored, Product, Repeated, Schedule, Stepped, Sum
from ...schedules import (
    Constant,
    Cosine,
    Exponential,
    Geometric,
    Linear,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
    Step,
)
from ..dialect import Dialect
from ..simplifying import parts as parts_of
from ..simplifying import simplified
from ..writing import difference
from . import composition, schedulers

_FAR = 10**12
"""Updates that no run reaches: how long a factor has to hold that torch would otherwise take back."""

Rule = Callable[[Any, float], Iterator[Dialect]]


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """Torch's schedulers that might give this schedule, simple ones first; most of them will not."""
    plain = simplified(schedule)
    for base in _bases(plain):
        yield from _single(plain, base)
    yield from _cycles(plain)
    if isinstance(plain, Chain):
        yield from _one_cycle(parts_of(plain))
        for base in _bases(plain):
            yield from _sequence(parts_of(plain), base)
    if isinstance(plain, Product):
        yield from _chained(parts_of(plain))


def _bases(schedule: Schedule) -> list[float]:
    """The rates that the optimizer might have: where the schedule or a part of it starts or ends, the first one first.

    The base rate is the highest of those where torch can only lower it.
    """
    parts = parts_of(schedule) if isinstance(schedule, (Chain, Product)) else (schedule,)
    starts = [schedule(0), *(part(0) for part in parts)]
    ends = [part(part.length) for part in parts if part.length < FOREVER]
    found = [schedule(0), max(starts + ends), *starts, *ends]
    return list(dict.fromkeys(rate for rate in found if rate > 0))


# -- one scheduler of torch, for an optimizer whose rate is `base`


def _single(schedule: Schedule, base: float) -> Iterator[Dialect]:
    for kind, rule in _RULES.items():
        if type(schedule) is kind:
            yield from rule(schedule, base)


def _attempt(name: str, **arguments: Any) -> Iterator[Dialect]:
    """The scheduler with these arguments, unless its own rules refuse them."""
    home: Any = schedulers if hasattr(schedulers, name) else composition
    shares = ("factor", "start_factor", "end_factor")
    tidy = {key: _tidy(value) if key in shares else value for key, value in arguments.items()}
    try:
        yield getattr(home, name)(**tidy)
    except LearnrateError:
        return


def _tidy(share: float) -> float:
    """A quotient without the last digit, which rounding made: 0.1 and not 0.09999999999999999."""
    return float(f"{share:.15g}")


def _constant(schedule: Any, base: float) -> Iterator[Dialect]:
    if schedule.value == base:
        yield from _attempt("ConstantLR", factor=1.0, total_iters=1, lr=base)
    yield from _attempt("ConstantLR", factor=schedule.value / base, total_iters=_FAR, lr=base)


def _linear(schedule: Any, base: float) -> Iterator[Dialect]:
    n = int(schedule.length)
    yield from _attempt(
        "LinearLR", start_factor=schedule.start / base, end_factor=schedule.end / base, total_iters=n, lr=base
    )
    if schedule.end == 0:
        yield from _attempt("PolynomialLR", total_iters=n, power=1.0, lr=base)


def _polynomial(schedule: Any, base: float) -> Iterator[Dialect]:
    if schedule.end == 0 and schedule.k == 1:
        yield from _attempt("PolynomialLR", total_iters=int(schedule.length), power=schedule.power, lr=base)
    elif schedule.power == schedule.k == 1:
        yield from _linear(Linear(schedule.start, schedule.end, int(schedule.length)), base)


def _cosine(schedule: Any, base: float) -> Iterator[Dialect]:
    if schedule.power == schedule.k == 1:
        yield from _attempt("CosineAnnealingLR", T_max=int(schedule.length), eta_min=schedule.end, lr=base)


def _exponential(schedule: Any, base: float) -> Iterator[Dialect]:
    yield from _attempt("ExponentialLR", gamma=schedule.factor ** (1 / schedule.period), lr=base)


def _natural(schedule: Any, base: float) -> Iterator[Dialect]:
    yield from _attempt("ExponentialLR", gamma=math.exp(-schedule.decay), lr=base)


def _geometric(schedule: Any, base: float) -> Iterator[Dialect]:
    if schedule.length > 0:
        yield from _attempt("ExponentialLR", gamma=(schedule.end / schedule.start) ** (1 / schedule.length), lr=base)


def _step(schedule: Any, base: float) -> Iterator[Dialect]:
    yield from _attempt("StepLR", step_size=schedule.period, gamma=schedule.factor, lr=base)


def _stepped(schedule: Any, base: float) -> Iterator[Dialect]:
    body = schedule.body
    if isinstance(body, Exponential):
        gamma = body.factor ** (schedule.updates / body.period)
        yield from _attempt("StepLR", step_size=schedule.updates, gamma=gamma, lr=base)


def _stairs(schedule: Any, base: float) -> Iterator[Dialect]:
    values, boundaries = schedule.values, list(schedule.boundaries)
    if len(values) == 2 and values[1] == base:
        yield from _attempt("ConstantLR", factor=values[0] / base, total_iters=boundaries[0], lr=base)
    ratios = [after / before for before, after in pairwise(values) if before]
    if len(ratios) == len(boundaries):
        gamma = _tidy(
            max(ratios)
        )  # the smallest drop; a drop that is a power of it is a milestone counted several times
        counts = [round(math.log(ratio) / math.log(gamma)) if ratio > 0 and 0 < gamma < 1 else 1 for ratio in ratios]
        repeated = [place for place, count in zip(boundaries, counts, strict=True) for _ in range(min(count, 20))]
        yield from _attempt("MultiStepLR", milestones=repeated, gamma=gamma, lr=base)


def _repeated(schedule: Any, base: float) -> Iterator[Dialect]:
    body = schedule.body
    if schedule.times is not None or schedule.scale != 1:
        return
    if isinstance(body, Mirrored) and isinstance(body.body, Cosine) and schedule.stretch == 1:
        yield from _cosine(body.body, base)
    if isinstance(body, Cosine) and schedule.stretch == int(schedule.stretch):
        restarts = {"T_0": int(body.length), "T_mult": int(schedule.stretch), "eta_min": body.end}
        yield from _attempt("CosineAnnealingWarmRestarts", **restarts, lr=base)


_RULES: dict[type[Schedule], Rule] = {
    Constant: _constant,
    Linear: _linear,
    Polynomial: _polynomial,
    Cosine: _cosine,
    Exponential: _exponential,
    NaturalExponential: _natural,
    Geometric: _geometric,
    Step: _step,
    Stepped: _stepped,
    PiecewiseConstant: _stairs,
    Repeated: _repeated,
}


# -- cycles, which set the rate whatever the optimizer's is


def _cycles(schedule: Any) -> Iterator[Dialect]:
    """`CyclicLR`: triangles on top of a constant, each as high as the first, half as high, or shrinking."""
    low, teeth = 0.0, schedule
    mode: dict[str, Any] = {"mode": "triangular"}
    match _operands(Sum, schedule):
        case (Constant() as floor, above):
            low, teeth = floor.value, above
    match _operands(Product, teeth):
        case (repeated, Exponential() as decay):
            mode, teeth = {"mode": "exp_range", "gamma": decay.factor ** (1 / decay.period)}, repeated
    if not isinstance(teeth, Repeated) or teeth.times is not None or teeth.stretch != 1:
        return
    if teeth.scale == 0.5:
        mode = {"mode": "triangular2"}
    rise, fall = _legs(teeth.body)
    if rise is not None:
        yield from _attempt(
            "CyclicLR",
            base_lr=low + rise.start,
            max_lr=low + rise.end,
            step_size_up=int(rise.length),
            step_size_down=fall,
            **mode,
            cycle_momentum=False,
        )


def _operands(kind: type[Schedule], schedule: Schedule) -> tuple[Schedule, ...]:
    return parts_of(schedule) if isinstance(schedule, kind) else ()


def _legs(tooth: Any) -> tuple[Any, int]:
    """The rise of a triangle, and how long it falls; None for what is no triangle."""
    if isinstance(tooth, Mirrored) and isinstance(tooth.body, Linear):
        return tooth.body, int(tooth.body.length)
    if isinstance(tooth, Chain) and len(parts_of(tooth)) == 2 and all(isinstance(part, Linear) for part in tooth.parts):
        return tooth.parts[0], int(tooth.parts[1].length)
    return None, 0


def _one_cycle(parts: tuple[Any, ...]) -> Iterator[Dialect]:
    """`OneCycleLR`, whose phases end one update early: its peak is at pct_start * total_steps - 1."""
    kind = type(parts[0])
    if kind not in (Cosine, Linear) or len(parts) not in (2, 3) or any(type(part) is not kind for part in parts):
        return
    rise, last = parts[0], parts[-1]
    if min(rise.start, rise.end, last.end) <= 0 or FOREVER in [part.length for part in parts]:
        return
    total = sum(int(part.length) for part in parts) + 1
    yield from _attempt(
        "OneCycleLR",
        max_lr=rise.end,
        total_steps=total,
        pct_start=(int(rise.length) + 1) / total,
        anneal_strategy="cos" if kind is Cosine else "linear",
        cycle_momentum=False,
        div_factor=rise.end / rise.start,
        final_div_factor=rise.start / last.end,
        three_phase=len(parts) == 3,
    )


# -- several schedulers of torch


def _sequence(parts: tuple[Schedule, ...], base: float) -> Iterator[Dialect]:
    """`SequentialLR`: every part as a scheduler for the same base rate."""
    children, milestones, start = [], [], 0
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        child = next(_fitting(part, base, last), None)
        if child is None:
            return
        children.append(child.replace(lr=1.0) if "lr" in child.kinds else child)
        start += 0 if last else int(part.length)
        milestones += [] if last else [start]
    yield from _attempt("SequentialLR", schedulers=children, milestones=milestones, lr=base)


def _fitting(part: Schedule, base: float, last: bool) -> Iterator[Dialect]:
    """What gives a part while it speaks; the last part speaks for ever, but may still be right within a run."""
    while isinstance(part, Cut):
        part = part.body
    for child in _single(part, base):
        updates = min(int(part.length) + 1, 10_000) if part.length < FOREVER else 10_000
        if difference(part, child, updates if last else max(updates - 1, 1)) is None:
            yield child


def _chained(parts: tuple[Schedule, ...]) -> Iterator[Dialect]:
    """`ChainedScheduler`: factors that multiply each other, each for a base rate of its own."""
    children, rate = [], 1.0
    for part in parts:
        found = [(child, base) for base in _bases(part) for child in _fitting(part, base, True)]
        if not found:
            return
        child, base = found[0]
        children.append(child.replace(lr=1.0))
        rate *= base
    yield from _attempt("ChainedScheduler", schedulers=children, lr=rate)


__all__ = ["proposals"]
