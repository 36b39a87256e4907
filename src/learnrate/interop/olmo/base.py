"""What the schedulers of OLMo-core share: the trainer's clock, warmups and decays, and the usual arguments."""

from __future__ import annotations

import abc
import dataclasses
import random
from collections.abc import Iterator
from typing import Any, Self

from ...clock import Clock
from ...errors import ParameterError, UnboundError
from ...findings import Finding
from ...schedule import Schedule
from ...schedules import Linear
from ...spec import Number, choice, declare, number
from ..dialect import Dialect
from ..fields import LARGEST, count
from ..progress import Line
from ..units import Counted


@dataclasses.dataclass(eq=False, repr=False)
class _Given(Number):
    """A number that may be left out; what tests draw never is."""

    def draw(self, rng: random.Random) -> Any:
        return Number.draw(dataclasses.replace(self, optional=False), rng)


@dataclasses.dataclass(eq=False, repr=False)
class _Older(Number):
    """A number by a name of the past; tests draw the newer one."""

    def draw(self, rng: random.Random) -> Any:
        return None


def _maybe(unit: str, help: str, default: float | None = None, **rules: Any) -> Any:
    return declare(Number("q", unit, help, optional=True, **rules), default)


def _units() -> Any:
    return choice("u", "what warmup, decay and max_steps count", ("steps", "tokens"), default="steps")


def _total() -> Any:
    kind = _Given("T", "", "length of the run, in units", optional=True, ge=1, le=LARGEST, whole=True, span=(8, 40))
    return declare(kind, None)


def _first() -> Any:
    return number(
        "k", "", "the count of the first update; the trainer's is 1", default=0, ge=0, le=1, whole=True, span=(0, 1)
    )


def _tokens() -> Any:
    kind = _Given("B", "tokens", "tokens per update", optional=True, ge=1, le=LARGEST, whole=True, span=(1, 8))
    return declare(kind, None)


def _length(noun: str) -> Any:
    return count(f"length of the {noun}, in units", None, span=(1, 12))


def _older(noun: str) -> Any:
    help = f"length of the {noun} (an older name)"
    return declare(_Older("n", "updates", help, optional=True, ge=0, le=LARGEST, whole=True), None)


def _fraction(noun: str, default: float | None = None) -> Any:
    return _maybe("", f"length of the {noun}, as a share of the run", default, ge=0, le=1, span=(0.05, 0.6))


def _minimum(noun: str) -> Any:
    return number("m", "rate", f"the rate at the {noun}", default=0.0, ge=0, span=(1e-7, 1e-6))


def _alpha() -> Any:
    return number("\\alpha", "", "the end, as a share of the base rate", default=0.1, ge=0, span=(0.01, 0.5))


