"""Print a graph of nodes as a program: stand-alone Python, or JavaScript. Two dialects, one printer.

A node used more than once becomes a variable; a piece becomes `if` and `else`, so only the part that speaks runs.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from .expression import Node, uses
from .namespace import EXPONENT_LIMIT, Table

SUM, TERM, SIGN, POWER, ATOM = 1, 2, 3, 4, 5
DEEPEST = 12
"""Operations nested in one expression before it is cut by a variable: parsers limit parentheses."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How one language spells things."""

    functions: dict[str, str]
    assign: str
    ternary: str
    branch: str
    otherwise: str
    close: str
    index: str
    finish: str
    pi: str

    def number(self, value: float) -> str:
        return self.pi if value == math.pi else repr(value)


PYTHON = Dialect(
    functions={
        "cos": "math.cos({})",
        "sin": "math.sin({})",
        "tanh": "math.tanh({})",
        "exp": "math.exp({})",
        "log": "math.log({})",
        "sqrt": "math.sqrt({})",
        "floor": "math.floor({})",
        "abs": "abs({})",
    },
    assign="{} = {}",
    ternary="({yes} if {condition} else {no})",
    branch="if {}:",
    otherwise="else:",
    close="",
    index="max(bisect.bisect_right({table}, {t}) - 1, 0)",
    finish="return {}",
    pi="math.pi",
)

JAVASCRIPT = Dialect(
    functions={
        "cos": "Math.cos({})",
        "sin": "Math.sin({})",
        "tanh": "Math.tanh({})",
        "exp": "Math.exp({})",
        "log": "Math.log({})",
        "sqrt": "Math.sqrt({})",
        "floor": "Math.floor({})",
        "abs": "Math.abs({})",
    },
    assign="{} = {};",
    ternary="({condition} ? {yes} : {no})",
    branch="if ({}) {{",
    otherwise="}} else {{",
    close="}",
    index="find({table}, {t})",
    finish="return {};",
    pi="Math.PI",
)

BINARY = {"+": SUM, "-": SUM, "*": TERM, "/": TERM, "**": POWER}


@dataclasses.dataclass
class Text:
    """A printed expression, how tightly it binds, and how deep it nests."""

    code: str
    level: int = ATOM
    depth: int = 0

    def within(self, level: int) -> str:
        return self.code if self.level >= level else f"({self.code})"


