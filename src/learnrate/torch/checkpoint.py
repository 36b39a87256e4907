"""The state of an attached scheduler as plain data: written, checked when read, and compared with what is attached."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import NotationError, StateError
from ..formula import LATEST
from ..notation import parse
from ..schedule import Schedule
from ..spec import Declared, shorten

FORMAT = 1

HINT = "to go on with what is attached here, from the update in the state: load_state_dict(state, allow_change=True)"

_SHOWN = 300

_FAR = 1e12


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What a state says. `settings` gives, per setting and group, an index into `schedules`, or None."""

    update: int
    schedules: list[dict[str, Any]]
    settings: dict[str, list[int | None]]
    relative: bool
    base_rates: list[float]
    feedback: dict[str, Any] | None

    def plain(self) -> dict[str, Any]:
        """Numbers, text, lists and dicts only: for JSON and `torch.load(weights_only=True)`."""
        return {"format": FORMAT} | dataclasses.asdict(self)


def describe(schedule: Schedule) -> dict[str, Any]:
    """A schedule for the state: its text, which rebuilds it.

    What no text rebuilds is remembered by its values on a fixed grid. For a user's own function that is all there is to
    compare; anything else (text too long to be read, a class that is not registered) has a digest of all it holds too.
    """
    text = str(schedule)
    own = bool(_functions(schedule))
    try:
        if not own and parse(text) == schedule:
            return {"text": text}
    except NotationError:
        pass
    times = _sampled(schedule.length).tolist()
    values = list(_answers(schedule, times))
    described = {"text": shorten(_Bare(text), _SHOWN), "times": times[: len(values)], "values": values}
    return described if own else described | {"sha256": _digest(schedule)}


def _functions(schedule: Schedule) -> list[Any]:
    """The functions of a user that a schedule holds, at any depth."""
    pending: list[Any] = [schedule]
    known: set[int] = set()
    found = []
    while pending:
        value = pending.pop()
        if isinstance(value, Declared):
            if id(value) not in known:
                known.add(id(value))
                pending += value.parameters().values()
        elif isinstance(value, tuple):
            pending += value
        elif callable(value):
            found.append(value)
    return found


def _digest(schedule: Schedule) -> str:
    """The SHA-256 of everything that a schedule holds; a part that it holds many times is read once."""
    known: dict[int, str] = {}

    def read(value: Any) -> str:
        if isinstance(value, tuple) and any(isinstance(item, Declared) for item in value):
            return f"({','.join(map(read, value))})"
        if not isinstance(value, Declared):
            return repr(value)
        if id(value) not in known:
            held = ",".join(f"{name}={read(item)}" for name, item in value.parameters().items())
            known[id(value)] = hashlib.sha256(f"{type(value).__name__}({held})".encode()).hexdigest()
        return known[id(value)]

    return read(schedule)


def _answers(schedule: Schedule, times: list[int]) -> Iterator[float]:
    """The values at these times, as far as the user's function answers: saving a checkpoint must not fail."""
    for t in times:
        try:
            yield schedule(t)
        except Exception:
            return


def _sampled(length: float) -> np.ndarray[Any, Any]:
    """The fixed updates at which values are remembered: all of the first 256, then ever sparser ones."""
    last = int(min(length, 100_000))
    sparse = np.floor(np.geomspace(256, last, 256)) if last > 256 else np.zeros(0)
    return np.unique(np.concatenate([np.arange(min(last, 256) + 1), sparse])).astype(np.int64)


def read(state: Any) -> Checkpoint:
    """A checked checkpoint; raises `StateError` that says what is wrong with the state."""
    if not isinstance(state, Mapping):
        raise StateError(f"a scheduler's state is a dict, got {shorten(state)}")
    if "format" not in state:
        raise StateError(
            f"this is not the state of a scheduler that learnrate attached: it has the keys {sorted(map(str, state))}"
        )
    if state["format"] != FORMAT:
        raise StateError(f"the state has format {shorten(state['format'])}; this version reads format {FORMAT}")
    missing = [field.name for field in dataclasses.fields(Checkpoint) if field.name not in state]
    if missing:
        raise StateError(f"the state lacks {', '.join(missing)}")
    checkpoint = Checkpoint(**{field.name: state[field.name] for field in dataclasses.fields(Checkpoint)})
    _check(checkpoint)
    return checkpoint


def _check(saved: Checkpoint) -> None:
    _require(type(saved.update) is int and 0 <= saved.update <= LATEST, "update", ">= 0 updates", saved.update)
    _require(isinstance(saved.relative, bool), "relative", "True or False", saved.relative)
    _require(_all(saved.base_rates, _finite), "base_rates", "a list of finite numbers", saved.base_rates)
    _require(_all(saved.schedules, _described), "schedules", "a list of schedules", saved.schedules)
    groups, known = len(saved.base_rates), len(saved.schedules)
    whole = isinstance(saved.settings, Mapping) and all(
        isinstance(name, str)
        and _all(which, lambda index: index is None or (type(index) is int and 0 <= index < known))
        and len(which) == groups
        for name, which in saved.settings.items()
    )
    _require(whole, "settings", "for every setting, one schedule per group", saved.settings)
    heard = saved.feedback
    listens = isinstance(heard, Mapping) and isinstance(heard.get("rule"), str) and "state" in heard
    _require(heard is None or listens, "feedback", "None, or a rule and its state", heard)


