"""A formula as Python on arrays, for sources to paste that JAX or Keras can trace: no branch depends on a value."""

from __future__ import annotations

from typing import NamedTuple

from ..formula import EXPONENT_LIMIT, Node, Table
from ..schedule import Schedule
from ..spec import shorten
from .writing import require_printable


class Target(NamedTuple):
    """How one array library is spoken to: its name, how times become floats, and the helpers that its source needs."""

    xp: str
    time: str
    quotient: str
    find: str
    take: str


_QUOTIENT = '''def quotient(t, n):
    """floor(t / n), right also where a compiler multiplies by 1 / n."""
    whole = {xp}.floor(t / n)
    left = t - whole * n
    return whole + {xp}.where(left >= n, 1.0, 0.0) - {xp}.where(left < 0, 1.0, 0.0)
'''

JAX = Target(
    "jnp",
    "jnp.asarray({}, dtype=float)",
    _QUOTIENT.format(xp="jnp"),
    '''def find(table, t):
    """The index of the last entry <= t."""
    return jnp.maximum(jnp.searchsorted(jnp.asarray(table, dtype=float), t, side="right") - 1, 0)
''',
    """def take(table, index):
    return jnp.asarray(table, dtype=float)[index]
""",
)

KERAS = Target(
    "ops",
    "ops.cast({}, keras.config.floatx())",
    _QUOTIENT.format(xp="ops"),
    '''def find(table, t):
    """The index of the last entry <= t."""
    reached = ops.expand_dims(t, -1) >= ops.cast(ops.convert_to_tensor(table), t.dtype)
    return ops.maximum(ops.sum(ops.cast(reached, "int32"), axis=-1) - 1, 0)
''',
    """def take(table, index):
    return ops.take(ops.cast(ops.convert_to_tensor(table), keras.config.floatx()), index)
""",
)


class Printed(NamedTuple):
    """Helpers and tables that stand before, and the statements from `t` to `return`."""

    head: str
    lines: list[str]
    doc: str


def printed(schedule: Schedule, target: Target, argument: str) -> Printed:
    """The schedule as statements on `argument`; a user's own function is a `UsageError`."""
    require_printable(schedule)
    program = _Program(target)
    value = program.value(schedule._symbolic())
    if not program.lines:  # a number or the time itself
        value = f"{target.xp}.zeros_like(t) + {value}"
    lines = [f"t = {target.time.format(argument)}", *program.lines, f"return {value}"]
    tables = "".join(f"{name} = {list(table)!r}\n" for table, name in program.tables.items())
    helpers = [getattr(target, name) for name in ("quotient", "find", "take") if name in program.helpers]
    doc = shorten(schedule, 400).replace("\\", "\\\\").replace('"""', "'''")
    return Printed("\n\n".join([*([tables] if tables else []), *helpers]), lines, doc)


class _Program:
    """One statement per operation, each operation once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lines: list[str] = []
        self.tables: dict[Table, str] = {}
        self.helpers: set[str] = set()
        self._names: dict[Node, str] = {}

    def value(self, root: Node) -> str:
        """The name of the variable that holds the node. Iterative: a sum of 1000 schedules is 1000 deep."""
        pending = [root]
        while pending:
            node = pending[-1]
            missing = [child for child in node.children() if child not in self._names]
            if missing:
                pending += missing
                continue
            if node not in self._names:
                self._names[node] = self._named(node)
            pending.pop()
        return self._names[root]

    def _named(self, node: Node) -> str:
        op, args = node.op, node.args
        if op == "num":
            return repr(float(args[0])) if args[0] >= 0 else f"({float(args[0])!r})"
        if op == "sym":
            return "t"
        if op in ("narrow", "let"):
            return self._names[args[0] if op == "narrow" else args[1]]
        expression = self._expression(node)  # which may write statements of its own
        name = f"v{len(self.lines) + 1}"
        self.lines.append(f"{name} = {expression}")
        return name

    def _expression(self, node: Node) -> str:
        op, args, xp = node.op, node.args, self.target.xp
        if op == "piece":
            return self._piece(node)
        if op == "find":
            return f"{self._helper('find')}({self._table(args[1])}, {self._names[args[0]]})"
        if op == "take":
            return f"{self._helper('take')}({self._table(args[0])}, {self._names[args[1]]})"
        if op == "floor" and args[0].op == "/" and args[0].args[1].value is not None:
            top, bottom = args[0].args
            return f"{self._helper('quotient')}({self._names[top]}, {self._names[bottom]})"
        names = [self._names[arg] for arg in args]
        if op in ("+", "-", "*", "/", "**", "<", "<=", ">", ">="):
            return f"{names[0]} {op} {names[1]}"
        if op == "neg":
            return f"-{names[0]}"
        if op in ("min", "max"):
            return f"{xp}.{op}imum({names[0]}, {names[1]})"
        if op == "where":
            return f"{xp}.where({', '.join(names)})"
        if op == "exp" and args[0].high > EXPONENT_LIMIT:
            return f"{xp}.exp({xp}.minimum({names[0]}, 80.0))"
        return f"{xp}.{op}({names[0]})"

    def _piece(self, node: Node) -> str:
        t, edges, *values = node.args
        *spoken, text = [self._names[value] for value in values]
        for edge, value in reversed(list(zip(edges, spoken, strict=True))):
            if text.count("(") > 8:  # parsers limit parentheses
                self.lines.append(f"v{len(self.lines) + 1} = {text}")
                text = f"v{len(self.lines)}"
            text = f"{self.target.xp}.where({self._names[t]} < {edge!r}, {value}, {text})"
        return text

    def _helper(self, name: str) -> str:
        self.helpers.add(name)
        return name

    def _table(self, table: Table) -> str:
        return self.tables.setdefault(table, f"TABLE{len(self.tables) + 1}")


def indented(lines: list[str], depth: int) -> str:
    """Statements below a function of that depth."""
    return "\n".join(" " * 4 * depth + line for line in lines)


__all__ = ["JAX", "KERAS", "Printed", "Target", "indented", "printed"]