class Program:
    """The statements that compute one node."""

    def __init__(self, root: Node, dialect: Dialect) -> None:
        self.dialect = dialect
        self.lines: list[str] = []
        self.tables: dict[str, Table] = {}
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.variables: list[str] = []
        self._named: Counter[str] = Counter()
        self.root = root
        self._uses = uses(root)
        self._scopes: list[dict[Node, Text]] = [{}]
        self._finish(root, 1)

    # -- statements

    def _finish(self, node: Node, indent: int) -> None:
        """The statements that return the node's value."""
        if node.op == "piece":
            self._branches(node, indent, self._finish)
        else:
            code = self._text(node, indent).code
            self._write(indent, self.dialect.finish.format(code))

    def _branches(self, node: Node, indent: int, end: Callable[[Node, int], None]) -> None:
        t, edges, *values = node.args
        self._split(self._atom(t, indent), edges, values, indent, end)

    def _split(self, t: str, edges: Table, values: list[Node], indent: int, end: Callable[[Node, int], None]) -> None:
        """A balanced tree of branches: 1000 parts cost 10 comparisons and 10 levels."""
        if len(values) == 1:
            self._scopes.append({})
            end(values[0], indent)
            self._scopes.pop()
            return
        half = (len(values) + 1) // 2
        self._write(indent, self.dialect.branch.format(f"{t} < {self.dialect.number(edges[half - 1])}"))
        self._split(t, Table(edges[: half - 1]), values[:half], indent + 1, end)
        self._write(indent, self.dialect.otherwise.format())
        self._split(t, Table(edges[half:]), values[half:], indent + 1, end)
        if self.dialect.close:
            self._write(indent, self.dialect.close)

    def _write(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    def _name(self, wanted: str) -> str:
        self._named[wanted] += 1
        count = self._named[wanted]
        name = wanted if count == 1 else f"{wanted}{count}"
        self.variables.append(name)
        return name

    def _variable(self, text: Text, indent: int, wanted: str = "v") -> Text:
        name = self._name(wanted)
        self._write(indent, self.dialect.assign.format(name, text.code))
        return Text(name)

    # -- expressions

    def _text(self, node: Node, indent: int) -> Text:
        """The node's code, after that of what it is made of. Iterative: a sum of 1000 schedules is 1000 deep."""
        pending = [node]
        while pending:
            first = pending[-1]
            if self._known(first) is None:
                parts = first.args[:1] if first.op == "piece" else first.children()
                missing = [part for part in parts if self._known(part) is None]
                if missing:
                    pending += reversed(missing)
                    continue
                self._remember(first, indent)
            pending.pop()
        return cast(Text, self._known(node))

    def _known(self, node: Node) -> Text | None:
        for scope in reversed(self._scopes):
            if node in scope:
                return scope[node]
        return None

    def _remember(self, node: Node, indent: int) -> None:
        text = self._print(node, indent)
        if text.level < ATOM or text.depth:
            if node.op == "let":
                text = self._variable(text, indent, node.args[0])
            elif self._uses[node] > 1 or text.depth > DEEPEST:
                text = self._variable(text, indent)
        self._scopes[-1][node] = text

    def _atom(self, node: Node, indent: int) -> str:
        """A name or a number: what a condition may repeat without computing twice."""
        text = self._text(node, indent)
        if text.level < ATOM or text.depth:
            text = self._scopes[-1][node] = self._variable(text, indent)
        return text.code

    def _print(self, node: Node, indent: int) -> Text:
        op, args = node.op, node.args
        if op == "num":
            value = self.dialect.number(args[0])
            return Text(value, SIGN if value.startswith("-") else ATOM)
        if op == "sym":
            return Text(args[0])
        if op == "narrow":
            return self._text(args[0], indent)
        if op == "let":
            return self._text(args[1], indent)
        if op in BINARY:
            return self._operator(node, indent)
        if op == "neg":
            inner = self._text(args[0], indent)
            return Text(f"-{inner.within(ATOM)}", SIGN, inner.depth + 1)
        if op in ("min", "max"):
            a, b = self._atom(args[0], indent), self._atom(args[1], indent)
            return self._choose(f"{a} {'<' if op == 'min' else '>'} {b}", Text(a), Text(b))
        if op == "where":
            condition, yes, no = (self._text(arg, indent) for arg in args)
            return self._choose(condition.code, yes, no)
        if op in ("<", "<=", ">", ">="):
            left, right = (self._text(arg, indent) for arg in args)
            return Text(f"{left.within(SUM)} {op} {right.within(SUM)}", 0, max(left.depth, right.depth) + 1)
        return self._call(node, indent)

    def _operator(self, node: Node, indent: int) -> Text:
        level = BINARY[node.op]
        left, right = (self._text(arg, indent) for arg in node.args)
        # a - (b + c), a / (b * c): the right side binds one tighter. Powers bind from the right, and a bare sign
        # under a power is read differently by Python and JavaScript.
        a = left.within(level + 1 if node.op == "**" else level)
        b = right.within(level if node.op in "+*" and right.level != level else level + 1)
        return Text(f"{a} {node.op} {b}", level, max(left.depth, right.depth) + 1)

    def _choose(self, condition: str, yes: Text, no: Text) -> Text:
        code = self.dialect.ternary.format(condition=condition, yes=yes.code, no=no.code)
        return Text(code, ATOM, max(yes.depth, no.depth) + 1)

    def _call(self, node: Node, indent: int) -> Text:
        op, args = node.op, node.args
        if op == "piece":
            name = self._name("v")
            self._branches(node, indent, lambda part, deeper: self._assign(name, part, deeper))
            return Text(name)
        if op == "find":
            t = self._text(args[0], indent)
            return Text(self.dialect.index.format(table=self._table(args[1]), t=t.code), ATOM, t.depth + 1)
        if op == "take":
            return Text(f"{self._table(args[0])}[{self._text(args[1], indent).code}]", ATOM, 1)
        if op == "opaque":
            name = f"user{len(self.functions)}"
            self.functions[name] = args[0]
            return Text(f"{name}({self._text(args[1], indent).code})", ATOM, 1)
        if op == "exp" and args[0].high > EXPONENT_LIMIT:
            limited = node.space.minimum(args[0], EXPONENT_LIMIT)
            self._uses[limited] += 1
            return self._function("exp", limited, indent)
        return self._function(op, args[0], indent)

    def _function(self, op: str, arg: Node, indent: int) -> Text:
        inner = self._text(arg, indent)
        return Text(self.dialect.functions[op].format(inner.code), ATOM, inner.depth + 1)

    def _assign(self, name: str, node: Node, indent: int) -> None:
        self._write(indent, self.dialect.assign.format(name, self._text(node, indent).code))

    def _table(self, table: Table) -> str:
        for name, known in self.tables.items():
            if known == table:
                return name
        name = f"TABLE{len(self.tables) + 1}"
        self.tables[name] = table
        return name


def python(root: Node, name: str = "schedule", doc: str = "") -> str:
    """The node as stand-alone Python: a function of `t` that needs the standard library alone."""
    program = Program(root, PYTHON)
    body = "\n".join(program.lines)
    imports = [f"import {module}" for module in ("bisect", "math") if f"{module}." in body]
    tables = [f"{key} = {tuple(table)!r}" for key, table in program.tables.items()]
    head = "\n".join([*imports, *tables])
    quoted = doc.replace("\\", "\\\\").replace('"""', "'''")
    documented = f'    """{quoted}"""\n' if doc else ""
    return f"{head}\n\n\ndef {name}(t):\n{documented}{body}\n".lstrip("\n")


FIND = """function find(table, t) {
    let low = 0, high = table.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (t < table[middle]) high = middle; else low = middle + 1;
    }
    return Math.max(low - 1, 0);
}
"""


def javascript(root: Node, name: str = "schedule", doc: str = "") -> str:
    """The node as JavaScript: a function of `t` without dependencies."""
    program = Program(root, JAVASCRIPT)
    tables = "".join(f"const {key} = {list(table)!r};\n" for key, table in program.tables.items())
    find = FIND if program.tables and any("find(" in line for line in program.lines) else ""
    variables = f"    let {', '.join(program.variables)};\n" if program.variables else ""
    comment = f"// {doc}\n" if doc else ""
    body = "\n".join(program.lines)
    return f"{tables}{find}{comment}function {name}(t) {{\n{variables}{body}\n}}\n"


def compiled(root: Node) -> Callable[[float], float]:
    """The printed Python as a function in this process. What is compiled is only what this file printed."""
    program = Program(root, PYTHON)
    source = "def schedule(t):\n" + "\n".join(program.lines)
    scope: dict[str, Any] = {"math": math, "bisect": bisect, **program.tables, **program.functions}
    exec(compile(source, "<learnrate formula>", "exec"), scope)  # noqa: S102 - our own text, never a person's
    function: Callable[[float], float] = scope["schedule"]
    return function
