"""Print a graph of nodes as LaTeX: one expression, with its named parts and tables defined behind it."""

from __future__ import annotations

import math

from .expression import Node, uses
from .namespace import Table

SUM, TERM, SIGN, POWER, ATOM = 1, 2, 3, 4, 5
SHOWN = 8
"""Entries of a table that are written out; longer ones are cut in the middle."""

LONG = 60
"""Characters beyond which a part that is used more than once gets a name."""

GREEK = {
    name: f"\\{name}"
    for name in ("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "lambda", "mu", "sigma", "tau")
}

FUNCTIONS = {"cos": "\\cos", "sin": "\\sin", "tanh": "\\tanh", "log": "\\ln"}


def latex(root: Node, name: str = "\\eta(t)") -> str:
    """`\\eta(t) = ...` with definitions of its named parts after `\\quad`."""
    writer = _Writer(root)
    body = writer.text(root)[0]
    return ",\\quad ".join([f"{name} = {body}", *writer.definitions])


def latex_number(value: float) -> str:
    """A number as a person writes it: `3 \\cdot 10^{-4}`."""
    if value == math.pi:
        return "\\pi"
    text = repr(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        text = str(int(value))
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else f"{mantissa} \\cdot {power}"


class _Writer:
    def __init__(self, root: Node) -> None:
        self._uses = uses(root)
        self.definitions: list[str] = []
        self._known: dict[Node, tuple[str, int]] = {}
        self._names: set[str] = {"t"}
        self._tables: dict[Table, str] = {}

    def text(self, node: Node) -> tuple[str, int]:
        """The node's code and how tightly it binds. Iterative: a sum of 1000 schedules is 1000 deep."""
        pending = [node]
        while pending:
            first = pending[-1]
            missing = [] if first in self._known else [part for part in first.children() if part not in self._known]
            if not missing:
                self._remember(pending.pop())
            pending += reversed(missing)
        return self._known[node]

    def _remember(self, node: Node) -> None:
        if node not in self._known:
            code, level = self._write(node)
            if self._uses[node] > 1 and len(code) > LONG:  # named, or shared parts would be written out again and again
                code, level = self._define("v", code), ATOM
            self._known[node] = code, level

    def within(self, node: Node, level: int) -> str:
        code, own = self.text(node)
        return code if own >= level else f"\\left({code}\\right)"

    def _write(self, node: Node) -> tuple[str, int]:
        op, args = node.op, node.args
        if op == "num":
            code = latex_number(args[0])
            return code, SIGN if code.startswith("-") else TERM if "\\cdot" in code else POWER if "^" in code else ATOM
        if op == "sym":
            return args[0], ATOM
        if op == "narrow":
            return self.text(args[0])
        if op == "let":
            return self._define(args[0], self.text(args[1])[0]), ATOM
        if op in "+-" and len(args) == 2:
            right = self.within(args[1], SUM if op == "+" else TERM)
            return f"{self.within(args[0], SUM)} {op} {right}", SUM
        if op == "*":
            return f"{self.within(args[0], TERM)} \\cdot {self.within(args[1], TERM)}", TERM
        if op == "/":
            return f"\\frac{{{self.text(args[0])[0]}}}{{{self.text(args[1])[0]}}}", POWER
        if op == "**":
            return f"{self.within(args[0], ATOM)}^{{{self.text(args[1])[0]}}}", POWER
        if op == "neg":
            return f"-{self.within(args[0], TERM)}", SIGN
        return self._function(node)

    def _function(self, node: Node) -> tuple[str, int]:
        op, args = node.op, node.args
        if op in FUNCTIONS:
            return f"{FUNCTIONS[op]}\\left({self.text(args[0])[0]}\\right)", ATOM
        if op == "exp":
            return f"e^{{{self.text(args[0])[0]}}}", POWER
        if op in ("min", "max"):
            return f"\\{op}\\left({self.text(args[0])[0]}, {self.text(args[1])[0]}\\right)", ATOM
        if op in ("sqrt", "floor", "abs"):
            opening, closing = {
                "sqrt": ("\\sqrt{", "}"),
                "floor": ("\\left\\lfloor ", " \\right\\rfloor"),
                "abs": ("\\left|", "\\right|"),
            }[op]
            return f"{opening}{self.text(args[0])[0]}{closing}", ATOM
        if op in ("<", "<=", ">", ">="):
            sign = {"<": "<", "<=": "\\le", ">": ">", ">=": "\\ge"}[op]
            return f"{self.text(args[0])[0]} {sign} {self.text(args[1])[0]}", 0
        if op == "where":
            condition, yes, no = (self.text(arg)[0] for arg in args)
            return self._cases([(yes, condition), (no, "\\text{otherwise}")]), ATOM
        if op == "piece":
            return self._piece(node), ATOM
        if op == "find":
            return self._index(node), ATOM
        return f"{self._table(args[0])}_{{{self.text(args[1])[0]}}}", ATOM

    def _cases(self, rows: list[tuple[str, str]]) -> str:
        body = " \\\\ ".join(f"{value} & {condition}" for value, condition in rows)
        return f"\\begin{{cases}} {body} \\end{{cases}}"

    def _piece(self, node: Node) -> str:
        t, edges, *values = node.args
        time = self.text(t)[0]
        conditions = [f"{time} < {latex_number(edge)}" for edge in edges] + ["\\text{otherwise}"]
        return self._cases([(self.text(v)[0], c) for v, c in zip(values, conditions, strict=True)])

    def _index(self, node: Node) -> str:
        t, table = node.args
        name = self._table(table)
        return self._define("k", f"\\max\\{{i : {name}_i \\le {self.text(t)[0]}\\}}")

    def _define(self, name: str, code: str) -> str:
        name = GREEK.get(name, name if len(name) == 1 else f"\\mathrm{{{name}}}")
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}_{{{count}}}"
        self._names.add(unique)
        self.definitions.append(f"{unique} = {code}")
        return unique

    def _table(self, table: Table) -> str:
        if table not in self._tables:
            entries = [latex_number(x) for x in table]
            if len(entries) > SHOWN:
                entries = [*entries[: SHOWN // 2], "\\dots", *entries[-SHOWN // 2 :]]
            self._tables[table] = self._define(f"T_{len(self._tables) + 1}", f"({', '.join(entries)})")
        return self._tables[table]
