"""The two kinds of leaf: a shape has a formula, a recipe has a meaning in the algebra."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar, cast

from ..clock import FOREVER, Clock, Length
from ..errors import ParameterError, UnboundError
from ..formula import Namespace
from ..spec import shorten
from .contract import COMPOSITES, SCHEDULES, Schedule


class Shape(Schedule):
    """A schedule with a formula of its own. Its length, where it has one, is the parameter `updates`.

    `open_ended` shapes need no length: alone or last they go on for ever, followed they take the rest.
    """

    open_ended: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._register()

    @classmethod
    def _register(cls) -> None:
        SCHEDULES.add(cls.__name__, cls)

    @abc.abstractmethod
    def formula(self, t: Any, xp: Any) -> Any:
        """The value for 0 <= t <= length, in the closed language of `learnrate.formula`."""

    @property
    def updates_or_rest(self) -> Length:
        return self.__dict__.get("updates")

    def _demand(self) -> str:
        if self.updates_or_rest is not None:
            return "fixed"
        return "open" if self.open_ended else "rest"

    def _bound(self) -> bool:
        return isinstance(self.updates_or_rest, int) or self.demand == "open"

    def _length(self) -> float:
        known = self.updates_or_rest
        return FOREVER if known is None else cast(int, known)

    def _extent(self, clock: Clock) -> int | None:
        known = self.updates_or_rest
        return None if known is None else clock.resolve(known)

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        extent = self._extent(clock)
        if extent is not None and extent > clock.total:
            raise ParameterError(
                f"{shorten(self)} is {extent} updates long, longer than the total of {clock.total} updates"
            )
        return self.replace(updates=span if extent is None else extent)

    def _ended(self, span: int) -> Schedule:
        return self.replace(updates=span) if "updates" in self.kinds else COMPOSITES["Cut"](self, span)

    def _held(self, t: Any, xp: Namespace) -> Any:
        # nothing to divide by: alone, a shape without length is its end value
        if self.length == 0 and "updates" in self.kinds:
            return self.replace(updates=1).at(1.0, xp)
        return self.formula(xp.hold(t, self.length), xp)


class Recipe(Schedule):
    """A schedule that is a name for an expression in the algebra: `meaning()` returns it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._register()

    @classmethod
    def _register(cls) -> None:
        SCHEDULES.add(cls.__name__, cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _ = self.bound  # lengths that do not fit are an error here, where the recipe is built

    @abc.abstractmethod
    def meaning(self) -> Schedule:
        """The expression this recipe stands for."""

    @property
    def _total(self) -> Length:
        return self.__dict__.get("updates")

    def _demand(self) -> str:
        if "updates" in self.kinds:
            return "rest" if self._total is None else "fixed"
        return self.meaning().demand

    def _bound(self) -> bool:
        try:
            return self.algebra.bound
        except UnboundError:
            return False

    @cached_property
    def algebra(self) -> Schedule:
        """The meaning, bound to the recipe's own length where that is a number."""
        meaning = self.meaning()
        if meaning.bound or not isinstance(self._total, int):
            return meaning
        try:
            return meaning._bind(Clock(self._total), self._total)
        except UnboundError:  # lengths in epochs, tokens or samples wait for .over()
            return meaning

    def _length(self) -> float:
        return self.algebra.length

    def _corners(self) -> Iterable[float]:
        return self.algebra._corners()

    def _settled(self) -> float:
        return self.algebra._settled()

    def _extent(self, clock: Clock) -> int | None:
        if "updates" in self.kinds:
            return None if self._total is None else clock.resolve(self._total)
        return self.replace(**self._resolved(clock)).meaning()._extent(clock)

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        changes: dict[str, Any] = {}
        if "updates" in self.kinds:
            extent = self._extent(clock)
            changes["updates"] = span if extent is None else extent
            clock = clock.within(changes["updates"])
        return self.replace(**(self._resolved(clock) | changes))

    def _held(self, t: Any, xp: Namespace) -> Any:
        return self.algebra.at(t, xp)
