"""A schedule drawn with Braille characters: two by four dots in every character cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..schedule import Schedule
from .series import sample

# The bit of each dot in the Unicode Braille block, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SAMPLES = 8  # values looked at in each column of dots, so that a short spike is not missed


def draw(schedule: Schedule, width: int = 72, height: int = 12, updates: int | None = None, plain: bool = False) -> str:
    """The curve as text, `width` characters wide and `height` lines high, plus two lines for the axis.

    `plain` draws with ASCII characters, for terminals that have no Braille. An unbound schedule is bound to `updates`.
    Raises `ParameterError` for a drawing too small to read.
    """
    if width < 24 or height < 3:
        raise ParameterError(f"a drawing must be at least 24 characters wide and 3 high, got {width} x {height}")
    series = sample(schedule, updates, points=width * 2 * _SAMPLES)[0]
    last = series.update[-1]
    low, high = _limits(series.value)
    top, bottom = f"{high:.4g}", f"{low:.4g}"
    margin = max(len(top), len(bottom))
    columns = width - margin - 2
    dots = _rasterize(series.update / last, (series.value - low) / (high - low), columns, height)
    lines = _ascii(dots) if plain else _braille(dots)
    tick, bar, corner, dash = ("+", "|", "+", "-") if plain else ("┤", "│", "└", "─")
    labels = {0: top, height - 1: bottom}
    body = [f"{labels.get(i, ''):>{margin}} {tick if i in labels else bar}{line}" for i, line in enumerate(lines)]
    end = f"{last:.0f}"
    axis = " " * (margin + 1) + corner + dash * columns
    return "\n".join([*body, axis, " " * (margin + 2) + "0" + "update".center(columns - 1 - len(end)) + end])


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """From zero where the curve comes near it, so that heights can be compared; never an empty range."""
    low, high = float(values.min()), float(values.max())
    if 0 < low < high / 2 or low == high > 0:
        low = 0.0
    return low, high if high > low else low + 1.0


def _rasterize(x: NDArray[np.float64], y: NDArray[np.float64], columns: int, rows: int) -> NDArray[np.bool_]:
    """Dots on a grid of 4 * rows by 2 * columns, row 0 on top; a column is filled along the curve's way through it."""
    across, down = 2 * columns, 4 * rows
    dots = np.zeros((down, across), dtype=bool)
    column = np.minimum((x * across).astype(int), across - 1)
    level = np.round(y * (down - 1)).astype(int)
    dots[down - 1 - level, column] = True
    for i in range(1, len(level)):
        a, b = sorted((int(level[i - 1]), int(level[i])))
        left, right = int(column[i - 1]), int(column[i])
        if right - left <= 1:
            dots[down - 1 - b : down - a, right] |= b - a > 1
            continue
        between = np.arange(left, right + 1)
        line = np.round(np.interp(between, [left, right], [level[i - 1], level[i]])).astype(int)
        dots[down - 1 - line, between] = True
    return dots


def _braille(dots: NDArray[np.bool_]) -> list[str]:
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    cells = dots.reshape(rows, 4, columns, 2)
    codes = np.tensordot(cells, np.array(_DOTS), axes=((1, 3), (0, 1)))
    return ["".join(chr(0x2800 + int(code)) if code else " " for code in row).rstrip() for row in codes]


def _ascii(dots: NDArray[np.bool_]) -> list[str]:
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    cells: NDArray[np.bool_] = np.asarray(dots.reshape(rows, 4, columns, 2).any(axis=(1, 3)))
    return ["".join("*" if cell else " " for cell in row).rstrip() for row in cells]
