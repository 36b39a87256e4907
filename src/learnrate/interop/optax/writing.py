"""Schedules as optax's own functions, as a function of the count that carries the schedule, and as source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...clock import FOREVER
from ...errors import LearnrateError, UsageError
from ...schedule import Chain, Clipped, Delayed, Repeated, Schedule, Stepped, above
from ...schedules import (
    Constant,
    Cosine,
    CosineInterpolation,
    Exponential,
    Geometric,
    Interpolation,
    Linear,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
    Step,
)
from ...spec import REQUIRED, shorten
from ..dialect import Dialect, library_of
from ..hints import only, reached
from ..printing import JAX, indented, printed
from ..reading import Reading
from ..sampling import sampled
from ..simplifying import parts, simplified
from ..writing import difference, library
from . import schedules as own

# --- reading ----------------------------------------------------------------------------------------------------------


def read_object(obj: Any, *, sample: int | None = None, update: int = 0, **hints: Any) -> Reading:
    """The schedule behind a function of optax: what its closure holds are the arguments it was made with.

    `sample=N` takes the values of N updates instead, of any function; `update=` is what the count has reached.
    """
    only(hints, "a function of optax", ["sample", "update"])
    update = reached(update)
    if sample is not None:
        return Reading(sampled(obj, sample), update)
    if not callable(obj) or not hasattr(obj, "__qualname__"):
        raise UsageError(
            f"optax keeps a schedule inside its transformation, where it cannot be seen: {shorten(obj)}; "
            "read the schedule that you gave it: read(schedule, update=count)"
        )
    return Reading(_function(obj), update)


def _function(function: Any) -> Schedule:
    carried = getattr(function, "schedule", None)
    if isinstance(carried, Schedule):
        return carried
    name = str(getattr(function, "__qualname__", "")).partition(".<locals>")[0]
    reader = _READERS.get(name)
    if reader is None or not str(getattr(function, "__module__", "")).startswith("optax"):
        raise UsageError(f"{shorten(function)} is not made by optax.schedules: its formula cannot be seen; {_SAMPLE}")
    try:
        return reader(_held(function))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, LearnrateError):
            raise
        raise UsageError(f"the closure of optax.{name} does not hold what it should ({error!r}); {_SAMPLE}") from None


_SAMPLE = "take its values: read(it, sample=N)"


def _held(function: Any) -> dict[str, Any]:
    names = inspect.unwrap(function).__code__.co_freevars
    held = {}
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:  # never assigned
            continue
    return held


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _polynomial(held: Mapping[str, Any]) -> Schedule:
    given = {name: _number(value) for name, value in held.items()}
    if "transition_steps" not in given:
        return own.constant_schedule(given["init_value"])
    if given["power"] == 1:
        return own.linear_schedule(**{name: value for name, value in given.items() if name != "power"})
    return own.polynomial_schedule(**given)


def _exponential(held: Mapping[str, Any]) -> Schedule:
    given = {name: _number(value) for name, value in held.items() if name != "clip_fn"}
    return own.exponential_decay(**given) if "decay_rate" in given else own.constant_schedule(given["init_value"])


def _points(held: Mapping[str, Any]) -> Schedule:
    kind = held["interpolate_fn"].__name__.removeprefix("_").removesuffix("_interpolate")
    scales = {str(int(place)): _number(scale) for place, scale in zip(held["boundaries"], held["scales"], strict=True)}
    return own.piecewise_interpolate_schedule(kind, _number(held["init_value"]), scales or None)


def _join(held: Mapping[str, Any]) -> Schedule:
    return own.join_schedules([_function(part) for part in held["schedules"]], [int(b) for b in held["boundaries"]])


_READERS: dict[str, Callable[[Mapping[str, Any]], Schedule]] = {
    "constant_schedule": lambda held: own.constant_schedule(_number(held["value"])),
    "polynomial_schedule": _polynomial,
    "exponential_decay": _exponential,
    "cosine_decay_schedule": lambda held: own.cosine_decay_schedule(**{k: _number(v) for k, v in held.items()}),
    "piecewise_constant_schedule": lambda held: own.piecewise_constant_schedule(
        _number(held["init_value"]), held["boundaries_and_scales"]
    ),
    "piecewise_interpolate_schedule": _points,
    "join_schedules": _join,
}


# --- writing ----------------------------------------------------------------------------------------------------------


class Made:
    """A function that optax made, and the schedule that it gives; made again when it is unpickled."""

    def __init__(self, schedule: Dialect) -> None:
        self.schedule = schedule
        self.function = _made(schedule)

    def __call__(self, count: Any) -> Any:
        return self.function(count)

    def __reduce__(self) -> tuple[Any, ...]:
        return Made, (self.schedule,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Made) and self.schedule == other.schedule

    def __hash__(self) -> int:
        return hash(self.schedule)

    def __repr__(self) -> str:
        return f"{self.schedule!r}"


def build(dialect: Dialect, **context: Any) -> Any:
    """optax's own function, in a callable that carries the schedule."""
    return Made(dialect)


