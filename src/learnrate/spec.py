"""Declared parameters and registries: one line says a parameter, and everything else follows from it.

From `start: float = number("a", "rate", "value at t = 0")` come the check and its message, the position in the
constructor, the text and JSON forms, the CLI flag, the documentation row, and the random legal instances of the tests.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers as abc_numbers
import random
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, dataclass_transform

from .errors import ParameterError, UnknownName

REQUIRED: Any = dataclasses.MISSING


@dataclasses.dataclass(eq=False, repr=False)
class Kind:
    """What one parameter may be. Subclasses say how a value is read and how a legal one is drawn.

    (No dataclass of this tree generates more than its constructor: at import each generated method costs.)
    """

    symbol: str
    unit: str
    help: str

    def read(self, value: Any) -> Any:
        """The normalised value; raises `ValueError` whose text is the broken rule."""
        return value

    def draw(self, rng: random.Random) -> Any:
        """A random legal value."""
        raise NotImplementedError(type(self).__name__)  # pragma: no cover - every kind in use draws

    @property
    def bounds(self) -> str:
        """The rule as text, for the documentation row."""
        return ""


@dataclasses.dataclass(eq=False, repr=False)
class Number(Kind):
    """A finite number between bounds; `whole` makes it an int."""

    gt: float = -math.inf
    ge: float = -math.inf
    lt: float = math.inf
    le: float = math.inf
    whole: bool = False
    optional: bool = False
    span: tuple[float, float] = (1e-3, 1.0)

    def read(self, value: Any) -> float | int | None:
        if value is None and self.optional:
            return None
        noun = "a whole number" if self.whole else "a number"
        value = unwrapped(value)
        if isinstance(value, bool) or not isinstance(value, abc_numbers.Real):
            raise ValueError(f"be {noun}{self._in_unit}, got {shorten(value)}")
        try:
            plain = float(value)
        except OverflowError:
            plain = math.inf
        if not math.isfinite(plain):
            raise ValueError(f"be a finite number{self._in_unit}, got {shorten(value)}")
        if self.whole and plain != math.floor(plain):
            raise ValueError(f"be {noun}{self._in_unit}, got {shorten(value)}")
        exact: float = int(value) if self.whole else plain  # type: ignore[call-overload]
        if not (self.gt < exact < self.lt and self.ge <= exact <= self.le):
            broken = next(rule for rule, kept in self._rules(exact) if not kept)
            raise ValueError(f"be {broken}{self._unit}, got {shorten(value)}")
        return exact

    def draw(self, rng: random.Random) -> float | int | None:
        if self.optional and rng.random() < 0.3:
            return None
        low, high = self.span
        if self.whole:
            return rng.randint(int(low), int(high))
        return low * (high / low) ** rng.random() if low > 0 else low + (high - low) * rng.random()

    @property
    def bounds(self) -> str:
        return " and ".join(rule for rule, _ in self._rules(0.0))

    def _rules(self, value: float) -> list[tuple[str, bool]]:
        """Each bound as text, and whether the value keeps it."""
        rules = (
            (">", self.gt, value > self.gt),
            (">=", self.ge, value >= self.ge),
            ("<", self.lt, value < self.lt),
            ("<=", self.le, value <= self.le),
        )
        return [(f"{sign} {bound:g}", kept) for sign, bound, kept in rules if math.isfinite(bound)]

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    @property
    def _in_unit(self) -> str:
        return f" ({self.unit})" if self.unit else ""


@dataclasses.dataclass(eq=False, repr=False)
class Choice(Kind):
    """One of a few words."""

    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise ValueError(f"be one of {', '.join(map(repr, self.choices))}, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> str:
        return rng.choice(self.choices)

    @property
    def bounds(self) -> str:
        return " or ".join(f"`{choice!r}`" for choice in self.choices)


@dataclasses.dataclass(eq=False, repr=False)
class Flag(Kind):
    """True or False."""

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"be True or False, got {shorten(value)}")
        return value

    def draw(self, rng: random.Random) -> bool:
        return rng.random() < 0.5


@dataclasses.dataclass(eq=False, repr=False)
class Numbers(Kind):
    """A non-empty list of numbers, stored as a tuple; `rising` asks for strictly rising ones."""

    each: Number
    rising: bool = False

    def read(self, value: Any) -> tuple[float | int, ...]:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
            raise ValueError(f"be a list of numbers ({self.unit}), got {shorten(value)}")
        read = tuple(self._read_each(index, item) for index, item in enumerate(value))
        if not read:
            raise ValueError("have at least one entry, got an empty list")
        for index in range(1, len(read)) if self.rising else ():
            if read[index] <= read[index - 1]:
                raise ValueError(f"rise strictly, got {read[index - 1]} then {read[index]} at index {index}")
        return read

    def _read_each(self, index: int, item: Any) -> float | int:
        try:
            read = self.each.read(item)
        except ValueError as rule:
            raise ValueError(f"hold numbers that each {rule} at index {index}") from None
        assert read is not None
        return read

    def draw(self, rng: random.Random) -> tuple[float | int, ...]:
        drawn = [self.each.draw(rng) for _ in range(rng.randint(2, 4))]
        return tuple(sorted(set(drawn)) if self.rising else drawn)  # type: ignore[arg-type]

    @property
    def bounds(self) -> str:
        rising = "strictly rising" if self.rising else ""
        return ", ".join(part for part in (rising, f"each {self.each.bounds}" if self.each.bounds else "") if part)


def declare(kind: Kind, default: Any = REQUIRED) -> Any:
    """A dataclass field that carries its `Kind`; the field specifier of every declared class."""
    return dataclasses.field(default=default, metadata={"kind": kind})


def number(symbol: str, unit: str, help: str, *, default: Any = REQUIRED, **rules: Any) -> Any:
    """Declare one number; `gt`, `ge`, `lt`, `le` bound it and `whole=True` makes it an int."""
    return declare(Number(symbol, unit, help, optional=default is None, **rules), default)


def choice(symbol: str, help: str, choices: tuple[str, ...], *, default: Any = REQUIRED) -> Any:
    """Declare one word out of `choices`."""
    return declare(Choice(symbol, "", help, choices), default)


def flag(symbol: str, help: str, *, default: Any = REQUIRED) -> Any:
    """Declare a switch."""
    return declare(Flag(symbol, "", help), default)


def numbers(symbol: str, unit: str, help: str, rising: bool = False, **rules: Any) -> Any:
    """Declare a list of numbers."""
    return declare(Numbers(symbol, unit, help, Number(symbol, unit, help, **rules), rising))


T = TypeVar("T", bound="type")

FORMS: list[Registry[Any]] = []
"""The registries whose classes can be written down and read back; each enters itself when it is made."""


class Registry(Generic[T]):
    """Names to classes, in the order they were declared. An unknown name is an error that lists the known ones.

    `form` says how its classes are read back: "text" (in text by their name, and in JSON), "json" (in JSON only), or
    not at all, when it is left out.
    """

    def __init__(self, noun: str, form: str = "") -> None:
        self.noun = noun
        self.form = form
        self._entries: dict[str, T] = {}
        if form:
            FORMS.append(self)

    def add(self, name: str, entry: T) -> None:
        known = self._entries.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (entry.__module__, entry.__qualname__):
            raise ParameterError(f"{self.noun} {name!r} is already declared in {known.__module__}; choose another name")
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        del self._entries[name]

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownName(unknown(self.noun, name, list(self._entries))) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> list[tuple[str, T]]:
        return list(self._entries.items())


def unknown(noun: str, name: object, known: list[str]) -> str:
    """The one wording for every unknown name: what was asked, the nearest, and what exists."""
    near = difflib.get_close_matches(str(name)[:80], known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {noun} {shorten(name)}; {hint}known: {', '.join(sorted(known))}"


def unwrapped(value: Any) -> Any:
    """The number in an array or tensor of no dimensions, which frameworks keep rates in; all else as it is."""
    if isinstance(value, (int, float)) or getattr(value, "shape", None) != () or not hasattr(value, "item"):
        return value
    try:
        return value.item()
    except (TypeError, ValueError, RuntimeError):  # one that is traced has no value yet
        return value


def shorten(value: object, width: int = 80) -> str:
    """`repr(value)`, short enough for an error message."""
    try:
        long = isinstance(value, Declared) and value._weight > width
        text = f"{type(value).__name__}(...)" if long else repr(value)
    except (ValueError, RecursionError):  # an int beyond the digit limit, or something nested too deep
        text = f"<{type(value).__name__}>"
    return text if len(text) <= width else text[: width - 3] + "..."


NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""How JSON, which has no such numbers, spells them."""


