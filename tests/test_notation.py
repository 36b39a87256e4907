"""Text and JSON forms: what is written is read back, what is not ours is refused with its place, nothing runs.

Python itself is the peer for the grammar: whatever the reader accepts must be what `eval` makes of the same text.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import inspect
import json
import math
import operator
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import feedback, policy, schedules, spec
from learnrate.errors import LearnrateError, NotationError, ParameterError, UsageError
from learnrate.notation import dumps, from_json, loads, parse, to_json
from learnrate.schedule import ALGEBRA, COMPOSITES, SCHEDULES, Chain, Schedule, Shape

PRINTABLE = [(name, cls) for name, cls in SCHEDULES.items() if name != "Function"]
READABLE = [*PRINTABLE, *feedback.RULES.items(), *policy.POLICIES.items()]
NAMES = dict(READABLE)
CONSTANT = {"type": "Constant", "value": 1}


def python(text: str) -> Any:
    """What Python makes of a text that a test wrote."""
    return eval(text, {"__builtins__": {}}, NAMES)  # noqa: S307 - the peer, on texts written here


def refusal_of(read: Callable[[Any], Any], case: Any) -> str | None:
    """Why it was refused, or None; any other error is a failure of the test."""
    try:
        read(case)
    except NotationError as error:
        return str(error)
    return None


def drawn(cls: type[spec.Declared], rng: random.Random) -> Any:
    """A legal instance that holds no function of a user's own, which has no form."""
    while True:
        value = spec.draw(cls, rng)
        if "Function(" not in repr(value):
            return value


def same_after_every_form(value: Any) -> None:
    assert parse(repr(value)) == value
    assert repr(parse(repr(value))) == repr(value)
    assert from_json(json.loads(json.dumps(to_json(value), allow_nan=False))) == value
    assert loads(dumps(value)) == value


# --- what is written is read back


@pytest.mark.parametrize(("name", "cls"), READABLE, ids=[name for name, _ in READABLE])
def test_every_drawn_instance_survives_both_forms(name: str, cls: type[spec.Declared]) -> None:
    rng = random.Random(name)
    for _ in range(12):
        same_after_every_form(drawn(cls, rng))


METHODS: dict[str, Callable[[random.Random], list[Any]]] = {
    "clip": lambda rng: [rng.choice([None, 1e-4]), rng.choice([0.5, 0.1])],
    "mirror": lambda rng: [],
    "repeat": lambda rng: [rng.randint(1, 4), rng.choice([1.0, 1.5, 2]), rng.choice([1.0, 0.7])],
    "every": lambda rng: [rng.randint(1, 9)],
    "delay": lambda rng: [rng.choice([0, 7, "3%", "1ep"])],
    "cut": lambda rng: [rng.choice([5, "50%"])],
    "skip": lambda rng: [rng.choice([0, 3, "1e3smp"])],
    "fit": lambda rng: [rng.choice([40, "100%", "2.5e6tok"])],
    "over": lambda rng: [5000],
    "extend": lambda rng: [100, rng.randint(0, 50)],
    "cooldown": lambda rng: [rng.randint(0, 50), 10, 1e-5],
}


def composed(rng: random.Random, depth: int) -> Schedule:
    """A random expression of the algebra, at most `depth` operations deep."""
    while True:
        try:
            if depth == 0 or rng.random() < 0.15:
                return spec.draw(rng.choice(PRINTABLE)[1], rng)
            kind = rng.randrange(7)
            body = composed(rng, depth - 1)
            if kind == 0:
                return body >> composed(rng, depth - 1)
            if kind == 1:
                return body + composed(rng, depth - 1)
            if kind == 2:
                return body * composed(rng, depth - 1)
            if kind == 3:
                return rng.choice([2, -0.5, 1e-7]) * body
            method = rng.choice(list(METHODS))
            return getattr(body, method)(*METHODS[method](rng))
        except LearnrateError:
            continue


def classes_in(value: Any) -> set[str]:
    if isinstance(value, (tuple, list)):
        return set().union(*map(classes_in, value))
    parameters = value.parameters() if isinstance(value, spec.Declared) else {}
    return {type(value).__name__}.union(*map(classes_in, parameters.values()))


def test_the_compositions_under_test_cover_the_algebra() -> None:
    assert set(METHODS) == set(ALGEBRA)
    assert set(COMPOSITES) <= set().union(*(classes_in(composed(random.Random(seed), 4)) for seed in range(60)))