def _made(schedule: Schedule) -> Callable[[Any], Any]:
    if library_of(type(schedule).__module__) != "optax" or not isinstance(schedule, Dialect):
        made: Callable[[Any], Any] = hook(schedule)  # a schedule of ours among those that are joined
        return made
    given = {name: _plain(value) for name, value in _arguments(schedule).items()}
    return getattr(library("optax.schedules"), type(schedule).__name__)(**given)  # type: ignore[no-any-return]


def _arguments(dialect: Dialect) -> dict[str, Any]:
    """What optax's function is given: all but its defaults."""
    defaults = dialect._defaults
    return {
        name: value
        for name, value in dialect.parameters().items()
        if defaults.get(name, REQUIRED) is REQUIRED or value != defaults[name]
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return _made(value)
    if isinstance(value, Mapping):
        return {int(key) if key.isdecimal() else key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def source(dialect: Dialect, **context: Any) -> str:
    """Source that makes optax's own function and needs optax alone: a function `schedule(count)`."""
    if not _all_own(dialect):
        return hook_source(dialect)
    return f"import optax\n\nschedule = {_call(dialect)}\n"


def _all_own(schedule: Schedule) -> bool:
    mine = isinstance(schedule, Dialect) and library_of(type(schedule).__module__) == "optax"
    return mine and all(_all_own(part) for part in schedule.parameters().get("schedules", ()))


def _call(dialect: Any) -> str:
    given = ", ".join(f"{name}={_text(value)}" for name, value in _arguments(dialect).items())
    return f"optax.schedules.{type(dialect).__name__}({given})"


def _text(value: Any) -> str:
    if isinstance(value, Schedule):
        return _call(value)
    if isinstance(value, Mapping):
        items = (f"{int(key) if key.isdecimal() else repr(key)}: {_text(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, tuple) else repr(value)


def hook(schedule: Schedule, **context: Any) -> Any:
    """A function of the count that carries the schedule and compiles; see `learnrate.jax.schedule`."""
    return above("jax schedule")(schedule)


_HOOK = '''import jax.numpy as jnp
{head}

def schedule(count):
    """{doc}

    Computed in the default float of JAX; float32 counts to 2**24.
    """
{body}
'''


def hook_source(schedule: Schedule, **context: Any) -> str:
    """The formula as a function `schedule(count)` that needs JAX alone, and compiles."""
    made = printed(schedule, JAX, "count")
    head = f"\n{made.head}\n" if made.head else ""
    return _HOOK.format(head=head, doc=made.doc, body=indented(made.lines, 1))


# --- proposals --------------------------------------------------------------------------------------------------------


def proposals(schedule: Schedule) -> Iterator[Dialect]:
    """optax's functions that might give this schedule; those whose own rules refuse the arguments are left out."""
    plain = simplified(schedule)
    for propose in (_single, _warmups, _cycles, _joined):
        made = propose(plain)
        while True:
            try:
                yield next(made)
            except (StopIteration, LearnrateError):
                break


def _single(schedule: Any) -> Iterator[Dialect]:
    if isinstance(schedule, Constant):
        yield own.constant_schedule(schedule.value)
    elif isinstance(schedule, Linear) and schedule.length:
        yield own.linear_schedule(schedule.start, schedule.end, int(schedule.length))
    elif isinstance(schedule, Polynomial) and schedule.length:
        yield own.polynomial_schedule(schedule.start, schedule.end, schedule.power, int(schedule.length))
    elif isinstance(schedule, Cosine) and schedule.length and schedule.start:
        ratio = schedule.end / schedule.start
        yield own.cosine_decay_schedule(schedule.start, int(schedule.length), ratio, schedule.power)
    elif isinstance(schedule, (PiecewiseConstant, Interpolation, CosineInterpolation)):
        yield from _scaled(schedule)
    elif isinstance(schedule, Delayed):
        begin = int(schedule.parameters()["updates"])
        for inner in _single(schedule.inner):
            if "transition_begin" in inner.kinds:
                yield inner.replace(transition_begin=begin)
    yield from _exponentials(schedule)


def _scaled(schedule: Any) -> Iterator[Dialect]:
    values = schedule.values
    places = schedule.boundaries if isinstance(schedule, PiecewiseConstant) else schedule.knots[1:]
    if 0 in values[:-1]:
        return
    scales = {str(int(place)): b / a for place, a, b in zip(places, values, values[1:], strict=False)}
    if isinstance(schedule, PiecewiseConstant):
        yield own.piecewise_constant_schedule(values[0], scales)
    elif schedule.knots[0] == 0 and all(knot == int(knot) for knot in schedule.knots):
        kind = "linear" if isinstance(schedule, Interpolation) else "cosine"
        yield own.piecewise_interpolate_schedule(kind, values[0], scales)


def _exponentials(schedule: Any) -> Iterator[Dialect]:
    """`exponential_decay` of what decays, maybe in stairs, maybe cut off."""
    if isinstance(schedule, Clipped):
        values = schedule.parameters()
        for inner in _exponentials(schedule.inner):
            end = values["low"] if inner.parameters()["decay_rate"] < 1 else values["high"]
            yield inner.replace(end_value=end)
    elif isinstance(schedule, Stepped):
        for inner in _exponentials(schedule.inner):
            stairs = int(schedule.parameters()["updates"])
            rate, steps = inner.parameters()["decay_rate"], inner.parameters()["transition_steps"]
            yield inner.replace(transition_steps=stairs, decay_rate=rate ** (stairs / steps), staircase=True)
    elif isinstance(schedule, Step):
        yield own.exponential_decay(schedule.start, schedule.period, schedule.factor, staircase=True)
    elif isinstance(schedule, Exponential):
        steps = max(round(schedule.period), 1)
        yield own.exponential_decay(schedule.start, steps, schedule.factor ** (steps / schedule.period))
    elif isinstance(schedule, NaturalExponential):
        yield own.exponential_decay(schedule.start, 1, 2.718281828459045**-schedule.decay)
    elif isinstance(schedule, Geometric) and schedule.length:
        ratio = schedule.end / schedule.start
        yield own.exponential_decay(schedule.start, int(schedule.length), ratio, end_value=schedule.end)


def _warmups(schedule: Any) -> Iterator[Dialect]:
    """A line and one thing after it."""
    if not isinstance(schedule, Chain) or len(parts(schedule)) != 2:
        return
    rise, then = parts(schedule)
    if not isinstance(rise, Linear):
        return
    warmup = int(rise.length)
    if isinstance(then, Constant):
        yield own.warmup_constant_schedule(rise.start, rise.end, warmup)
    if isinstance(then, Cosine):
        whole = warmup + int(then.length)
        yield own.warmup_cosine_decay_schedule(rise.start, rise.end, warmup, whole, then.end, then.power)
    for decay in _exponentials(then):
        given = {name: value for name, value in decay.parameters().items() if name != "init_value"}
        yield own.warmup_exponential_decay_schedule(rise.start, rise.end, warmup, **given)


def _cycles(schedule: Any) -> Iterator[Dialect]:
    """Cycles of a number that is known."""
    if not isinstance(schedule, Repeated) or schedule.length == FOREVER or not isinstance(schedule.inner, Cosine):
        return
    values, body = schedule.parameters(), schedule.inner
    lengths = [round(body.length * values["stretch"] ** cycle) for cycle in range(min(values["times"], 200))]
    scales = [values["scale"] ** cycle for cycle in range(len(lengths))]
    yield own.sgdr_schedule(
        [
            {
                "init_value": body.start * scale,
                "peak_value": body.start * scale,
                "warmup_steps": 0,
                "decay_steps": length,
                "end_value": body.end * scale,
                "exponent": body.power,
            }
            for length, scale in zip(lengths, scales, strict=True)
        ]
    )


def _joined(schedule: Any) -> Iterator[Dialect]:
    """One after the other, where optax has a function for each."""
    if not isinstance(schedule, Chain):
        return
    found, places, start = [], [], 0
    for part in parts(schedule):
        length = None if part.length == FOREVER else int(part.length)
        mine = next((made for made in proposals(part) if difference(made, part, length) is None), None)
        if mine is None:
            return
        found.append(mine)
        start += length or 0
        places.append(start)
    yield own.join_schedules(found, places[: len(found) - 1])


__all__ = ["Made", "build", "hook", "hook_source", "proposals", "read_object", "source"]
