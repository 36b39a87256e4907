"""Formulas on symbols: a graph of nodes in which equal parts are one node.

Every node knows the interval its value lies in, so that a clamp which cannot bite is never printed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from ..errors import FormulaError
from .namespace import EXPONENT_LIMIT, LATEST, Memory, Part, Table

Interval = tuple[float, float]
ANYWHERE: Interval = (-math.inf, math.inf)


class Node:
    """One operation on other nodes. Built by `Symbols`, which makes equal nodes identical."""

    __slots__ = ("args", "high", "low", "op", "space")

    def __init__(self, space: Symbols, op: str, args: tuple[Any, ...], interval: Interval) -> None:
        self.space = space
        self.op = op
        self.args = args
        self.low, self.high = interval

    def __add__(self, other: Any) -> Node:
        return self.space.apply("+", self, other)

    def __radd__(self, other: Any) -> Node:
        return self.space.apply("+", other, self)

    def __sub__(self, other: Any) -> Node:
        return self.space.apply("-", self, other)

    def __rsub__(self, other: Any) -> Node:
        return self.space.apply("-", other, self)

    def __mul__(self, other: Any) -> Node:
        return self.space.apply("*", self, other)

    def __rmul__(self, other: Any) -> Node:
        return self.space.apply("*", other, self)

    def __truediv__(self, other: Any) -> Node:
        return self.space.apply("/", self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return self.space.apply("/", other, self)

    def __pow__(self, other: Any) -> Node:
        return self.space.apply("**", self, other)

    def __rpow__(self, other: Any) -> Node:
        return self.space.apply("**", other, self)

    def __neg__(self) -> Node:
        return self.space.apply("neg", self)

    def __lt__(self, other: Any) -> Node:
        return self.space.apply("<", self, other)

    def __le__(self, other: Any) -> Node:
        return self.space.apply("<=", self, other)

    def __gt__(self, other: Any) -> Node:
        return self.space.apply(">", self, other)

    def __ge__(self, other: Any) -> Node:
        return self.space.apply(">=", self, other)

    def __bool__(self) -> NoReturn:
        raise FormulaError("a formula may not branch in Python; use xp.where or xp.piece")

    def __float__(self) -> NoReturn:
        raise FormulaError("a formula may not leave the language [xp]; use xp.cos(x), not math.cos(x)")

    @property
    def value(self) -> float | None:
        """The number, when the node is one."""
        return self.args[0] if self.op == "num" else None

    def children(self) -> Iterator[Node]:
        return (arg for arg in self.args if isinstance(arg, Node))


def _products(a: Interval, b: Interval) -> Interval:
    ends = [x * y if x and y else 0.0 for x in a for y in b]
    return min(ends), max(ends)


def _quotient(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0 <= b[1] or not all(map(math.isfinite, b)):
        return ANYWHERE
    ends = [x / y for x in a for y in b]
    return min(ends), max(ends)


def _power(a: Interval, b: Interval) -> Interval:
    if a[0] < 0 or b[0] != b[1] or b[0] <= 0 or not math.isfinite(a[1]):
        return (0.0, math.inf) if a[0] >= 0 else ANYWHERE
    try:
        return a[0] ** b[0], a[1] ** b[0]
    except OverflowError:
        return 0.0, math.inf


def _exponential(a: Interval) -> Interval:
    return math.exp(min(a[0], EXPONENT_LIMIT)), math.exp(min(a[1], EXPONENT_LIMIT))


def _absolute(a: Interval) -> Interval:
    return max(a[0], -a[1], 0.0), max(abs(a[0]), abs(a[1]))


# How an interval travels through an operation. IEEE arithmetic is monotone, so the ends are computed, not estimated.
INTERVALS: dict[str, Callable[..., Interval]] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "*": _products,
    "/": _quotient,
    "**": _power,
    "neg": lambda a: (-a[1], -a[0]),
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "cos": lambda a: (-1.0, 1.0),
    "sin": lambda a: (-1.0, 1.0),
    "tanh": lambda a: (-1.0, 1.0),
    "exp": _exponential,
    "log": lambda a: ANYWHERE,
    "sqrt": lambda a: (math.sqrt(max(a[0], 0.0)), math.sqrt(a[1]) if a[1] >= 0 else math.inf),
    "floor": lambda a: tuple(math.floor(x) if math.isfinite(x) else x for x in a),
    "abs": _absolute,
}

CONSTANT: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "neg": lambda a: -a,
    "min": min,
    "max": max,
    "cos": math.cos,
    "sin": math.sin,
    "tanh": math.tanh,
    "exp": lambda a: math.exp(min(a, EXPONENT_LIMIT)),
    "log": math.log,
    "sqrt": math.sqrt,
    "floor": lambda a: float(math.floor(a)),
    "abs": abs,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def uses(root: Node) -> Counter[Node]:
    """How often each node is used. Iterative: graphs may be deep."""
    counts: Counter[Node] = Counter()
    pending = [root]
    seen: set[Node] = set()
    while pending:
        node = pending.pop()
        counts[node] += 1
        if node not in seen:
            seen.add(node)
            pending.extend(node.children())
    return counts


class Symbols(Memory):
    """The reading on symbols. `user_functions` admits opaque nodes, which only the in-process compiler can run."""

    def __init__(self, user_functions: bool = False) -> None:
        super().__init__()
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self._user_functions = user_functions
        self.t = self.symbol("t", (0.0, LATEST))

    # -- building nodes

    def symbol(self, name: str, interval: Interval = ANYWHERE) -> Node:
        """A named unknown."""
        return self._node("sym", (name,), interval)

    def node(self, x: Any) -> Node:
        """`x` as a node of this space."""
        if isinstance(x, Node):
            return x
        if isinstance(x, bool) or not isinstance(x, (int, float)):
            raise FormulaError(f"a formula works on numbers and xp functions only, got {type(x).__name__}")
        return self._node("num", (x,), (float(x), float(x)))

    def _node(self, op: str, args: tuple[Any, ...], interval: Interval) -> Node:
        key = (op, *((id(arg) if isinstance(arg, Node) else (type(arg), arg)) for arg in args))
        known = self._nodes.get(key)
        if known is None:
            known = self._nodes[key] = Node(self, op, args, interval)
        return known

    def apply(self, op: str, *args: Any) -> Node:
        """An operation, folded when its arguments are numbers and simplified when it does nothing."""
        nodes = tuple(map(self.node, args))
        values = [node.value for node in nodes]
        if all(value is not None for value in values) and op in CONSTANT:
            return self._folded(op, values)
        simpler = _simplify(op, nodes, values)
        if simpler is not None:
            return self.node(simpler)
        travel = INTERVALS.get(op)
        interval = travel(*((node.low, node.high) for node in nodes)) if travel else ANYWHERE
        if any(map(math.isnan, interval)):
            interval = ANYWHERE
        return self._node(op, nodes, interval)

    def _folded(self, op: str, values: Sequence[Any]) -> Node:
        try:
            folded = CONSTANT[op](*values)
        except (ArithmeticError, ValueError) as error:
            shown = ", ".join(map(repr, values))
            raise FormulaError(f"{op}({shown}) has no finite value ({error}); guard the argument") from None
        if isinstance(folded, bool):
            return self._node("bool", (folded,), (0.0, 1.0))
        return self.node(folded)

    # -- the language

    def cos(self, x: Any) -> Node:
        return self.apply("cos", x)

    def sin(self, x: Any) -> Node:
        return self.apply("sin", x)

    def tanh(self, x: Any) -> Node:
        return self.apply("tanh", x)

    def exp(self, x: Any) -> Node:
        return self.apply("exp", x)

    def log(self, x: Any) -> Node:
        return self.apply("log", x)

    def sqrt(self, x: Any) -> Node:
        return self.apply("sqrt", x)

    def floor(self, x: Any) -> Node:
        return self.apply("floor", x)

    def abs(self, x: Any) -> Node:
        return self.apply("abs", x)

    def quotient(self, t: Any, n: float) -> Node:
        return self.floor(self.apply("/", t, n))

    def minimum(self, a: Any, b: Any) -> Node:
        return self.apply("min", a, b)

    def maximum(self, a: Any, b: Any) -> Node:
        return self.apply("max", a, b)

    def clip(self, x: Any, low: Any, high: Any) -> Node:
        return self.minimum(self.maximum(x, low), high)

    def where(self, condition: Any, yes: Any, no: Any) -> Node:
        if isinstance(condition, bool) or condition.op == "bool":
            chosen = condition if isinstance(condition, bool) else condition.args[0]
            return self.node(yes if chosen else no)
        yes, no = self.node(yes), self.node(no)
        return self._node("where", (condition, yes, no), (min(yes.low, no.low), max(yes.high, no.high)))

    def piece(self, t: Any, edges: Sequence[float], parts: Sequence[Part]) -> Node:
        t = self.node(t)
        cuts = (-math.inf, *edges, math.inf)
        reached = [i for i in range(len(parts)) if t.high >= cuts[i] and t.low < cuts[i + 1]]
        # min(t, n) < edge says the same as t < edge while edge <= n: only the last part needs the clamp
        clamped = t.op == "min" and len(reached) > 1 and cuts[reached[-1]] <= t.args[1].high == t.args[1].low
        free = t.args[0] if clamped else t
        values = []
        for index in reached:
            low, high = max(t.low, cuts[index]), min(t.high, cuts[index + 1])
            time = t if index == reached[-1] else free
            values.append(self.node(parts[index](self._node("narrow", (time, low, high), (low, high)))))
        if len(values) == 1:
            return values[0]
        interval = (min(value.low for value in values), max(value.high for value in values))
        return self._node("piece", (free, Table(cuts[index + 1] for index in reached[:-1]), *values), interval)

    def find(self, t: Any, table: Table) -> Node:
        return self._node("find", (self.node(t), table), (0.0, len(table) - 1.0))

    def take(self, table: Table, index: Any) -> Node:
        index = self.node(index)
        if index.value is not None:
            return self.node(table[int(index.value)])
        return self._node("take", (table, index), (min(table), max(table)))

    def let(self, name: str, value: Any) -> Node:
        value = self.node(value)
        return value if value.op in ("num", "sym") else self._node("let", (name, value), (value.low, value.high))

    def hold(self, t: Any, length: float) -> Node:
        return self.node(t) if length == math.inf else self.minimum(t, length)

    def opaque(self, function: Callable[[Any], Any], t: Any) -> Node:
        if not self._user_functions:
            name = getattr(function, "__name__", type(function).__name__)
            raise FormulaError(
                f"the formula of the user function {name!r} cannot be printed; sample it: Interpolation(knots, values)"
            )
        return self._node("opaque", (function, self.node(t)), ANYWHERE)


def _simplify(op: str, nodes: tuple[Node, ...], values: list[float | None]) -> Node | float | None:
    """What an operation that does nothing amounts to, or None."""
    a, b = nodes[0], nodes[-1]
    x, y = values[0], values[-1]
    if op == "min":
        return a if a.high <= b.low else b if b.high <= a.low else None
    if op == "max":
        return a if a.low >= b.high else b if b.low >= a.high else None
    if op == "+":
        return b if x == 0 else a if y == 0 else None
    if op == "-":
        return a if y == 0 else 0.0 if a is b else None
    if op == "*":
        return b if x == 1 else a if y == 1 else 0.0 if x == 0 or y == 0 else None
    if op == "/":
        return a if y == 1 else 0.0 if x == 0 else None
    if op == "**":
        return a if y == 1 else 1.0 if y == 0 else None
    return None