@pytest.mark.parametrize("seed", range(60))
def test_random_compositions_survive_both_forms(seed: int) -> None:
    rng = random.Random(seed)
    for depth in (1, 2, 3, 5):
        same_after_every_form(composed(rng, depth))


@pytest.mark.parametrize("seed", range(40))
def test_precedence_and_grouping_are_pythons(seed: int) -> None:
    rng = random.Random(seed)
    leaves = ["Constant(2)", "Linear(0,1,5)", "2", "-.5", "1_0.e-1", "Linear(end=1,start=0,updates='5%')", "(0.1)"]
    after = ["", "", "", ".cut(3)", ".clip(0, 1,)", ".delay( 2 ) .every(updates=2)"]

    def text(depth: int) -> str:
        if depth == 0:
            leaf = rng.choice(leaves)
            return leaf + (rng.choice(after) if leaf[0] in "CL" else "")
        joined = text(depth - 1) + rng.choice([">>", " >> ", "+", " + ", "*", " *\n"]) + text(rng.randrange(depth))
        return f"({joined})" + rng.choice(after) if rng.random() < 0.4 else joined

    read = 0
    while read < 5:
        written = f"({text(rng.randint(1, 5))})"
        try:
            expected = python(written)
        except (LearnrateError, TypeError, AttributeError):
            expected = None
        refusal = refusal_of(parse, written)
        if refusal is None:
            assert parse(written) == expected
            read += 1
        else:
            assert not isinstance(expected, Schedule) or "arithmetic on plain numbers" in refusal


LITERALS = [
    "None",
    "True",
    "False",
    "'a'",
    '"it\'s"',
    r"'\'\\\n\x41\u00e9'",
    "'# no comment'",
    "[]",
    "()",
    "(1,)",
    "((1, 2))",
]
LITERALS += ["[1, (2, 'x'), [3,],]", "{}", "{'a': 1, \"b\": [{'c': None}],}", "(-1, +1., .5, 1_0)"]


