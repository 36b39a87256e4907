"""What Plotly's charts have in common: lines, axes and their scales, as plain data."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from .palette import COLOURS, DASHES, QUIET

_LOG_FROM = 5.0  # a positive quantity that spans more than this factor is read on a log scale
_MARKED = 20  # a curve of at most so many points shows them
_CLEAR = "rgba(0,0,0,0)"

Chart = dict[str, Any]
Values = Sequence[float]


def drawn_line(x: Values, y: Values, name: str, index: int, bright: bool) -> Chart:
    """One curve; `index` says which colour it has, and which swatch brings it out."""
    colour, dash = tint(index)
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > _MARKED else "lines+markers",  # one point makes no line
        "name": label(name),
        "x": x,
        "y": [value if math.isfinite(value) else None for value in y],
        "meta": {"index": index, "colour": colour},
        "line": {"color": colour if bright else QUIET, "width": 2.2 if bright else 1, "dash": dash},
        "opacity": 1 if bright else 0.5,
        "hoverinfo": "all" if bright else "skip",
        "hovertemplate": "%{y:.4g}",
    }


def measured_axis(lines: Sequence[Values]) -> Chart:
    """A range that holds every finite value; logarithmic where they are positive and span a lot."""
    values = [value for line in lines for value in line if math.isfinite(value)]
    if not values:
        return {}
    scale = scale_of(values)
    low, high = (math.log10(end) if scale == "log" else end for end in (min(values), max(values)))
    pad = 0.05 * (high - low) or 0.1
    return {"type": scale, "range": [low - pad, high + pad]} | decades(scale, high - low)


def decades(scale: str, span: float) -> Chart:
    """Ticks at the decades once there are a few of them, else at their 1, 2 and 5."""
    if scale == "linear":
        return {}
    return {"dtick": 1} if span > 1.5 else {"dtick": "D2", "tickformat": "~g"}  # without a format 0.5 reads "5"


def scale_of(values: Sequence[float]) -> str:
    """Plotly's word for the axis on which these values are read: "log" or "linear"."""
    return "log" if values and min(values) > 0 and max(values) > _LOG_FROM * min(values) else "linear"


def canvas(x: str, y: str) -> Chart:
    """The layout of a chart with these titles on its axes."""
    return {
        "xaxis": _axis(x) | {"exponentformat": "none", "nticks": 8},
        "yaxis": _axis(y) | {"exponentformat": "e"},
        "margin": {"l": 60, "r": 16, "t": 8, "b": 44},
        "hovermode": "x unified",
        "showlegend": False,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "height": 340,
    }


def _axis(title: str) -> Chart:
    return {"title": {"text": label(title)}, "zeroline": False, "automargin": True}


def tint(index: int) -> tuple[str, str]:
    """The colour and the dash of the curve of that number."""
    return COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)][1]


def label(name: str) -> str:
    """Plotly reads a little HTML in its labels; a name is never markup."""
    return html.escape(name, quote=False)