def spelled(value: Any) -> Any:
    """A float that is not finite as its text in `NOT_FINITE`; everything else as it is."""
    return repr(float(value)) if isinstance(value, float) and not math.isfinite(value) else value


def unspelled(value: Any) -> Any:
    """The inverse of `spelled`; other text stays text."""
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed, so that a value can hold one and still be hashed."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this mapping is part of a value and cannot be changed; .replace(...) makes a changed copy")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(declare, number, choice, flag, numbers))
class Declared:
    """A frozen value made of declared parameters.

    A subclass lists its parameters as annotated fields and may add `check()` for rules across fields. Building one
    reads and checks every value; two are equal when they are of one class and hold equal values; `repr` is the
    expression that rebuilds it. (The methods that `dataclass` would generate per class are written once here, because
    generating them costs more than half of the import time the library may take.)
    """

    kinds: ClassVar[dict[str, Kind]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(init=False, repr=False, eq=False, match_args=False)(cls)
        fields = [field for field in dataclasses.fields(cls) if "kind" in field.metadata]  # type: ignore[arg-type]
        cls.kinds = {field.name: field.metadata["kind"] for field in fields}
        cls._defaults = {field.name: field.default for field in fields if field.default is not REQUIRED}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        values = self._assigned(args, kwargs)
        for key, kind in self.kinds.items():
            if key not in values:
                raise ParameterError(f"{name}.{key} is missing: {kind.help}; signature: {signature(type(self))}")
            try:
                self.__dict__[key] = kind.read(values[key])
            except ValueError as rule:
                raise ParameterError(f"{name}.{key} must {rule}") from None
        self.check()

    @classmethod
    def _assigned(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        names = list(cls.kinds)
        if len(args) > len(names):
            raise ParameterError(f"{cls.__name__} takes at most {len(names)} values, got {len(args)}: {signature(cls)}")
        values = cls._defaults | dict(zip(names, args, strict=False))
        for key in kwargs:
            if key not in cls.kinds:
                raise ParameterError(unknown(f"parameter of {cls.__name__}", key, names))
            if key in names[: len(args)]:
                raise ParameterError(f"{cls.__name__}.{key} is given twice, by position and by name")
        return values | kwargs

    def check(self) -> None:
        """Rules across fields; raise `ParameterError`."""

    def parameters(self) -> dict[str, Any]:
        """The declared parameters and their values, in order."""
        return {name: self.__dict__[name] for name in self.kinds}

    def replace(self, **changes: Any) -> Self:
        """A copy with some parameters changed, checked like a new one."""
        return type(self)(**(self.parameters() | changes))

    @functools.cached_property
    def _weight(self) -> int:
        """How many declared values its text spells out; a shared part counts each time."""
        held = [item for value in self.parameters().values() for item in (value if type(value) is tuple else (value,))]
        return 1 + sum(item._weight for item in held if isinstance(item, Declared))

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(
            f"{type(self).__name__} is immutable; use .replace({name}=...) to make a changed copy"
        )

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self is other or self.parameters() == other.parameters()

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            self.__dict__["_hash"] = known = hash((type(self).__name__, *self.parameters().values()))
        return known

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.parameters())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({arguments(self)})"

    def __str__(self) -> str:
        """`repr`, unless that would fill the memory: what is added to itself 40 times has 2**40 terms."""
        return repr(self) if self._weight <= 100_000 else shorten(self)


def _rebuild(cls: type[Declared], values: dict[str, Any]) -> Declared:
    return cls(**values)


def arguments(value: Declared, positional: int = 3) -> str:
    """The constructor's arguments as text: defaults left out, the first few by position, the rest by name."""
    parts: list[str] = []
    by_name = False
    for index, (name, item) in enumerate(value.parameters().items()):
        default = value._defaults.get(name, REQUIRED)
        if default is not REQUIRED and item == default and type(item) is type(default):
            by_name = True
            continue
        text = repr(list(item)) if isinstance(item, tuple) else repr(item)
        parts.append(f"{name}={text}" if by_name or index >= positional else text)
    return ", ".join(parts)


def signature(cls: type[Declared]) -> str:
    """`Cosine(start, end=0.0, updates=None, power=1.0)`."""
    defaults = cls._defaults
    parts = [f"{name}={defaults[name]!r}" if name in defaults else name for name in cls.kinds]
    return f"{cls.__name__}({', '.join(parts)})"


def draw(cls: type[Declared], rng: random.Random, attempts: int = 200) -> Any:
    """A random legal instance of a declared class, for tests over a registry."""
    for _ in range(attempts):
        try:
            return cls(**{name: kind.draw(rng) for name, kind in cls.kinds.items()})
        except ParameterError:
            continue
    raise ParameterError(f"no legal {cls.__name__} in {attempts} draws; narrow the spans of its parameters")


def checked(name: str, value: Any, rule: Number) -> Any:
    """A value that keeps its rule, or `ParameterError`."""
    try:
        return rule.read(value)
    except ValueError as broken:
        raise ParameterError(f"{name} must {broken}") from None
