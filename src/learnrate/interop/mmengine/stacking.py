"""How mmengine's schedulers act together: each changes the current rate, in list order, inside its own window."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from ...clock import FOREVER
from ...errors import ParameterError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Constant, Interpolation
from ...spec import arguments, shorten
from ..conventions import Conventions
from ..dialect import Curve, Dialect
from ..fields import base_rate, count, schedule, schedules
from ..quirks import of_parts

INF = 1_000_000_000
"""mmengine's own "never", as the default of `end`."""


VALUES = ("ends above its floor", "negative past the end", "peak never reached", "rises past the end")
"""The findings that are about the rate which a scheduler makes alone."""


class Window(NamedTuple):
    """The steps in which a scheduler acts, `end` excluded, and how many updates each of its steps takes."""

    begin: int
    end: int
    pace: int

    @property
    def steps(self) -> int | None:
        """How many steps it acts; None when it never ends."""
        return None if self.end == INF else self.end - self.begin

    @property
    def first(self) -> int:
        """The update at which it begins."""
        return self.begin * self.pace

    @property
    def stop(self) -> float:
        """The update from which on it does nothing."""
        return FOREVER if self.end == INF else self.end * self.pace


class Scheduler(Dialect):
    """One scheduler of mmengine: a window, the curve it makes alone, and the step it makes among others.

    `k` counts its own steps from the beginning of its window; `base` is the optimizer's own value, `now` the current
    one, which it changes.
    """

    conventions: ClassVar[Conventions]
    parameter: ClassVar[str] = "lr"

    @classmethod
    def _register(cls) -> None:
        if cls.__module__ != __name__:  # this one is what they share
            super()._register()

    @classmethod
    def _assigned(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """By position, in the library's order: `last_step` before `by_epoch` (before `begin` in MultiStepLR), `verbose`
        after it. `convert_to_iter_based` says in words that there is an `epoch_length`.
        """
        names = list(cls.kinds)
        at = names.index("begin" if "milestones" in names else "by_epoch")
        args, named = args[:at] + args[at + 1 :], args[at : at + 1]
        verbose = names.index("by_epoch") + 1
        args = args[:verbose] + args[verbose + 1 :]
        if named and "last_step" in kwargs:
            raise ParameterError(f"{cls.__name__}.last_step is given twice, by position and by name")
        kwargs = kwargs | ({"last_step": named[0]} if named else {})
        convert = kwargs.pop("convert_to_iter_based", None)
        values = super()._assigned(args, kwargs)
        length = values.get("epoch_length")
        if convert not in (None, True, False) or (convert is not None and convert != (length is not None)):
            raise ParameterError(
                f"{cls.__name__}.convert_to_iter_based must be True with epoch_length (updates per epoch), and False "
                f"without it, got {shorten(convert)} and {shorten(length)}"
            )
        return values

    def __repr__(self) -> str:
        return f"{self.full_name()}({arguments(self, positional=2)})"

    @property
    def window(self) -> Window:
        """`begin` and `end` after the conversion to updates, where it is asked for."""
        given = self.parameters()
        begin, end, times = given["begin"], given["end"], given["epoch_length"] or 1
        last = end if end == INF else int(end * times)
        return Window(int(begin * times), last, given["updates_per_epoch"])

    @property
    def times(self) -> int:
        """What the conversion to updates multiplies periods with."""
        return cast(int, self.parameters()["epoch_length"] or 1)

    @property
    def base(self) -> float:
        return cast(float, self.parameters()[self.parameter])

    @property
    def iterations(self) -> int:
        """`end - begin - 1`, which mmengine counts as the length of its straight lines and powers."""
        return self.window.end - self.window.begin - 1

    @abc.abstractmethod
    def alone(self, now: float, base: float) -> Schedule:
        """The values at its steps k = 0, 1, ... when nothing else changes the value."""

    @abc.abstractmethod
    def step(self, k: int, now: float, base: float) -> float:
        """The value after its step k."""

    def multiplies(self, base: float) -> bool:
        """Whether each step multiplies the current value by a number that does not depend on it."""
        return True

    def rebased(self, base: float) -> float:
        """What later schedulers of the list take for the optimizer's own value."""
        return base

    def lasts(self) -> int | None:
        """How many steps its own arguments name, apart from the window."""
        return None

    def meaning(self) -> Schedule:
        return stacked([self], self.base)

    @property
    def horizon(self) -> int | None:
        steps = [steps for steps in (self.window.steps, self.lasts()) if steps is not None]
        return (self.window.begin + min(steps)) * self.window.pace if steps else None

    def check(self) -> None:
        name, given = type(self).__name__, self.parameters()
        if given["end"] <= given["begin"]:
            raise ParameterError(f"{name}.end must be > begin (updates), got {given['end']} and {given['begin']}")
        converted = given["epoch_length"] is not None
        if converted and not given["by_epoch"]:
            raise ParameterError(f"{name}.epoch_length converts from epochs, and so needs by_epoch=True")
        if given["updates_per_epoch"] != 1 and (converted or not given["by_epoch"]):
            raise ParameterError(
                f"{name}.updates_per_epoch needs by_epoch=True and no epoch_length: it steps per epoch"
            )
        for key in ("begin", "end"):
            if not converted and given[key] != int(given[key]):
                raise ParameterError(
                    f"{name}.{key} must be a whole number unless epoch_length is given, got {given[key]}"
                )
        if self.window.end <= self.window.begin:
            raise ParameterError(f"{name}.end must be at least one update after begin, got {self.window[:2]}")
        self.check_own()

    def check_own(self) -> None:
        """Rules across the arguments of one class."""


class _Paced(Curve):
    """A curve whose steps take so many updates each."""

    body: Schedule = schedule("the values at its steps")
    pace: int = count("how many updates a step takes", least=1)

    def formula(self, t: Any, xp: Any) -> Any:
        return self.body.at(xp.quotient(t, self.pace), xp)


class _Acting(NamedTuple):
    """A scheduler with what it takes for the optimizer's own value."""

    scheduler: Scheduler
    base: float

    @property
    def window(self) -> Window:
        return self.scheduler.window

    def curve(self, now: float, base: float) -> Schedule:
        """Its values from the first update of its window on; it keeps the one of its last step."""
        window = self.window
        body = self.scheduler.alone(now, base)
        if window.steps is not None and body.length > window.steps - 1:
            body = body.cut(window.steps - 1)
        if window.pace == 1:
            return body
        paced = _Paced(body, window.pace)
        return paced if body.length == FOREVER else paced.cut(int(body.length) * window.pace)


def stacked(several: Sequence[Scheduler], base: float, record: int | None = None) -> Schedule:
    """All of them on one optimizer; groups whose windows do not overlap follow each other, from where one is left."""
    acting, initial = [], base
    for scheduler in several:
        acting.append(_Acting(scheduler, initial))
        initial = scheduler.rebased(initial)
    groups = list(_groups(acting))
    starts = [min(one.window.first for one in group) for group in groups]
    whole, now = None, base
    for index, (group, start) in enumerate(zip(groups, starts, strict=True)):
        curve = _together(group, now, start, record)
        if index + 1 < len(groups):
            span = starts[index + 1] - start
            curve, now = curve.cut(span), float(curve(span))
        whole = _then(Constant(base, start) if whole is None else whole, curve)
    assert whole is not None
    return whole


def _then(before: Schedule, curve: Schedule) -> Schedule:
    """One after the other. A curve of length 0 has a value all the same, which a chain would leave out."""
    after = curve if curve.length else Constant(float(curve(0)), 1)
    return before >> after if before.length else after


def _groups(acting: Iterable[_Acting]) -> Iterator[list[_Acting]]:
    """Those whose windows overlap, together; each group in list order."""
    places = sorted(enumerate(acting), key=lambda item: item[1].window.first)
    group, stop = [places[0]], places[0][1].window.stop
    for place in places[1:]:
        if place[1].window.first >= stop:
            yield [one for _, one in sorted(group, key=lambda item: item[0])]
            group, stop = [], 0.0
        group.append(place)
        stop = max(stop, place[1].window.stop)
    yield [one for _, one in sorted(group, key=lambda item: item[0])]


def _together(group: list[_Acting], now: float, start: int, record: int | None) -> Schedule:
    """One group from its first update on: a product where all multiply, else every value replayed."""
    if len(group) == 1:
        return group[0].curve(now, group[0].base)
    if not _multiply(group):
        return _recorded(group, now, start, record)
    value: Schedule | None = None
    for one in group:
        factor, wait = one.curve(1.0, 1.0), one.window.first - start
        part = _then(Constant(1.0, wait), factor)
        value = part if value is None else value * part
    assert value is not None
    return now * value


def _multiply(group: Iterable[_Acting]) -> bool:
    return all(one.scheduler.multiplies(one.base) for one in group)


def _recorded(group: list[_Acting], now: float, start: int, record: int | None) -> Schedule:
    """The values of every update up to where the last window closes, or as far as the arguments say."""
    values = []
    for t in range(start, max(_reach(group, record), start + 1)):
        ordered = group if t == 0 else sorted(group, key=lambda one: one.window.pace > 1)
        for scheduler, base in ordered:
            window = scheduler.window
            step, rest = divmod(t, window.pace)
            if rest == 0 and window.begin <= step < window.end:
                now = scheduler.step(step - window.begin, now, base)
        values.append(now)
    return Interpolation(range(len(values)), values) if len(values) > 1 else Constant(values[0], 0)


def _reach(group: list[_Acting], record: int | None) -> int:
    stop = max(one.window.stop for one in group)
    if stop < FOREVER:
        return int(stop)
    named = [one.scheduler.horizon for one in group if one.scheduler.horizon is not None]
    if record is None and not named:
        raise ParameterError(
            "param_scheduler.record must say how many updates are replayed: these schedulers overlap and never end"
        )
    return record if record is not None else max(named)


class param_scheduler(Dialect):
    """mmengine's `param_scheduler` list: each scheduler changes the current rate, in list order, inside its window.

    Where windows overlap and one of them goes to a floor above 0 there is no closed form: the values are replayed once,
    up to where the windows close (`record` updates, where they never do), and held from there on.

    >>> from learnrate.interop.mmengine import CosineAnnealingLR, LinearLR
    >>> warmup = LinearLR(0.25, begin=0, end=4, by_epoch=False)
    >>> cosine = CosineAnnealingLR(10, begin=4, end=14, by_epoch=False)
    >>> param_scheduler([warmup, cosine])([0, 1, 3, 4, 9, 14]).round(3)
    array([0.25 , 0.5  , 1.   , 1.   , 0.5  , 0.024])
    """

    conventions = Conventions("sequence", boundary="t >= b")
    schedulers: Sequence[Schedule] = schedules("mmengine schedulers, in order")
    record: int | None = count("how many updates are replayed where windows that never end overlap", None, least=1)
    lr: float = base_rate()

    def check(self) -> None:
        for index, part in enumerate(self.schedulers):
            if not isinstance(part, Scheduler):
                raise ParameterError(
                    f"param_scheduler.schedulers must be mmengine schedulers, got {shorten(part)} at {index}"
                )
            if part.base not in (1.0, self.lr):
                raise ParameterError(
                    "param_scheduler.schedulers must leave the base rate to param_scheduler(lr=...), "
                    f"got {part.base} at {index}"
                )
        kinds = {part.parameter for part in self.parts}
        paces = {part.window.pace for part in self.parts} - {1}
        if len(kinds) > 1:
            raise ParameterError("param_scheduler.schedulers must all be of the rate or all of the momentum, got both")
        if sum(type(part).rebased is not Scheduler.rebased for part in self.parts) > 1:
            raise ParameterError(
                "param_scheduler.schedulers must have at most one OneCycleLR: mmengine keeps their rates in one place, "
                "so that the last one's count for all"
            )
        if len(paces) > 1:
            raise ParameterError(f"param_scheduler.schedulers must agree on updates_per_epoch, got {sorted(paces)}")

    @property
    def parts(self) -> list[Scheduler]:
        return [part for part in self.schedulers if isinstance(part, Scheduler)]

    def _based(self, part: Scheduler) -> Scheduler:
        return part if part.base == self.lr else part.replace(**{part.parameter: self.lr})

    def meaning(self) -> Schedule:
        return stacked(self.parts, self.lr, self.record)

    @property
    def horizon(self) -> int | None:
        named = [part.horizon for part in self.parts if part.horizon is not None]
        return max(named, default=self.record)

    def quirks(self, run: int) -> Iterator[Finding]:
        base = self.lr
        acting = []
        for part in self.parts:
            acting.append(_Acting(part, base))
            base = part.rebased(base)
        groups = list(_groups(acting))
        starts = [min(one.window.first for one in group) for group in groups]
        for group, stop in zip(groups, [*starts[1:], FOREVER], strict=True):
            for one in group:
                others = [other.window.stop for other in group if other is not one]
                for finding in of_parts([(self._based(one.scheduler), 0, stop)], run):
                    # what it does to the rate alone shows once no other one moves it
                    if finding.name not in VALUES or max(others, default=0) <= finding.evidence.get("end", 0):
                        yield finding
            if len(group) > 1 and not _multiply(group):
                reach = _reach(group, self.record)
                evidence = {"schedulers": len(group), "replayed": reach, "run": run}
                advice = "These schedulers overlap and read the current rate; their values are replayed, then held."
                yield Finding("recorded curve", "note" if run <= reach else "warning", evidence, advice)


__all__ = ["INF", "Scheduler", "param_scheduler", "stacked"]
