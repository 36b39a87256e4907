"""Composer's time strings, what they are in updates, and what all of its schedulers share."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from ...clock import Clock
from ...errors import ParameterError, UnboundError
from ...findings import Finding
from ...formula import LATEST
from ...schedule import Schedule
from ...spec import Kind, declare, flag, number, shorten
from .. import quirks
from ..dialect import Dialect
from ..fields import count
from ..units import Counted, ceiling

_TIME = re.compile(r"([0-9.]+(?:e[+-]?[0-9]+)?)(ep|ba|sp|tok|dur)", re.ASCII)
_UNITS = "'10ep', '500ba', '0.3dur', '2e9tok' or '1e6sp'"
_PER = {"sp": "samples_per_update", "tok": "tokens_per_update"}


class Time(NamedTuple):
    """A number of a unit, as Composer reads it: whole, unless it is a share of the duration."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


def time(text: str) -> Time:
    """A time string; raises `ValueError` whose text is the rule."""
    match = _TIME.fullmatch(text.strip().lower()) if len(text) <= 40 else None
    try:
        value = float(match.group(1)) if match else -1.0
    except ValueError:
        value = -1.0
    if match is None or not 0 <= value <= LATEST:
        raise ValueError(f"be a time such as {_UNITS}, got {shorten(text)}")
    unit = match.group(2)
    if unit != "dur" and value != int(value):
        raise ValueError(f"be a whole number of {unit}, got {shorten(text)}")
    return Time(value if unit == "dur" else int(value), unit)


