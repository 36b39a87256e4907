"""The curve of a range test with what every rule reads off it, as a picture or as a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..finder.sweep import RangeTest
from .charts import canvas, drawn_line, measured_axis, tint
from .document import document, figure
from .figures import Picture, blank
from .palette import COLOURS, DASHES, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picture(test: RangeTest) -> Picture:
    """Loss against rate, one vertical line per rule."""
    canvas_, ax = blank()
    _curve(ax, test)
    for index, (name, at) in enumerate(marks(test)):
        style = DASHES[index % len(DASHES)][0]
        ax.axvline(at, label=f"{name} {at:.3g}", color=COLOURS[index % len(COLOURS)], linestyle=style, linewidth=1.2)
    if marks(test):
        ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Picture(canvas_)


def _curve(ax: Axes, test: RangeTest) -> None:
    finite = np.isfinite(test.losses) & (test.rates > 0)
    ax.plot(test.rates[finite], test.losses[finite], color=QUIET, linewidth=1.6)
    ax.set_xscale("log")
    axis = measured_axis([test.losses[finite].tolist()])
    ax.set_yscale(axis.get("type", "linear"))
    ax.set_xlabel("rate")
    ax.set_ylabel("loss")
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def page(test: RangeTest) -> str:
    """The same as a page that opens offline."""
    layout = canvas("rate", "loss") | {"hovermode": "closest", "height": 520, "showlegend": True}
    layout["xaxis"] |= {"type": "log", "tickformat": ".0e", "tickangle": 0}
    axis = measured_axis([test.losses.tolist()])
    layout["yaxis"] |= axis
    low, high = axis.get("range", (0.0, 1.0))
    ends = [10**end if axis.get("type") == "log" else end for end in (low, high)]
    curve = drawn_line(test.rates.tolist(), test.losses.tolist(), "loss", 0, True)
    curve["line"] = {"color": QUIET, "width": 2}
    lines = [curve]
    for index, (name, at) in enumerate(marks(test)):
        line = drawn_line([at, at], ends, f"{name} {at:.3g}", index, True) | {"mode": "lines", "hoverinfo": "name"}
        line["line"]["color"] = tint(index)[0]
        lines.append(line)
    title = f"Range test of {test.trace.meta.get('task', 'a task')}"
    body = f"<h1>{html.escape(title)}</h1>\n{figure('sweep', '', 'What each rule reads; none knows the schedule.')}"
    return document(title, body, {"sweep": {"data": lines, "layout": layout}}, None)


def marks(test: RangeTest) -> Sequence[tuple[str, float]]:
    """Every rate that a rule names; a pair as two."""
    found: list[tuple[str, float]] = []
    for name, read in test.suggestions.items():
        if isinstance(read, tuple):
            found += [(f"{name} low", read[0]), (f"{name} high", read[1])]
        elif read is not None and read > 0:
            found.append((name, read))
    return found
