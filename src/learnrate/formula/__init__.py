"""Formulas written once: computed on arrays, or run on symbols and printed as LaTeX, JavaScript and Python."""

from .counting import Count, Counting, Integers
from .expression import Node, Symbols
from .latex import latex, latex_number
from .namespace import EXPONENT_LIMIT, LATEST, Arrays, Memory, Namespace, Part, Table
from .program import compiled, javascript, python

__all__ = [
    "EXPONENT_LIMIT",
    "LATEST",
    "Arrays",
    "Count",
    "Counting",
    "Integers",
    "Memory",
    "Namespace",
    "Node",
    "Part",
    "Symbols",
    "Table",
    "compiled",
    "javascript",
    "latex",
    "latex_number",
    "python",
]
