"""Figures for notebooks and papers, drawn with Matplotlib without touching pyplot's state."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from .palette import COLOURS, DASHES
from .series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIGURE = (7.0, 3.6)  # inches
_LONGEST_NAME = 70


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A Matplotlib figure that shows itself in a notebook; `figure` is there to be changed further."""

    figure: Figure

    def render(self, kind: str) -> bytes:
        """The file's content: `kind` is "png", "svg" or "pdf"."""
        import matplotlib

        date = {"pdf": "CreationDate", "svg": "Date"}.get(kind)
        stream = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "learnrate"}):  # the same curve gives the same file
            self.figure.savefig(stream, format=kind, dpi=160, metadata={date: None} if date else None)
        return stream.getvalue()

    def _repr_svg_(self) -> str:
        return self.render("svg").decode()


def blank() -> tuple[Figure, Axes]:
    """A new figure with an empty axis."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtra("matplotlib", "plot") from None
    canvas = Figure(figsize=_FIGURE, layout="constrained")
    return canvas, canvas.add_subplot()


def figure(curves: Sequence[Series]) -> Picture:
    """A new figure with every curve on one axis."""
    canvas, ax = blank()
    lines(ax, curves)
    return Picture(canvas)


def lines(ax: Axes, curves: Sequence[Series]) -> Axes:
    """The curves on an axis you already have; gives the axis back."""
    for index, curve in enumerate(curves):
        style: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)][0]}
        ax.plot(curve.update, curve.value, label=_short(curve.name), linewidth=1.8, **style)
    ax.set_xlabel("update")
    ax.set_ylabel("rate")
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
    if min(float(curve.value.min()) for curve in curves) >= 0:
        ax.set_ylim(bottom=0)
    if len(curves) > 1:
        ax.legend(frameon=False, fontsize="small", loc="best")
    else:
        ax.set_title(_short(curves[0].name), fontsize="medium", loc="left", family="monospace")
    return ax


def _short(name: str) -> str:
    text = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
    return text.replace("$", r"\$")  # a dollar sign starts a formula