class _Scheduler(Dialect):
    """The base of all: updates around a curve of the library's own count."""

    @classmethod
    def _register(cls) -> None:
        if cls.__name__ != "_Scheduler":
            super()._register()

    def _own(self, name: str) -> Any:
        """A parameter that every scheduler declares, after its own."""
        return self.__dict__[name]

    @abc.abstractmethod
    def _rates(self) -> Schedule:
        """The rate over the library's count."""

    def meaning(self) -> Schedule:
        rates, each = self._rates(), self._each
        if each > 1:
            return Counted(rates, each, -each * self._own("first_step"))
        return rates.skip(1) if self._own("first_step") else rates

    @property
    def _each(self) -> int:
        """What one update adds to the count."""
        if self._own("units") == "steps":
            return 1
        each: int | None = self._own("tokens_per_update")
        if each is None:
            raise UnboundError(f"{self.full_name()} counts tokens; bind it with .over(total, tokens_per_update=...)")
        return each

    def check(self) -> None:
        if self._own("units") == "steps" and self._own("tokens_per_update") is not None:
            raise ParameterError(
                f"{self.full_name()}.tokens_per_update belongs to units='tokens', got {self._own('tokens_per_update')}"
            )
        self._check_lengths()

    def _check_lengths(self) -> None:
        """A warmup (and a decay, where there is one) is given as a length or as a share, and not as both."""
        for noun in ("warmup", "decay"):
            if f"{noun}_fraction" in self.kinds:
                given = [getattr(self, f"{noun}{more}", None) for more in ("", "_steps", "_fraction")]
                if (given[2] is None) == (given[0] is None and given[1] is None):
                    raise ParameterError(
                        f"{self.full_name()} takes {noun} or {noun}_fraction: give one, and None for the other; "
                        f"got {noun}={given[0] if given[0] is not None else given[1]}, {noun}_fraction={given[2]}"
                    )

    @property
    def _whole(self) -> int:
        """The length of the run, in units."""
        whole: int | None = self._own("max_steps")
        if whole is None:
            raise UnboundError(f"{self.full_name()}.max_steps is not known; give it, or bind with .over(total)")
        return whole

    @property
    def _end(self) -> int:
        """The length that the curve is made for: its own `t_max` where it has one."""
        own: int | None = self.__dict__.get("t_max")
        return self._whole if own is None else own

    @property
    def horizon(self) -> int | None:
        try:
            last: int = -(-self._end // self._each) - self._own("first_step")
        except UnboundError:
            return None
        return max(last, 0)

    def _span(self, noun: str, whole: int) -> int:
        """The length of the warmup or decay; a share is rounded as Python rounds, halves to even."""
        steps: int | None = getattr(self, noun)
        if steps is None:
            steps = getattr(self, f"{noun}_steps", None)
        return round(whole * getattr(self, f"{noun}_fraction")) if steps is None else steps

    def _demand(self) -> str:
        return self.meaning().demand if self.bound else "rest"

    def _extent(self, clock: Clock) -> int | None:
        return self.meaning()._extent(clock) if self.bound else None

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        each: Any = 1
        if self._own("units") == "tokens":
            each = self._own("tokens_per_update") or clock.tokens_per_update
            if each is None:
                clock.resolve("1tok")  # says what is missing
        known = None if self._own("units") == "steps" else each
        whole = self._own("max_steps")
        return self.replace(tokens_per_update=known, max_steps=span * each if whole is None else whole)

    def quirks(self, run: int) -> Iterator[Finding]:
        if run > 1 and self._own("first_step") == 0:
            evidence = {"rate at 0": float(self(0)), "in the trainer": float(self.replace(first_step=1)(0))}
            advice = "OLMo-core's trainer counts an update before it makes it, one update ahead: first_step=1."
            yield Finding("one update ahead in the trainer", "note", evidence, advice)

    def _in_sequence(self, lr: float, whole: int, first: int) -> Self:
        """As a part of a sequence: its own rate, run and units do not count there."""
        return self.replace(lr=lr, max_steps=whole, first_step=first, units="steps", tokens_per_update=None)

    def _ramp(self, warmup: int, peak: float) -> list[Schedule]:
        """The warmup; the library asserts that it rises."""
        low: float = self._own("warmup_min_lr")
        if not warmup:
            return []
        if low >= peak:
            raise ParameterError(f"{self.full_name()}.warmup_min_lr must be < its peak of {peak} rate, got {low}")
        return [Linear(low, peak, warmup)]

    def _no_zero(self, noun: str, length: int, when: str = "") -> None:
        if length < 1:
            raise ParameterError(
                f"{self.full_name()}.{noun} must be >= 1 {self._own('units')}, got {length}; the library divides by it"
                f"{when}"
            )

    def _no_zero_warmup(self, warmup: int) -> None:
        """For those that ask `current <= warmup`, and so divide by 0 at the count 0, which the trainer never has."""
        if self._own("first_step") == 0:
            self._no_zero("warmup", warmup, " at the count 0; first_step=1 begins after it, as the trainer does")

    def _tail(self, peak: float, decay: int) -> Schedule:
        """The linear decay, which goes on past its end; the library asserts that it falls."""
        self._no_zero("decay", decay)
        low: float = self._own("decay_min_lr")
        if low >= peak:
            raise ParameterError(
                f"{self.full_name()}.decay_min_lr must be < {peak} rate, where the decay begins, got {low}"
            )
        return Line(peak, low, decay)

    def _joined(self, ramp: list[Schedule], stable: Schedule, begin: int, tail: Schedule) -> Schedule:
        """Warmup, the stable part up to `begin`, and the tail; the warmup speaks up to and including its end."""
        warmup = int(ramp[0].length) if ramp else 0
        if begin > warmup:
            return _chain(*ramp, stable.cut(begin - warmup), tail)
        if not ramp:
            return tail.skip(-begin)
        return _chain(ramp[0].cut(warmup + 1), tail.skip(warmup + 1 - begin))


def _chain(*parts: Schedule) -> Schedule:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole >> part
    return whole
