"""The text form, read back: a tokenizer of one regular expression and a reader with Python's precedence."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

from ..errors import NotationError, UsageError
from ..schedule import ALGEBRA, COMPOSITES, SCHEDULES, Schedule
from ..spec import Declared, shorten, signature, unknown
from .rooms import CONSTRUCTOR_ERRORS, DEEPEST, Scale, class_named, refused_parameter

LONGEST_TEXT = 500_000
LONGEST_NUMBER = 64
MOST_TOKENS = 150_000
LONGEST_REASON = 2_000
MOST_COMPUTED = 20


class _Token(NamedTuple):
    kind: str
    text: str
    at: int

    @property
    def shown(self) -> str:
        return "the end of the text" if self.kind == "end" else shorten(self.text, 40)


class _Part(NamedTuple):
    """A value read so far, where it starts, and where the operator in front of it stands."""

    value: Any
    at: int
    joint: int


# Possessive quantifiers: no input makes this regular expression look back.
_TOKEN = r"""
      (?P<space>   (?: [ \t\r\n]++ | \#[^\n]*+ )++ )
    | (?P<number>  (?: [0-9]++(?:_[0-9]++)*+ (?: \.(?:[0-9]++(?:_[0-9]++)*+)?+ )?+ | \.[0-9]++(?:_[0-9]++)*+ )
                   (?: [eE][+-]?+[0-9]++ )?+ )
    | (?P<keyword> [A-Za-z_][A-Za-z0-9_]*+ [ \t\r\n]*+ =(?!=) )
    | (?P<name>    [A-Za-z_][A-Za-z0-9_]*+ (?: [.:] [A-Za-z_][A-Za-z0-9_]*+ )? )
    | (?P<string>  ' [^'\\\n]*+ (?: \\.[^'\\\n]*+ )*+ ' | " [^"\\\n]*+ (?: \\.[^"\\\n]*+ )*+ " )
    | (?P<mark>    >> | \*\* | // | == | [!#$%&()*+,\-./:;<=>?@\[\]^`{|}~\\] )
"""


@functools.cache
def _token_pattern() -> re.Pattern[str]:
    """Compiled when first used, which keeps it out of the time that importing the library takes."""
    return re.compile(_TOKEN, re.VERBOSE)


_WORD = re.compile(r"[\w.]{1,30}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_BLANK = str.maketrans("\t\r\n", "   ")

_UNIT_HINT = "; a length with a unit is text, in quotes: '5%', '3ep'"
_WORDS = {"True": True, "False": False, "None": None}
_LEVELS = {">>": 0, "+": 1, "*": 2}
_OPERATORS: tuple[Callable[[Any, Any], Any], ...] = (operator.rshift, operator.add, operator.mul)
_JOINED = ("Chain", "Sum", "Product")
_COMPUTING = {"over", "extend", "cooldown"}  # these evaluate or bind; the other methods only hold what they are given
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_HINTS = {
    "-": "to subtract, add -1 times the schedule",
    "/": "write the quotient as a decimal number",
    "//": "write the quotient as a number",
    "%": _UNIT_HINT[2:],
    "**": "write the power as a number",
    "(": "only names and methods are called",
    "[": "there is no indexing",
    "*": "there is no unpacking",
    "=": "there is no assignment",
    ".": "methods follow a schedule: Cosine(0.1).clip(0, 1)",
    ";": "one expression only",
}


def parse(text: str) -> Any:
    """The value that a text describes, read without `eval`.

    Use it for whatever a person or a file wrote; `repr(value)` is the text that it reads back. Names are those of the
    registries (`Cosine`, `WSD`, ...), methods those of the algebra (`.clip(0, 1e-3)`), operators `>>`, `+` and `*`
    with Python's precedence, literals numbers, strings, True, False, None, lists, tuples and dicts with string keys.
    Comments and line breaks are free.

    Raises `NotationError` with line, column, excerpt and reason for anything else, and for what is too large: more than
    500,000 characters, 100 levels of nesting, or 2,000 values to build. Raises `UsageError` when `text` is not a `str`.

    >>> parse("Linear(0, 3e-4, 500) >> Cosine(3e-4, 3e-5, 9500)  # warmup, then down")
    Linear(0.0, 0.0003, 500) >> Cosine(0.0003, 3e-05, 9500)
    >>> parse("Linear(0, 1, 10).__class__")
    Traceback (most recent call last):
    learnrate.errors.NotationError: line 1, column 18: ...
    """
    if not isinstance(text, str):
        raise UsageError(f"parse takes text, got {shorten(text)}")
    if len(text) > LONGEST_TEXT:
        raise refusal(text, LONGEST_TEXT, f"the text has {len(text):,} characters, at most {LONGEST_TEXT:,} are read")
    reader = _Reader(text)
    try:
        return reader.whole()
    except RecursionError:
        raise refusal(text, reader.token.at, "nested too deep for this call stack") from None


def refusal(text: str, at: int, reason: str) -> NotationError:
    """The error with line and column, and a caret under the place."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    left, right = max(start, at - 50), min(len(text) if end < 0 else end, at + 30)
    excerpt = "".join(char if char.isprintable() else "?" for char in text[left:right].translate(_BLANK))
    line = text.count("\n", 0, at) + 1
    if len(reason) > LONGEST_REASON:
        reason = f"{reason[:LONGEST_REASON]}..."
    return NotationError(f"line {line}, column {at - start + 1}: {reason}\n    {excerpt}\n    {' ' * (at - left)}^")


def _tokens(text: str) -> Iterator[_Token]:
    plain = text.translate(_BLANK)
    if not plain.isprintable():
        at = next(index for index, char in enumerate(plain) if not char.isprintable())
        raise refusal(text, at, f"{_described(text[at])} may not stand in the text; in a string, write its escape")
    pattern = _token_pattern()
    at = count = 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            quote = text[at] in "'\""
            reason = "the string does not end on its line" if quote else f"{_described(text[at])} is not notation"
            raise refusal(text, at, reason)
        kind, found, at = str(match.lastgroup), match.group(), match.end()
        if kind == "space":
            continue
        count += 1
        if count > MOST_TOKENS:
            raise refusal(text, match.start(), f"too large: more than {MOST_TOKENS:,} words and signs")
        yield _Token(kind, found, match.start())
    while True:
        yield _Token("end", "", len(text))


def _described(char: str) -> str:
    name = unicodedata.name(char, "a control or unassigned character")
    return f"{char!a} (U+{ord(char):04X}, {name})"


class _Reader:
    """One text, read once from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token = _Token("start", "", 0)
        self._tokens = _tokens(text)
        self._depth = 0
        self._computed = 0
        self._scale = Scale()

    def whole(self) -> Any:
        self._take()
        part = self._expression()
        if self.token.kind != "end":
            self._unexpected(">>, +, *, a method or the end")
        if not isinstance(part.value, Declared):
            self._refuse(part.at, f"expected a declared value such as Constant(0.1), got {shorten(part.value)}")
        return part.value

    def _refuse(self, at: int, reason: str) -> NoReturn:
        raise refusal(self.text, at, reason)

    def _unexpected(self, wanted: str) -> NoReturn:
        hint = _HINTS.get(self.token.text, "there is no assignment" if self.token.kind == "keyword" else "")
        self._refuse(self.token.at, f"expected {wanted}, found {self.token.shown}{'; ' if hint else ''}{hint}")

    def _take(self) -> _Token:
        token, self.token = self.token, next(self._tokens)
        return token

    def _is(self, mark: str) -> bool:
        return self.token.kind == "mark" and self.token.text == mark

    def _skip(self, mark: str) -> bool:
        found = self._is(mark)
        if found:
            self._take()
        return found

    def _build(self, at: int, make: Callable[[], Any], place: Callable[[], int] | None = None) -> Any:
        """What `make` returns, its result weighed and its refusals placed: at `place()` if that is known better."""
        try:
            value = make()
        except CONSTRUCTOR_ERRORS as error:
            raise refusal(self.text, place() if place else at, str(error)) from error
        overload = self._scale.overload(value)
        if overload:
            self._refuse(at, overload)
        return value

    # Operators. All levels of precedence share one frame: a run of operands per level, folded when a lower one ends it.

    def _expression(self) -> _Part:
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(self.token.at, f"nested more than {DEEPEST} deep")
        part = self._operand(self.token.at)
        if self.token.kind == "mark" and self.token.text in _LEVELS:
            part = self._joined(part)
        self._depth -= 1
        return part

    def _joined(self, part: _Part) -> _Part:
        runs: list[list[_Part]] = [[], [], []]
        while True:
            runs[2].append(part)
            level = _LEVELS.get(self.token.text) if self.token.kind == "mark" else None
            for higher in range(2, level or 0, -1):
                runs[higher - 1].append(self._fold(higher, runs[higher]))
                runs[higher] = []
            if level is None:
                return self._fold(0, runs[0])
            part = self._operand(self._take().at)

    def _fold(self, level: int, run: list[_Part]) -> _Part:
        """A run joined by one operator, from left to right as Python does."""
        part, at = run[0], 1
        while at < len(run):
            end = at
            while isinstance(part.value, Schedule) and end < len(run) and isinstance(run[end].value, Schedule):
                end += 1
            if end - at > 1:
                part = self._join_all(level, [part, *run[at:end]])
            else:
                end = at + 1
                part = self._join(level, part, run[at])
            at = end
        return part

    def _join_all(self, level: int, parts: list[_Part]) -> _Part:
        """Schedules joined at once: one by one gives the same, but would copy a long chain for every part."""
        values = tuple(part.value for part in parts)
        join = COMPOSITES[_JOINED[level]]

        def place() -> int:
            for count in range(2, len(parts)):
                try:
                    join(values[:count])
                except CONSTRUCTOR_ERRORS:
                    return parts[count - 1].joint
            return parts[-1].joint

        return _Part(self._build(parts[1].joint, lambda: join(values), place), parts[0].at, parts[0].joint)

    def _join(self, level: int, left: _Part, right: _Part) -> _Part:
        for part in (left, right):
            if isinstance(part.value, bool) or not isinstance(part.value, (Schedule, int, float)):
                self._refuse(part.at, f"operators join schedules and numbers, got {shorten(part.value)}")
        if not isinstance(left.value, Schedule) and not isinstance(right.value, Schedule):
            self._refuse(right.joint, "arithmetic on plain numbers is not read; write its result")
        value = self._build(right.joint, lambda: _OPERATORS[level](left.value, right.value))
        return _Part(value, left.at, left.joint)

    # Operands

    def _operand(self, joint: int) -> _Part:
        at = self.token.at
        value = self._primary()
        while self._is("."):
            value = self._method(at, value)
        return _Part(value, at, joint)

    def _primary(self) -> Any:
        token = self.token
        if token.kind == "number":
            return self._number(self._take())
        if token.kind == "string":
            return self._string(self._take())
        if token.kind == "name":
            return self._named(self._take())
        if token.kind == "mark" and token.text in "+-":
            return self._signed(self._take())
        if token.kind == "mark" and token.text in _CLOSING:
            return self._bracket(self._take())
        self._unexpected("a value")

    def _signed(self, sign: _Token) -> float | int:
        if self.token.kind == "name" and self.token.text in ("inf", "nan"):
            self._named(self.token)
        if self.token.kind != "number":
            self._refuse(sign.at, f"a sign belongs to a number, found {self.token.shown}; write -1 * schedule")
        value = self._number(self._take())
        return -value if sign.text == "-" else value

    def _number(self, token: _Token) -> float | int:
        end = token.at + len(token.text)
        following = self.text[end : end + 1]
        if (following and following in "._") or following.isalnum():
            word = _WORD.match(self.text, token.at)
            self._refuse(token.at, f"{word and word[0]!r} is no decimal number{_UNIT_HINT}")
        if len(token.text) > LONGEST_NUMBER:
            self._refuse(token.at, f"a number of {len(token.text):,} characters, at most {LONGEST_NUMBER} are read")
        digits = token.text.replace("_", "")
        if digits.isdigit():
            if digits[0] == "0" and len(digits) > 1:
                self._refuse(token.at, "a whole number has no leading zero")
            return int(digits)
        value = float(digits)
        if not math.isfinite(value):
            self._refuse(token.at, f"{token.text} is too large for a float")
        return value

    def _string(self, token: _Token) -> str:
        def replaced(match: re.Match[str]) -> str:
            code = match[1] or match[2] or match[3]
            if code is None and match[4] in _ESCAPED:
                return _ESCAPED[match[4]]
            if code is None or int(code, 16) > 0x10FFFF:
                self._refuse(token.at + 1 + match.start(), f"unknown escape {shorten(match[0])} in a string")
            return chr(int(code, 16))

        return _ESCAPE.sub(replaced, token.text[1:-1])

    def _bracket(self, opening: _Token) -> Any:
        if opening.text == "{":
            return self._mapping()
        items: list[Any] = []
        comma = False
        closing = _CLOSING[opening.text]
        while not self._skip(closing):
            if items and not comma:
                self._unexpected(f"',' or {closing!r}")
            items.append(self._expression().value)
            comma = self._skip(",")
        if opening.text == "[":
            return items
        return items[0] if len(items) == 1 and not comma else tuple(items)

    def _mapping(self) -> dict[str | int, Any]:
        items: dict[str | int, Any] = {}
        comma = True
        while not self._skip("}"):
            if not comma:
                self._unexpected("',' or '}'")
            at = self.token.at
            key = self._key()
            if key in items:
                self._refuse(at, f"the key {shorten(key)} is given twice")
            if not self._skip(":"):
                self._unexpected("':'")
            items[key] = self._expression().value
            comma = self._skip(",")
        return items

    def _key(self) -> str | int:
        if self.token.kind == "string":
            return self._string(self._take())
        if self.token.kind == "number" and self.token.text.isdecimal():
            return int(self._number(self._take()))
        self._unexpected("a string or a whole number as key")

    # Names and calls

    def _named(self, name: _Token) -> Any:
        if name.text in _WORDS:
            return _WORDS[name.text]
        if name.text in ("inf", "nan"):
            self._refuse(name.at, f"{name.text} is no legal value; every number is finite")
        name = self._qualified(name)
        try:
            cls = class_named(name.text, in_text=True)
        except NotationError as error:
            self._refuse(name.at, str(error))
        if not self._is("("):
            self._refuse(name.at, f"{name.text} needs its arguments: {signature(cls)}")
        args, kwargs = self._arguments()
        for key, part in kwargs.items():
            if key not in cls.kinds:
                self._refuse(part.joint, unknown(f"parameter of {name.text}", key, list(cls.kinds)))
        return self._construct(name, cls, args, kwargs)

    def _qualified(self, name: _Token) -> _Token:
        """`timm.CosineLRScheduler` or `timm:CosineLRScheduler`: another library's name for a schedule."""
        outer, mark, inner = name.text.replace(":", ".").partition(".")
        if outer in ("lr", "learnrate") and mark:
            self._refuse(name.at, "names stand alone: Linear(0, 1, 10), not lr.Linear(0, 1, 10)")
        if mark and outer in SCHEDULES:
            self._refuse(name.at, f"{outer} needs its arguments: {signature(SCHEDULES[outer])}")
        return name._replace(text=f"{outer}{mark}{inner}")

    def _construct(self, name: _Token, cls: type[Declared], args: list[_Part], kwargs: dict[str, _Part]) -> Any:
        positional = [part.value for part in args]
        named = {key: part.value for key, part in kwargs.items()}

        def place() -> int:
            given = dict(zip(cls.kinds, args, strict=False)) | kwargs
            culprit = refused_parameter(cls, {key: part.value for key, part in given.items()})
            return given[culprit].at if culprit else name.at

        return self._build(name.at, lambda: cls(*positional, **named), place)

    def _arguments(self) -> tuple[list[_Part], dict[str, _Part]]:
        self._take()
        args: list[_Part] = []
        kwargs: dict[str, _Part] = {}
        comma = True
        while not self._skip(")"):
            if not comma:
                self._unexpected("',' or ')'")
            if self.token.kind == "keyword":
                keyword = self._take()
                key = keyword.text[:-1].rstrip()
                if key in kwargs:
                    self._refuse(keyword.at, f"{key} is given twice")
                kwargs[key] = self._expression()._replace(joint=keyword.at)
            elif kwargs:
                self._refuse(self.token.at, "a value by position may not follow one by name")
            else:
                args.append(self._expression())
            comma = self._skip(",")
        return args, kwargs

    def _method(self, at: int, value: Any) -> Any:
        self._take()
        name = self.token
        if name.kind not in ("name", "keyword"):
            self._unexpected("the name of a method")
        if name.text not in ALGEBRA:
            self._refuse(name.at, unknown("method", name.text.rstrip(" \t\r\n="), list(ALGEBRA)))
        if not isinstance(value, Schedule):
            self._refuse(at, f"only schedules have methods, got {shorten(value)}")
        self._take()
        if not self._is("("):
            self._unexpected(f"'(' after .{name.text}")
        args, kwargs = self._arguments()
        method = getattr(value, name.text)
        legal = inspect.signature(method)
        for key, part in kwargs.items():
            if key not in legal.parameters or key.startswith("_"):
                self._refuse(part.joint, unknown(f"parameter of .{name.text}", key, list(legal.parameters)))
        positional = [part.value for part in args]
        named = {key: part.value for key, part in kwargs.items()}
        try:
            legal.bind(*positional, **named)
        except TypeError as error:
            self._refuse(name.at, f".{name.text}: {error}; signature: .{name.text}({', '.join(legal.parameters)})")
        self._computed += name.text in _COMPUTING
        if self._computed > MOST_COMPUTED:
            self._refuse(name.at, f"too large: more than {MOST_COMPUTED} calls of {', '.join(sorted(_COMPUTING))}")
        return self._build(name.at, lambda: method(*positional, **named))