@dataclasses.dataclass(eq=False, repr=False)
class TimeKind(Kind):
    """A time string; `optional` allows None."""

    optional: bool = False
    samples: tuple[str, ...] = ("4ba", "12ba", "20ba")

    def read(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        if not isinstance(value, str):
            raise ValueError(f"be a time such as {_UNITS}, got {shorten(value)}")
        time(value)
        return value.strip()

    def draw(self, rng: random.Random) -> Any:
        return rng.choice(self.samples)


@dataclasses.dataclass(eq=False, repr=False)
class TimesKind(TimeKind):
    """A list of time strings."""

    def read(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"be a list of times such as {_UNITS}, got {shorten(value)}")
        return tuple(TimeKind.read(self, item) for item in value)

    def draw(self, rng: random.Random) -> Any:
        return tuple(rng.choice(self.samples) for _ in range(rng.randint(0, 3)))


def moment(help: str, default: Any = dataclasses.MISSING, samples: tuple[str, ...] = TimeKind.samples) -> Any:
    """Declare a time string; a default of None makes it optional."""
    return declare(TimeKind("t", "", help, default is None, samples), default)


def ratio() -> Any:
    """Declare the Trainer's scale_schedule_ratio."""
    help = "the Trainer's ratio that stretches its duration and every time that is no share and no warmup"
    return number("\\sigma", "", help, default=1.0, gt=0, span=(0.6, 2.0))


def duration() -> Any:
    """Declare the Trainer's max_duration."""
    return moment("the Trainer's duration, before it is stretched; the total if left out", None)


def total_updates() -> Any:
    """Declare the length of the run in updates."""
    return count("the updates of the run, which .over(total) fills in", None, span=(20, 40))


def per_epoch() -> Any:
    """Declare how many updates an epoch has."""
    return count("updates in an epoch, which .over fills in", None, least=1, span=(2, 9))


def per_update(what: str) -> Any:
    """Declare how many tokens or samples an update has."""
    return number("q", "per update", f"{what} in an update, which .over fills in", default=None, gt=0, span=(2, 9))


def stepped() -> Any:
    """Declare whether the Trainer's lag is part of the schedule."""
    return flag("", "as the Trainer steps it, one update late", default=False)


class Run:
    """What a scheduler reads of Composer's state, and its conversion of times, truncations included."""

    def __init__(self, owner: Dialect) -> None:
        values = owner.parameters()
        self.name = type(owner).__name__
        self.ratio: float = values["scale_schedule_ratio"]
        self.epoch: int | None = values["updates_per_epoch"]
        self.values = values

    def missing(self, what: str, how: str) -> UnboundError:
        return UnboundError(
            f"{self.name} needs {what}; bind it with .over(total{how}), or give {how[2:] or 'total=...'}"
        )

    @property
    def duration(self) -> Time | None:
        """The Trainer's duration after it has been stretched; None when nothing says it."""
        if self.values["max_duration"] is not None:
            value, unit = time(self.values["max_duration"])
            stretched = Time(int(value * self.ratio), unit)
            if unit == "dur" or not stretched.value:
                raise ParameterError(
                    f"{self.name}.max_duration must be at least one ep, ba, sp or tok after stretching, "
                    f"got {self.values['max_duration']!r} at a ratio of {self.ratio:g}"
                )
            return stretched
        return None if self.values["total"] is None else Time(self.values["total"], "ba")

    def batches(self, epochs: float) -> float:
        if self.epoch is None:
            raise self.missing("the updates of an epoch", ", updates_per_epoch=...")
        return epochs * self.epoch

    def convert(self, text: str, ratio: float | None = None) -> Time:
        """A time in batches, samples or tokens; `ratio` stretches what is no share."""
        value, unit = time(text)
        if unit == "dur":
            whole = self.duration
            if whole is None:
                raise self.missing(f"the length of the run, of which {text!r} is a share", "")
            if whole.unit == "ep":
                return Time(int(self.batches(value) * whole.value), "ba")
            return Time(int(value * whole.value), whole.unit)
        if unit == "ep":
            value, unit = self.batches(value), "ba"
        return Time(int(value * (1.0 if ratio is None else ratio)), unit)

    def positive(self, name: str, ratio: float | None = None) -> Time:
        """A time that Composer divides by."""
        found = self.convert(self.values[name], ratio)
        if not found.value:
            given = f"{self.values[name]!r} at a ratio of {self.ratio:g}"
            raise ParameterError(f"{self.name}.{name} must be at least one {found.unit} when truncated, got {given}")
        return found

    def per(self, unit: str) -> float:
        """How much of a unit an update takes."""
        if unit == "ba":
            return 1.0
        value = self.values[_PER[unit]]
        if value is None:
            raise self.missing(f"the {_PER[unit].replace('_', ' ')}", f", {_PER[unit]}=...")
        return cast(float, value)

    def update(self, moment: Time) -> int:
        """The first update at which a moment has come."""
        return ceiling(moment.value, self.per(moment.unit))

    def counted(self, body: Schedule, span: Time, origin: float = 0.0) -> Schedule:
        """A shape of one unit, read from `origin` on over `span`."""
        return Counted(body, self.per(span.unit), origin, span.value)


class Scheduler(Dialect):
    """What all of Composer's schedulers share: binding, the base rate, and the Trainer's lag."""

    @classmethod
    def _register(cls) -> None:
        if cls.kinds:
            super()._register()

    def multiplier(self, run: Run) -> Schedule:
        """The multiplier of the base rate at the time itself."""
        raise NotImplementedError

    def _named_end(self, run: Run) -> Time | None:
        """What the arguments call the end."""
        return run.convert(self.parameters()["t_max"], run.ratio) if "t_max" in self.kinds else None

    def meaning(self) -> Schedule:
        values, run = self.parameters(), Run(self)
        _ = run.duration  # one that is stretched to nothing is refused
        scaled = cast(Schedule, values["lr"] * self.multiplier(run))
        return scaled.delay(1) if values["trainer"] else scaled

    @property
    def horizon(self) -> int | None:
        run = Run(self)
        end = self._named_end(run)
        return None if end is None else run.update(end)

    def _demand(self) -> str:
        try:
            return self.meaning().demand
        except UnboundError:
            return "rest"

    def _extent(self, clock: Clock) -> int | None:
        return self.meaning()._extent(clock) if self.bound else None

    def _bind(self, clock: Clock, span: int) -> Schedule:
        if self.bound:
            return self
        values = self.parameters()
        known = {"total": span, "updates_per_epoch": clock.updates_per_epoch}
        known |= {name: getattr(clock, name) for name in _PER.values()}
        changes = {name: value for name, value in known.items() if values[name] is None and value is not None}
        bound = self.replace(**changes)
        _ = bound.algebra  # what is still missing is said here
        return bound

    def over(
        self,
        total: int,
        *,
        updates_per_epoch: float | None = None,
        tokens_per_update: float | None = None,
        samples_per_update: float | None = None,
    ) -> Schedule:
        """The schedule of a run of `total` updates; what is one update late has its last value right after it."""
        clock = Clock(total, updates_per_epoch, tokens_per_update, samples_per_update)
        bound = cast(Scheduler, self._bind(clock, clock.total))
        if bound is not self and bound.horizon is not None and bound.horizon > clock.total:
            raise ParameterError(
                f"{shorten(self, 200)} ends at update {bound.horizon}, after the total of {clock.total} updates"
            )
        return bound

    def _allot(self, clock: Clock, span: int) -> Schedule:
        bound = self._bind(clock, span)
        return bound._ended(span) if bound.length > span else bound

    def quirks(self, run: int) -> Iterator[Finding]:
        if self.parameters()["trainer"]:
            yield from quirks.late(self, run)
        elif run > 1:
            evidence = {"rate at 1": float(self(1)), "in the Trainer": float(self(0))}
            advice = "Composer's Trainer steps before it counts the batch, one update late: trainer=True."
            yield Finding("one update late in the Trainer", "note", evidence, advice)
        yield from self._truncated()

    def _truncated(self) -> Iterator[Finding]:
        """A share of the duration that is no whole number is cut off, never rounded."""
        state = Run(self)
        for name, value in self.parameters().items():
            if not (isinstance(value, str) and value.endswith("dur")):
                continue
            whole, found = state.duration, state.convert(value)
            if whole is None or whole.unit == "ep":
                continue
            exact = time(value).value * whole.value
            if exact - found.value > 1e-9:
                evidence = {"exact": exact, "used": found.value}
                advice = f"Composer cuts {name}={value!r} off to whole {found.unit}; give it in {found.unit}."
                yield Finding("time cut off", "note", evidence, advice)