@pytest.mark.parametrize("text", LITERALS)
def test_literals_are_pythons(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(f"Constant({text})")
    assert spec.shorten(python(text)) in str(caught.value.__cause__)


NUMBERS = ["0", "-1", "+1.", ".5", "1e-3", "-1E+2", "1_000", "1_0.0_1e1", "-0.0", "1e-999", "5e-324", "(1)", "((-1))"]


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_pythons(text: str) -> None:
    assert repr(parse(f"Constant({text})").value) == repr(float(python(text)))


def test_comments_line_breaks_and_trailing_commas_are_free() -> None:
    text = "# warmup\nLinear(0, # from nothing\r\n\tend=3e-4, updates='5%',)>>Cosine(3e-4,\n3e-5)  # and down"
    assert repr(parse(text)) == "Linear(0.0, 0.0003, '5%') >> Cosine(0.0003, 3e-05)"


def test_long_chains_and_tables_are_read_back() -> None:
    rng = random.Random(0)
    curve = schedules.Interpolation(range(10_000), [rng.random() for _ in range(10_000)])
    same_after_every_form(curve.clip(0.0, 0.5))
    same_after_every_form(Chain([schedules.Linear(k, k + 1, 2) for k in range(900)]))
    same_after_every_form(Chain([schedules.Linear(k, k + 1, 2) for k in range(900)]).cut(7))


@pytest.mark.parametrize("sign", ["+", "*"])
@pytest.mark.parametrize("terms", range(2, 9))
def test_terms_are_joined_from_left_to_right(sign: str, terms: int) -> None:
    """Floating-point sums and products depend on the order, so only Python's own order is the same value."""
    join = {"+": operator.add, "*": operator.mul}[sign]
    some = [schedules.Constant((-1) ** k * 0.1 * (k + 1)) for k in range(terms)]
    grouped = [join(a, b) for a, b in zip(some, reversed(some), strict=True)]
    for parts in (some, grouped, [*grouped[:1], *some], [*some, *grouped[:1]], [2 * some[0], *some[1:]]):
        value = functools.reduce(join, parts)
        assert parse(repr(value)) == value
        assert parse(repr(value)).parameters() == value.parameters()


def test_numbers_among_factors_are_joined_as_python_does() -> None:
    for text in ("2 * Constant(.1) * Constant(.3) * 3 * Constant(.7)", "Constant(.1) * 3 * Constant(.2) * 5"):
        assert parse(text) == python(text)


@pytest.mark.parametrize("sign", ["+", "*", ">>"])
def test_a_thousand_terms_are_read_back(sign: str) -> None:
    text = f" {sign} ".join(["Linear(0.5, 1.0, 3)"] * 1000)
    value = parse(text)
    assert len(value.parts) == 1000
    assert repr(value) == text


def test_a_registry_of_ones_own_is_readable_once_it_says_so() -> None:
    spices: spec.Registry[type[spec.Declared]] = spec.Registry("spice", form="text")
    try:

        class Pepper(spec.Declared):
            heat: float = spec.number("h", "", "how hot")

        spices.add("Pepper", Pepper)
        same_after_every_form(Pepper(3.0))
    finally:
        spec.FORMS.remove(spices)
    with pytest.raises(NotationError, match="unknown schedule 'Pepper'"):
        parse("Pepper(3)")


def test_a_module_prefix_is_told_to_go() -> None:
    with pytest.raises(NotationError, match="names stand alone"):
        parse("lr.Linear(0, 1, 2)")


def test_a_new_schedule_is_readable_at_once() -> None:
    class Newcomer(Shape):
        height: float = spec.number("h", "rate", "how high")
        open_ended = True

        def formula(self, t: Any, xp: Any) -> Any:
            return self.height

    try:
        same_after_every_form(Newcomer(0.25) * schedules.Constant(2.0))
    finally:
        SCHEDULES.remove("Newcomer")
    with pytest.raises(NotationError, match="unknown schedule 'Newcomer'"):
        parse("Newcomer(0.25)")


# --- what is not ours is refused, with place and reason

REFUSED = [
    ("", 1, 1, "expected a value, found the end"),
    ("0.1", 1, 1, "expected a declared value"),
    ("Cosin(1)", 1, 1, "did you mean 'Cosine'? known:"),
    ("Constant(1) >>\n  Cosin(1)", 2, 3, "unknown schedule 'Cosin'"),
    ("Cosine", 1, 1, "needs its arguments: Cosine(start"),
    ("Cosine.start", 1, 1, "needs its arguments"),
    ("Chain([Constant(1), Constant(2)])", 1, 1, "unknown schedule 'Chain'"),
    ("Constant(1).__class__", 1, 13, "unknown method '__class__'; known: clip"),
    ("Constant(1).__init__(2)", 1, 13, "unknown method '__init__'"),
    ("Constant(1).plot()", 1, 13, "unknown method 'plot'"),
    ("Constant(1).curve(9)", 1, 13, "unknown method 'curve'"),
    ("Constant(1).replace(value=2)", 1, 13, "unknown method 'replace'"),
    ("Constant(1).clip = 3", 1, 13, "unknown method 'clip'"),
    ("Constant(1).clip", 1, 17, "expected '('"),
    ("Constant(1).cut(1, 2)", 1, 13, ".cut: too many positional arguments; signature: .cut(at)"),
    ("Constant(1).clip(0, self=1)", 1, 21, "unknown parameter of .clip 'self'; known: high, low"),
    ("Constant(1).clip(1, 0)", 1, 13, "clip needs low <= high"),
    ("Constant(1).extend('a', [])", 1, 13, "must be a whole number"),
    ("(1).clip(0, 1)", 1, 1, "only schedules have methods"),
    ("Plateau().clip(0, 1)", 1, 1, "only schedules have methods"),
    ("Plateau() * Constant(1)", 1, 1, "operators join schedules and numbers"),
    ("__import__('os').system('true')", 1, 1, "unknown schedule '__import__'"),
    ("print(1)", 1, 1, "unknown schedule 'print'"),
    ("Constant(open('f'))", 1, 10, "unknown schedule 'open'"),
    ("Constant(self=1)", 1, 10, "unknown parameter of Constant 'self'; known: updates, value"),
    ("Constant(1, __class__=2)", 1, 13, "unknown parameter of Constant '__class__'"),
    ("Constant(1, value=2)", 1, 1, "given twice, by position and by name"),
    ("Constant(value=1, value=2)", 1, 19, "value is given twice"),
    ("Cosine(end=1, 2)", 1, 15, "may not follow one by name"),
    ("Constant(*[1])", 1, 10, "there is no unpacking"),
    ("Constant(**{'value': 1})", 1, 10, "expected a value, found '**'"),
    ("Constant(value:=1)", 1, 10, "unknown schedule 'value'"),
    ("s = Constant(1)", 1, 1, "there is no assignment"),
    ("lambda: Constant(1)", 1, 1, "unknown schedule 'lambda'"),
    ("Constant(1 if True else 2)", 1, 12, "found 'if'"),
    ("Constant(1)(2)", 1, 12, "only names and methods are called"),
    ("Constant(1)[0]", 1, 12, "there is no indexing"),
    ("Constant(1); Constant(2)", 1, 12, "one expression only"),
    ("Constant(1) Constant(2)", 1, 13, "found 'Constant'"),
    ("Constant(1) - Constant(2)", 1, 13, "to subtract, add -1 times the schedule"),
    ("Constant(1) / 2", 1, 13, "write the quotient"),
    ("Constant(1) == Constant(1)", 1, 13, "found '=='"),
    ("Constant(1) > > Constant(1)", 1, 13, "found '>'"),
    ("1/3 * Constant(1)", 1, 2, "write the quotient"),
    ("2 * 3 * Constant(1)", 1, 3, "arithmetic on plain numbers"),
    ("[1] * 1000000000", 1, 1, "operators join schedules and numbers"),
    ("'a' * 1000000000", 1, 1, "operators join schedules and numbers"),
    ("True * Constant(1)", 1, 1, "operators join schedules and numbers"),
    ("1 >> Constant(1)", 1, 3, "unsupported operand"),
    ("-Constant(1)", 1, 1, "a sign belongs to a number"),
    ("--1 * Constant(1)", 1, 1, "a sign belongs to a number"),
    ("Constant(inf)", 1, 10, "inf is no legal value"),
    ("Constant(-nan)", 1, 11, "nan is no legal value"),
    ("Constant(1e999)", 1, 10, "1e999 is too large"),
    ("Constant(007)", 1, 10, "leading zero"),
    ("Constant(0x10)", 1, 10, "'0x10' is no decimal number"),
    ("Constant(1j)", 1, 10, "'1j' is no decimal number"),
    ("Constant(1__0)", 1, 10, "'1__0' is no decimal number"),
    ("Constant(1.2.3)", 1, 10, "'1.2.3' is no decimal number"),
    ("Cosine(1, 0, 3ep)", 1, 14, "in quotes: '5%', '3ep'"),
    ("Cosine(1, 0, 5%)", 1, 15, "in quotes: '5%', '3ep'"),
    ("Cosine(1, 0, '5 percent')", 1, 14, "Cosine.updates must be a number of updates or text"),
    ("Cosine(1, 0, 10,\n    power=0)", 2, 11, "Cosine.power must be > 0, got 0"),
    ("Linear(0, 1, -3)", 1, 14, "Linear.updates must be >= 0"),
    ("Constant()", 1, 1, "Constant.value is missing"),
    ("Constant(1, 2, 3)", 1, 1, "takes at most 2 values"),
    ("Constant([Constant(1)])", 1, 10, "Constant.value must be a number"),
    ("Function(3)", 1, 10, "Function.function must be a function"),
    ("Linear(0, 1) >> Linear(1, 0) >> Linear(0, 1)", 1, 14, "at most one part without a length"),
    ("Cosine(1, 0, 'abc", 1, 14, "the string does not end on its line"),
    ("Cosine(1, 0, 'a\nb')", 1, 14, "the string does not end on its line"),
    ("Cosine(1, 0, 'a\\", 1, 14, "the string does not end on its line"),
    (r"Cosine(1, 0, 'ab\q')", 1, 17, r"unknown escape '\\q'"),
    (r"Cosine(1, 0, '\U00110000')", 1, 15, "unknown escape"),
    ("Cosine(1, 0, 'a' 'b')", 1, 18, "expected ',' or ')'"),
    ("Cosine(1, 0, f'a')", 1, 14, "unknown schedule 'f'"),
    ("Cosine(1, 0, {1.5: 2})", 1, 15, "expected a string or a whole number as key"),
    ("Cosine(1, 0, {'a': 1, 'a': 2})", 1, 23, "the key 'a' is given twice"),
    ("Cosine(1, 0, {'a'})", 1, 18, "expected ':'"),
    ("Constant(,)", 1, 10, "expected a value, found ','"),
    ("Constant(1,,)", 1, 12, "expected a value, found ','"),
    ("Linear(0 1)", 1, 10, "expected ',' or ')'"),
    ("Constant(1", 1, 11, "expected ',' or ')', found the end of the text"),
    ("Constant(1])", 1, 11, "expected ',' or ')', found ']'"),
    ("Constant(1))", 1, 12, "found ')'"),
    ("Constant(1)\\", 1, 12, "expected >>"),
    ("`id`", 1, 1, "expected a value"),
    ("Constant(1\0)", 1, 11, "U+0000"),
    ("Constant(1)# \x1b[31m", 1, 14, "U+001B"),
    ("Constant(1\N{NO-BREAK SPACE})", 1, 11, "NO-BREAK SPACE"),
    ("Constant(\N{RIGHT-TO-LEFT OVERRIDE}1)", 1, 10, "RIGHT-TO-LEFT OVERRIDE"),
    ("Cosine(1, 0, '\N{ZERO WIDTH SPACE}5%')", 1, 15, "ZERO WIDTH SPACE"),
    ("\N{CYRILLIC CAPITAL LETTER ES}onstant(1)", 1, 1, "CYRILLIC CAPITAL LETTER ES"),
    ("Const\N{LATIN SMALL LETTER A WITH ACUTE}nt(1)", 1, 6, "LATIN SMALL LETTER A WITH ACUTE"),
    ("Constant(\N{FULLWIDTH DIGIT ONE})", 1, 10, "FULLWIDTH DIGIT ONE"),
    ("Constant(1\N{ARABIC-INDIC DIGIT ONE})", 1, 11, "ARABIC-INDIC DIGIT ONE"),
    ("\ud800", 1, 1, "U+D800"),
]


@pytest.mark.parametrize(("text", "line", "column", "reason"), REFUSED, ids=[ascii(row[0]) for row in REFUSED])
def test_refusals_say_where_and_why(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    message, excerpt, caret = str(caught.value).split("\n")
    assert message.startswith(f"line {line}, column {column}: ")
    assert reason in message
    at = caret.index("^")
    shown = (text.splitlines() or [""])[line - 1][column - 1 : column]
    assert excerpt[at : at + 1] == (shown if shown.isprintable() else "?")


def test_the_constructors_own_error_stays_attached() -> None:
    with pytest.raises(NotationError, match="Cosine.power must be > 0, got 0") as caught:
        parse("Cosine(1, 0, 10, power=0)")
    assert isinstance(caught.value.__cause__, ParameterError)
    assert str(caught.value.__cause__) == "Cosine.power must be > 0, got 0"


@pytest.mark.parametrize("wrong", [None, 3, b"Constant(1)", ["Constant(1)"], schedules.Constant(1)])
def test_only_text_is_parsed(wrong: Any) -> None:
    with pytest.raises(UsageError, match="takes text"):
        parse(wrong)
    with pytest.raises(UsageError, match="takes text"):
        loads(wrong)


def test_a_deep_caller_is_told_so_instead_of_a_recursion_error() -> None:
    nested = "(" * 90 + "Constant(1)" + ")" * 90
    assert parse(nested) == schedules.Constant(1)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        with pytest.raises(NotationError, match="too deep for this call stack"):
            parse(nested)
    finally:
        sys.setrecursionlimit(limit)


# --- hostile input, in a process of its own: a hang or a crash there is a failure here

ONE = "Constant(1)"
DEEP, MANY, MEGA = 10_000, 400_000, 1_000_000
OPENINGS = [
    "(",
    "[",
    "{'a':",
    "-",
    "Constant(",
    "Constant(value=",
    f"{ONE}.clip(",
    f"{ONE}+(",
    "1*(",
    "(1,",
    "[[],",
    "\n(",
]
OPENINGS += [f"{ONE}>>{ONE}+{ONE}*("]
REPEATED = [
    *"1a_([)]'\"\\.-+*>=, \n#\0\x7f\u00e9\u202e\U0001f600\ud800",
    "'a",
    "1e",
    "1_",
    "0x",
    ".1",
    "1.",
    "a ",
    "a=",
    "a(",
]
REPEATED += ["1,", "1*", "''", "\\'", "'\\", "#'", ">>", "**", "{'", "(1,)", "[],", "():", ONE, f"{ONE},", f"{ONE}>>"]
REPEATED += [f"{ONE}+", f"{ONE}*", "2*", "Linear(0,1,2)>>", "Plateau(),"]
CALLS = [".clip(0,1)", ".cut(1)", ".every(2)", ".mirror()", ".repeat(2)", ".repeat(9007199254740991)", ".fit(9)"]
CALLS += [".extend(9,3)", ".cooldown(3,3)", ".extend(9,3).cooldown(2,2)", ".fit(9).cooldown(1,9)", ".delay(1).skip(1)"]


def hostile_texts() -> Iterator[str]:
    yield from (opening * DEEP for opening in OPENINGS)
    yield from (a * DEEP + ONE + b * DEEP for a, b in (("(", ")"), ("[", "]"), ("Constant(", ")"), ("2*(", ")")))
    yield from (unit * size for unit in REPEATED for size in (MANY, MEGA))
    for size in (65, 5_000, MANY):
        digits = "9" * size
        yield from (f"Constant({digits})", f"Constant(-{digits}.5)", f"Constant(0.{digits})", f"Constant(1e{digits})")
        yield from (f"Constant('{digits}')", f"Cosine(1, 0, '{digits}%')", f"Cosine(1, 0, 1e-{digits})")
    letters = "a" * MANY
    yield from (f"{letters}()", f"Constant({letters}=1)", f"{ONE}.{letters}()", f"{ONE}.cut({letters}=1)")
    yield "Constant('" + "\\x41" * 100_000 + "')"
    yield "Interpolation([" + "1," * 240_000 + "], [1])"
    chain = "(" + ">>".join(["Linear(0,1,2)"] * 1_100) + ")"
    for call in CALLS:
        yield from (ONE + call * 30_000, "Linear(0,1,9)" + call * 200, chain + call * 90)
    yield "2*" + "*".join([ONE] * 2_000)
    yield "+".join([chain] * 3) + "+("
    for times in (9_999, 10_000, 2**53):
        yield f"Linear(0,1).repeat({times},1.0123456789012345).over(9)>>" * 2_000


def hostile_data() -> Iterator[Any]:
    def nested(key: str, kind: str) -> Any:
        data: Any = {"type": "Constant", "value": 1}
        for _ in range(DEEP):
            data = {"type": kind, key: data}
        return data

    lists: Any = []
    shared: Any = []
    for _ in range(DEEP):
        lists, shared = [lists], [shared, shared]
    loop: list[Any] = []
    loop += [loop, loop]
    circle: dict[str, Any] = {"type": "Mirrored"}
    circle["body"] = circle
    yield from (nested("body", "Mirrored"), nested("body", "x"), nested("type", "Mirrored"), lists, circle)
    yield from (
        {"type": "Chain", "parts": parts} for parts in (lists, shared, loop, [CONSTANT] * 300_000, ["x"] * MEGA)
    )
    yield from (
        {"type": name} for name in ("a" * MEGA, "__class__", "", "\0", "\ud800", ["Constant"], 3, None, b"Constant")
    )
    values = [
        "9" * MEGA,
        10**5_000,
        -(10**5_000),
        math.nan,
        math.inf,
        object(),
        b"1",
        {1},
        1j,
        lists,
        shared,
        loop,
        circle,
    ]
    yield from ({"type": "Constant", "value": value} for value in values)
    yield from (CONSTANT | {key: 1} for key in ("a" * MEGA, 1, None, "__class__", "__init__", "self", ("type",)))


def hostile_json() -> Iterator[str]:
    yield from (
        unit * size for unit in ("[", '{"a":', '{"type":', "1", '"', "\0", " ", "\ud800") for size in (DEEP, MEGA)
    )
    yield from ("", "nul", '"' + "a" * MEGA, " " * 20_000_000, "[" + "1," * MEGA, "[" * DEEP + "]" * DEEP)
    values = ["1" * MANY, "-" + "1" * MANY, "0." + "1" * MANY + "e999", "1e" + "9" * MANY, "1e999", "NaN", "-Infinity"]
    values += ['"NaN"', '"' + "9" * MANY + '"', "[" * 50 + "]" * 50, "1, " + '"value": 1', '{"type": "Constant"}']
    yield from (f'{{"type": "Constant", "value": {value}}}' for value in values)


def refuse_everything_hostile() -> int:
    """How many hostile inputs were refused; each may take a minute before the process is killed with a traceback."""
    refused = 0
    for read, cases in ((parse, hostile_texts()), (from_json, hostile_data()), (loads, hostile_json())):
        for case in cases:
            faulthandler.dump_traceback_later(60, exit=True)
            refusal = refusal_of(read, case)
            assert refusal is not None, f"{read.__name__} accepted {spec.shorten(case)}"
            assert len(refusal) < 4_000
            refused += 1
    faulthandler.cancel_dump_traceback_later()
    return refused


def test_hostile_input_is_refused_in_a_process_of_its_own() -> None:
    env = os.environ | {"PYTHONPATH": str(Path(spec.__file__).parents[1])}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=400, env=env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert int(done.stdout) > 200


SEEDS = [repr(composed(random.Random(seed), 2)) for seed in range(30)]


@pytest.mark.parametrize("seed", range(30))
def test_damaged_text_is_refused_or_means_what_python_says(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [*"()[]{}'\".,:=+-*>#_ 019eE\n\\", ">>", "inf", "None", ".clip(", "Constant(", "\0", "é"]
    for _ in range(60):
        text = rng.choice(SEEDS)
        for _ in range(rng.randint(1, 3)):
            at, width = rng.randrange(len(text) + 1), rng.choice([0, 0, 1, 4])
            text = text[:at] + rng.choice(["", *pieces]) + text[at + width :]
        try:
            value = parse(text)
        except NotationError:
            continue
        assert value == python(f"({text}\n)")


@given(st.text(max_size=60) | st.text(alphabet="()[]{}'\".,:=+-*>#_ 1e\nConstat", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotationError):
        assert isinstance(parse(text), spec.Declared)


# --- JSON

REFUSED_DATA: list[tuple[Any, str]] = [
    (None, '$: expected an object with a "type", got None'),
    ([], '$: expected an object with a "type"'),
    ({}, '$: expected an object with a "type"'),
    ({"type": "Cosin"}, "$.type: unknown type 'Cosin'; did you mean 'Cosine'? known:"),
    ({"type": 3}, "$.type: expected a name, got 3"),
    ({"type": "Constant"}, "$.value: Constant.value is missing"),
    (CONSTANT | {"vlaue": 2}, "$.vlaue: unknown parameter of Constant 'vlaue'; did you mean 'value'?"),
    (CONSTANT | {"self": 2}, "$.self: unknown parameter of Constant 'self'"),
    (CONSTANT | {"a b": 2}, "$['a b']: unknown parameter"),
    (CONSTANT | {3: 2}, "$: keys are strings, got 3"),
    (CONSTANT | {"value": "1"}, "$.value: Constant.value must be a number"),
    (CONSTANT | {"value": True}, "$.value: Constant.value must be a number"),
    (CONSTANT | {"value": None}, "$.value: Constant.value must be a number"),
    (CONSTANT | {"value": [1]}, "$.value: Constant.value must be a number"),
    (CONSTANT | {"value": CONSTANT}, "$.value: Constant.value must be a number"),
    (CONSTANT | {"value": math.nan}, "$.value: nan is not JSON"),
    (CONSTANT | {"value": "nan"}, "$.value: Constant.value must be a finite number (rate), got nan"),
    (CONSTANT | {"value": "-inf"}, "$.value: Constant.value must be a finite number (rate), got -inf"),
    (CONSTANT | {"value": {1}}, "$.value: {1} is not JSON"),
    ({"type": "Chain", "parts": [CONSTANT]}, "$.parts: Chain.parts must be a list of two or more schedules"),
    ({"type": "Chain", "parts": [CONSTANT, 3]}, "$.parts: Chain.parts must be a schedule, got 3"),
    ({"type": "Chain", "parts": [CONSTANT, {"type": "Linear", "start": "x"}]}, "$.parts[1].start: Linear.start"),
    ({"type": "Chain", "parts": [CONSTANT, {"type": "Plateau"}]}, "$.parts: Chain.parts must be a schedule"),
    ({"type": "Interpolation", "knots": [0, 2, 2], "values": [1, 2, 3]}, "$.knots: Interpolation.knots must rise"),
    ({"type": "Interpolation", "knots": [0, 2], "values": [1, "inf"]}, "$.values: Interpolation.values must hold"),
    ({"type": "Interpolation", "knots": [0, 2], "values": [1]}, "$: Interpolation needs one value per knot"),
    ({"type": "Plateau", "mode": "up"}, "$.mode: Plateau.mode must be one of 'min', 'max', got 'up'"),
    ({"type": "Clipped", "body": CONSTANT, "low": 2, "high": 1}, "$: clip needs low <= high"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED_DATA, ids=[str(row[0])[:60] for row in REFUSED_DATA])
def test_data_that_is_not_ours_is_refused_with_its_path(data: Any, reason: str) -> None:
    with pytest.raises(NotationError) as caught:
        from_json(data)
    assert str(caught.value).startswith(reason)


def test_every_parameter_is_written_and_defaults_may_be_left_out() -> None:
    plateau = feedback.Plateau(patience=2)
    assert list(to_json(plateau)) == ["type", *feedback.Plateau.kinds]
    assert from_json({"type": "Plateau", "patience": 2}) == plateau


def test_json_has_the_shape_the_docs_show() -> None:
    warm = schedules.Linear(0, 1, "5%") >> schedules.Constant(1)
    assert to_json(warm) == {
        "type": "Chain",
        "parts": [
            {"type": "Linear", "start": 0.0, "end": 1.0, "updates": "5%"},
            {"type": "Constant", "value": 1.0, "updates": None},
        ],
    }


@pytest.mark.parametrize(("name", "cls"), [*READABLE, *COMPOSITES.items()], ids=[*NAMES, *COMPOSITES])
def test_no_parameter_is_called_like_the_type(name: str, cls: type[spec.Declared]) -> None:
    assert "type" not in cls.kinds
    assert cls.__name__ == name


def test_a_users_function_has_no_form_and_says_so() -> None:
    curve = schedules.Function(lambda t: 0.1) * schedules.Constant(1.0)
    with pytest.raises(NotationError, match=r"^\$\.parts\[0\]\.function: .*has no JSON form"):
        to_json(curve)
    with pytest.raises(NotationError, match="line 1, column 10: expected a value, found '<'"):
        parse(repr(curve))


def test_only_declared_and_registered_values_are_written() -> None:
    class Stranger(spec.Declared):
        size: float = spec.number("n", "", "how large")

    with pytest.raises(UsageError, match="takes a declared value"):
        to_json(3)  # type: ignore[arg-type]
    with pytest.raises(NotationError, match="Stranger is not registered"):
        to_json(Stranger(1.0))


def test_what_would_print_without_end_is_refused() -> None:
    grown: Schedule = schedules.Linear(0, 1, 64)
    for _ in range(25):
        grown = grown.extend(64, 32)
    with pytest.raises(NotationError, match="nested more than|too large"):
        to_json(grown)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "line 1, column 2: not JSON: Expecting property name"),
        ('{"type": "Constant",\n "value": }', "line 2, column 11: not JSON: Expecting value"),
        ('{"type": "Constant", "value": 1, "value": 2}', "the JSON key 'value' is given twice in one object"),
        ('{"type": "Constant", "value": NaN}', "NaN is not JSON; non-finite numbers are written as strings"),
        ('{"type": "Constant", "value": 1e999}', "$.value: inf is not JSON"),
        ("[" * 100_000, "$: nested too deep"),
    ],
)
def test_json_text_that_is_not_ours_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NotationError) as caught:
        loads(text)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_data_is_refused_or_read(seed: int) -> None:
    rng = random.Random(seed)
    junk: list[Any] = [None, True, -1, 1e308, "nan", "", [], {}, [[]], {"type": "Linear"}, "5%", 2**70, CONSTANT]

    def damage(data: Any) -> Any:
        if rng.random() < 0.08:
            return rng.choice(junk)
        if isinstance(data, dict):
            return {key: damage(item) for key, item in data.items() if rng.random() > 0.03}
        return [damage(item) for item in data] if isinstance(data, list) else data

    for _ in range(60):
        try:
            same_after_every_form(from_json(damage(to_json(composed(rng, 2)))))
        except NotationError as error:
            path = str(error)
            assert path.startswith("$")


if __name__ == "__main__":
    sys.stdout.write(f"{refuse_everything_hostile()}\n")
