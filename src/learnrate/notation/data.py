"""The JSON form, written and read back: plain data, every parameter by its name."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from ..errors import NotationError, UsageError
from ..spec import REQUIRED, Declared, Kind, Number, Numbers, shorten, signature, spelled, unknown, unspelled
from .rooms import CONSTRUCTOR_ERRORS, DEEPEST, HEAVIEST, Scale, class_named, name_of, refused_parameter
from .text import LONGEST_NUMBER, refusal

LONGEST_JSON = 10_000_000


def to_json(value: Declared) -> dict[str, Any]:
    """A declared value as plain data for `json.dumps`: its type, and every parameter by name.

    Use it to store a schedule with other data. Tuples become lists, nested values nested objects, non-finite numbers
    the strings "nan", "inf" and "-inf". Parameters left at their default are written too, so that a stored value
    keeps its meaning when a default changes.

    Raises `NotationError` for a value without a form (a user's own function) and `UsageError` for what is not a
    declared value.

    >>> from learnrate.schedules import Linear
    >>> to_json(Linear(0, 1, "5%"))
    {'type': 'Linear', 'start': 0.0, 'end': 1.0, 'updates': '5%'}
    """
    if not isinstance(value, Declared):
        raise UsageError(f"to_json takes a declared value such as Constant(0.1), got {shorten(value)}")
    try:
        written: dict[str, Any] = _JsonWriter().write(value, "$", 1)
    except RecursionError:
        raise NotationError("$: nested too deep for this call stack") from None
    return written


def from_json(data: Any) -> Any:
    """The value that plain data describes: the inverse of `to_json`.

    A parameter may be left out if it has a default; everything else is strict. Raises `NotationError` with the JSON
    path (`$.parts[1].start`) and the reason.

    >>> from_json({"type": "Linear", "start": 0, "end": 1, "updates": 10})
    Linear(0.0, 1.0, 10)
    >>> from_json({"type": "Linear", "start": "high"})
    Traceback (most recent call last):
    learnrate.errors.NotationError: $.start: Linear.start must be a number (rate), got 'high'
    """
    if not isinstance(data, dict) or "type" not in data:
        raise NotationError(f'$: expected an object with a "type", got {shorten(data)}')
    try:
        return _JsonReader().read(data, "$", 1)
    except RecursionError:
        raise NotationError("$: nested too deep for this call stack") from None


def dumps(value: Declared) -> str:
    """A declared value as JSON text."""
    return json.dumps(to_json(value), allow_nan=False)


def loads(text: str) -> Any:
    """The value that JSON text describes; refuses what `from_json` refuses, NaN literals and keys given twice."""
    if not isinstance(text, str):
        raise UsageError(f"loads takes text, got {shorten(text)}")
    if len(text) > LONGEST_JSON:
        raise NotationError(f"$: the JSON text has {len(text):,} characters, at most {LONGEST_JSON:,} are read")
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise refusal(text, error.pos, f"not JSON: {error.msg}") from None
    except RecursionError:
        raise NotationError("$: nested too deep") from None
    return from_json(data)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise NotationError(f"the JSON key {shorten(key)} is given twice in one object")
        data[key] = value
    return data


def _no_constant(word: str) -> NoReturn:
    raise NotationError(f'{word} is not JSON; non-finite numbers are written as strings: "nan", "inf", "-inf"')


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise NotationError(f"a JSON number of {len(digits):,} digits, at most {LONGEST_NUMBER} are read")
    return int(digits)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() and len(key) <= 80 else f"{path}[{shorten(key)}]"


def _refusal(path: str, reason: object) -> NotationError:
    return NotationError(f"{path if len(path) <= 200 else path[:200] + '...'}: {reason}")


class _Walk:
    """Bounds on depth and on the number of containers, shared by both directions of the JSON form."""

    def __init__(self) -> None:
        self._containers = 0

    def enter(self, path: str, depth: int) -> None:
        self._containers += 1
        if depth > DEEPEST:
            raise _refusal(path, f"nested more than {DEEPEST} deep")
        if self._containers > HEAVIEST:
            raise _refusal(path, f"too large: more than {HEAVIEST:,} objects and lists")


class _JsonWriter:
    def __init__(self) -> None:
        self._walk = _Walk()

    def write(self, value: Any, path: str, depth: int) -> Any:
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return spelled(value)
        self._walk.enter(path, depth)
        if isinstance(value, Declared):
            data = {"type": self._type(value, path)}
            for key, item in value.parameters().items():
                data[key] = self.write(item, f"{path}.{key}", depth + 1)
            return data
        if isinstance(value, (tuple, list)):
            items = []
            for index, item in enumerate(value):
                items.append(self.write(item, f"{path}[{index}]", depth + 1))
            return items
        if isinstance(value, dict):
            return self._mapping(value, path, depth)
        raise _refusal(path, f"{shorten(value)} has no JSON form")

    def _type(self, value: Declared, path: str) -> str:
        name = name_of(type(value))
        if name is None:
            raise _refusal(path, f"{type(value).__name__} is not registered, so it has no JSON form")
        return name

    def _mapping(self, value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
        data = {}
        for key, item in value.items():
            if not isinstance(key, str) or key == "type":
                raise _refusal(path, f'keys are strings other than "type", got {shorten(key)}')
            data[key] = self.write(item, _below(path, key), depth + 1)
        return data


class _JsonReader:
    def __init__(self) -> None:
        self._walk = _Walk()
        self._scale = Scale()

    def read(self, data: Any, path: str, depth: int) -> Any:
        if data is None or isinstance(data, (bool, int, str)):
            return data
        if isinstance(data, float):
            if not math.isfinite(data):
                raise _refusal(path, f'{data} is not JSON; non-finite numbers are written as strings: "{data}"')
            return data
        self._walk.enter(path, depth)
        if isinstance(data, (list, tuple)):
            items = []
            for index, item in enumerate(data):
                items.append(self.read(item, f"{path}[{index}]", depth + 1))
            return tuple(items)
        if not isinstance(data, dict):
            raise _refusal(path, f"{shorten(data)} is not JSON")
        fields = {}
        for key, item in data.items():
            if not isinstance(key, str):
                raise _refusal(path, f"keys are strings, got {shorten(key)}")
            if key != "type":
                fields[key] = self.read(item, _below(path, key), depth + 1)
        return self._declared(data["type"], fields, path) if "type" in data else fields

    def _declared(self, name: Any, fields: dict[str, Any], path: str) -> Declared:
        if not isinstance(name, str):
            raise _refusal(f"{path}.type", f"expected a name, got {shorten(name)}")
        try:
            cls = class_named(name, in_text=False)
        except NotationError as error:
            raise _refusal(f"{path}.type", error) from None
        for key in fields:
            if key not in cls.kinds:
                raise _refusal(_below(path, key), unknown(f"parameter of {name}", key, list(cls.kinds)))
        for key, kind in cls.kinds.items():
            if key in fields:
                fields[key] = _finite_or_named(kind, fields[key])
            elif cls._defaults.get(key, REQUIRED) is REQUIRED:
                raise _refusal(f"{path}.{key}", f"{name}.{key} is missing: {kind.help}; {signature(cls)}")
        return self._construct(cls, fields, path)

    def _construct(self, cls: type[Declared], fields: dict[str, Any], path: str) -> Declared:
        try:
            value = cls(**fields)
        except CONSTRUCTOR_ERRORS as error:
            culprit = refused_parameter(cls, fields)
            raise _refusal(f"{path}.{culprit}" if culprit else path, error) from error
        overload = self._scale.overload(value)
        if overload:
            raise _refusal(path, overload)
        return value


def _finite_or_named(kind: Kind, value: Any) -> Any:
    """Where a number belongs, strings may stand for the non-finite ones; whether those are legal, the kind decides."""
    if isinstance(kind, Number):
        return unspelled(value)
    if isinstance(kind, Numbers) and isinstance(value, tuple):
        return tuple(unspelled(item) for item in value)
    return value
