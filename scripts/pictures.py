"""The pictures of the documentation: SVG written out by hand, the same bytes on every machine.

Coordinates are rounded to a hundredth of a pixel, nudged first so that a value in the middle between two of them goes
the same way whatever the last digit of a cosine is. Points that a straight line passes anyway are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from learnrate.schedule import Schedule

Point = tuple[float, float]

SAMPLES = 320
TOLERANCE = 0.12  # pixels that a left-out point may lie beside the line
NUDGE = 1e-7

STYLE = (
    "<style>"
    ".c{fill:none;stroke:#2563eb;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
    ".a{stroke:#d0d7de;stroke-width:1}"
    "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;fill:#57606a}"
    "@media(prefers-color-scheme:dark){.c{stroke:#79a8ff}.a{stroke:#3d444d}text{fill:#9198a1}}"
    "</style>"
)


def thumbnail(schedule: Schedule, updates: float, width: int = 200, height: int = 90) -> str:
    """One schedule over `updates` updates, without words."""
    return _document(width, height, _panel(schedule, updates, 0, 0, width, height))


def sheet(schedules: Mapping[str, tuple[Schedule, float]], columns: int = 8) -> str:
    """Many schedules in rows, each over its own number of updates, with their names below."""
    width, height, label = 118, 56, 24
    parts = []
    for index, (name, (schedule, updates)) in enumerate(schedules.items()):
        x, y = index % columns * width, index // columns * (height + label)
        parts.append(_panel(schedule, updates, x, y, width, height))
        place = f'x="{_text(x + width / 2)}" y="{y + height + 10}"'
        parts.append(f'<text {place} font-size="9.5" text-anchor="middle">{escape(name)}</text>')
    rows = math.ceil(len(schedules) / columns)
    return _document(columns * width, rows * (height + label), "\n".join(parts))


def path(times: Iterable[float], values: Iterable[float]) -> str:
    """The `d` attribute of a polyline through points given in pixels."""
    kept = simplified([(_rounded(x), _rounded(y)) for x, y in zip(times, values, strict=True)])
    return "M" + "L".join(f"{_text(x)} {_text(y)}" for x, y in kept)


def simplified(points: Sequence[Point]) -> list[Point]:
    """The points without those that lie on the line between the kept ones (Douglas and Peucker, 1973)."""
    keep = {0, len(points) - 1}
    pending = [(0, len(points) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        far = max(range(first + 1, last), key=lambda index: _beside(points[index], points[first], points[last]))
        if _beside(points[far], points[first], points[last]) > TOLERANCE:
            keep.add(far)
            pending += [(first, far), (far, last)]
    return [points[index] for index in sorted(keep)]


def _beside(point: Point, first: Point, last: Point) -> float:
    """How far a point is from the segment, measured upright, which is what the eye sees in a curve over time."""
    share = (point[0] - first[0]) / (last[0] - first[0])
    return abs(point[1] - (first[1] + share * (last[1] - first[1])))


def _panel(schedule: Schedule, updates: float, x: float, y: float, width: float, height: float) -> str:
    margin = 8.0
    times = np.linspace(0.0, 1.0, SAMPLES + 1)
    values = schedule(times * updates)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0) or 1.0
    across = x + margin + times * (width - 2 * margin)
    down = y + margin + (high - values) / (high - low) * (height - 2 * margin)
    floor = _text(_rounded(y + margin + high / (high - low) * (height - 2 * margin)))
    axis = f'<line class="a" x1="{_text(x + margin)}" y1="{floor}" x2="{_text(x + width - margin)}" y2="{floor}"/>'
    return f'{axis}\n<path class="c" d="{path(across.tolist(), down.tolist())}"/>'


def _rounded(pixels: float) -> float:
    return round(pixels + NUDGE, 2)


def _text(pixels: float) -> str:
    return f"{pixels:.2f}".rstrip("0").rstrip(".")


def _document(width: float, height: float, body: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return f"{head}\n{STYLE}\n{body}\n</svg>\n"
