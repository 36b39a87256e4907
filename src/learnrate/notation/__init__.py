"""Text and JSON forms, read back without running anything they say.

The text form is what `repr` prints: a small part of Python's own grammar, with Python's precedence. Its reader knows
registered names, the methods of the algebra, the operators `>>`, `+` and `*`, and literals; whatever else is in the
text is refused with its position and the reason. The JSON form is `{"type": "Cosine", "start": 0.0003, ...}`, every
parameter by its name. Both readers bound depth and work before they spend them, so that text and files from strangers
are safe to read.
"""

from __future__ import annotations

from .data import dumps, from_json, loads, to_json
from .text import parse

__all__ = ["dumps", "from_json", "loads", "parse", "to_json"]