def _require(holds: bool, name: str, rule: str, value: Any) -> None:
    if not holds:
        raise StateError(f"damaged state: {name} must be {rule}, got {shorten(value)}")


def _all(values: Any, rule: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(rule(value) for value in values)


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and -sys.float_info.max <= value <= sys.float_info.max


def _described(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return False
    if "values" not in value:
        return True
    times, values = value.get("times"), value["values"]
    legal = _all(times, lambda t: _finite(t) and 0 <= t <= LATEST) and _all(values, _finite)
    digest = value.get("sha256", "")
    return legal and times is not None and len(times) == len(values) and isinstance(digest, str)


def compare(saved: Checkpoint, attached: Checkpoint, schedules: Sequence[Schedule]) -> None:
    """Raise `StateError` unless the state was made with the schedules (and the rule) that are attached."""
    if len(saved.base_rates) != len(attached.base_rates):
        raise StateError(
            f"the state is of {len(saved.base_rates)} parameter groups, this optimizer has {len(attached.base_rates)}; "
            "add the groups before loading"
        )
    if set(saved.settings) != set(attached.settings):
        there, here = (", ".join(sorted(each.settings)) or "nothing" for each in (saved, attached))
        raise StateError(f"the state schedules {there}; attached here: {here}; {HINT}")
    if saved.relative != attached.relative:
        there, here = (f"relative={each.relative}" for each in (saved, attached))
        raise StateError(f"the state was made with {there}, attached here with {here}; {HINT}")
    there, here = (str(each.feedback["rule"]) if each.feedback else "None" for each in (saved, attached))
    if there != here:
        raise StateError(f"the state was made with feedback={there}, attached here with feedback={here}; {HINT}")
    compared: set[tuple[int | None, int | None]] = set()
    for name, which in saved.settings.items():
        for group, pair in enumerate(zip(which, attached.settings[name], strict=True)):
            if pair not in compared:
                compared.add(pair)
                _compare_pair(f"{name} of group {group}", saved.schedules, schedules, *pair)


def _compare_pair(
    label: str,
    saved: Sequence[Mapping[str, Any]],
    attached: Sequence[Schedule],
    saved_index: int | None,
    attached_index: int | None,
) -> None:
    if saved_index is None or attached_index is None:
        if saved_index is not attached_index:
            there, here = ("its own" if index is None else "scheduled" for index in (saved_index, attached_index))
            raise StateError(f"{label} is {there} in the state and {here} here; {HINT}")
        return
    described, here_schedule = saved[saved_index], attached[attached_index]
    found = _difference(described, here_schedule, label)
    if found is not None:
        update, saved_value, value = found
        raise StateError(
            f"the state was made with another schedule: {label} first differs at update {update}, {saved_value!r} in "
            f"the state and {value!r} here; {_both(described, here_schedule)}; {HINT}"
        )


class _Bare(str):
    """Text that shows itself without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _difference(described: Mapping[str, Any], schedule: Schedule, label: str) -> tuple[int, float, float] | None:
    """The first update at which a saved schedule and an attached one differ, and both values."""
    if "values" in described:
        times = np.asarray(described["times"], dtype=np.float64)
        found = _first(times, np.asarray(described["values"], dtype=np.float64), _asked(schedule, times, label))
        if found is None and "sha256" in described and described["sha256"] != _digest(schedule):
            raise StateError(
                f"the state was made with another schedule: {label} holds other numbers here, though not at any of the "
                f"{times.size} updates whose values the state remembers; {_both(described, schedule)}; {HINT}"
            )
        return found
    if described["text"] == str(schedule):
        return None
    try:
        saved = parse(described["text"])
    except NotationError as error:
        raise StateError(f"{label}: the schedule in the state cannot be read: {error}; {HINT}") from error
    if not isinstance(saved, Schedule) or not saved.bound:
        raise StateError(f"damaged state: {label} is no bound schedule: {shorten(_Bare(described['text']))}")
    if saved == schedule:
        return None
    if _functions(schedule):
        times = _sampled(max(saved.length, schedule.length)).astype(np.float64)
    else:
        times = np.union1d(saved._grid(), schedule._grid())
        times = times[times <= _FAR]
    return _first(times, saved(times), _asked(schedule, times, label))


def _asked(schedule: Schedule, times: Any, label: str) -> Any:
    """The values of the attached schedule; a user's function that raises is named."""
    functions = _functions(schedule)
    if not functions:
        return schedule(times)
    values = []
    for t in times.tolist():
        try:
            values.append(schedule(int(t)))
        except Exception as error:
            named = ", ".join(getattr(function, "__qualname__", shorten(function)) for function in functions)
            raise StateError(
                f"{label} cannot be compared with the state: the function attached here, {named}, raises "
                f"{type(error).__name__} at update {int(t)}: {shorten(_Bare(error), _SHOWN)}; {HINT}"
            ) from error
    return np.asarray(values, dtype=np.float64)


def _both(described: Mapping[str, Any], schedule: Schedule) -> str:
    return f"in the state: {shorten(_Bare(described['text']), _SHOWN)}; here: {shorten(schedule, _SHOWN)}"


def _first(times: Any, there: Any, here: Any) -> tuple[int, float, float] | None:
    scale = max(float(np.abs(there).max(initial=0.0)), float(np.abs(here).max(initial=0.0)))
    differs = np.flatnonzero(np.abs(there - here) > 1e-12 * scale)
    if not differs.size:
        return None
    first = int(differs[0])
    return int(times[first]), float(there[first]), float(here[first])
