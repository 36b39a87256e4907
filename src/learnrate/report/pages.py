"""The report of a comparison, and the page of a few schedules: one file each, which opens offline."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ..comparison import Comparison, Curve, Row
from ..errors import LearnrateError
from .charts import Chart, Values, canvas, decades, drawn_line, label, measured_axis, scale_of, tint
from .document import code_block, document, figure, swatch
from .palette import COLOURS, FAINT, QUIET
from .series import Series
from .words import interval, noise_size, number, percent, probability, standing

Columns = tuple[NDArray[Any], NDArray[Any]]


def comparison_page(comparison: Comparison, curves: Sequence[Curve]) -> str:
    """The report: verdict, final objectives, curves of objective, loss and rate, the table, and the code to paste."""
    by_name = {curve.name: curve for curve in curves}
    ordered = [by_name[row.name] for row in comparison.rows]
    objective = comparison.objective
    charts = {
        "final": _final(comparison),
        "objective": _over_time(ordered, objective, lambda c: (c.evaluated, c.objective), measured_axis),
        "loss": _over_time(ordered, "loss", lambda c: (c.averaged, c.loss), measured_axis),
        "rate": _over_time(ordered, "rate", lambda c: (c.update, c.rate), _rate_axis),
    }
    title = f"Which policy trains {comparison.task} best?"
    sections = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p id="verdict">{html.escape(comparison.verdict)}</p>',
        f'<p class="facts">{html.escape(_facts(comparison, ordered))}</p>',
        figure("final", f"Final {objective}", "One dot per seed; the bar is the mean with its interval."),
        "<h2>All policies</h2>",
        '<p class="facts">Press a colour to bring a policy out in the curves below, or to send it back.</p>',
        _table(comparison),
        '<div class="pair">',
        figure("objective", f"{objective} over the run", "Mean over the seeds."),
        figure("loss", "Training loss over the run", "Mean over the seeds, averaged over stretches of updates."),
        figure("rate", "Rate over the run", "As the optimizer used it, first seed."),
        "</div>",
        _code(comparison),
        _method(comparison),
    ]
    return document(title, "\n".join(sections), charts, comparison.to_json())


def schedule_page(series: Sequence[Series]) -> str:
    """Several schedules on one axis."""
    lines = [drawn_line(each.update.tolist(), each.value.tolist(), each.name, i, True) for i, each in enumerate(series)]
    layout = canvas("update", "rate")
    layout["yaxis"]["rangemode"] = "tozero"
    layout["height"] = 480
    keys = [swatch(i, each.name, True) + f" <code>{html.escape(each.name)}</code>" for i, each in enumerate(series)]
    listed = '<ul class="keys">' + "".join(f"<li>{key}</li>" for key in keys) + "</ul>"
    body = f"<h1>Rate over the updates</h1>\n{figure('schedules', '', '')}\n{listed}"
    return document("Rate over the updates", body, {"schedules": {"data": lines, "layout": layout}}, None)


def _final(comparison: Comparison) -> Chart:
    """Every seed's final objective as a dot, the means with their intervals as bars, the best on top."""
    rows = comparison.converged
    cells = [(row, seed, value) for row in rows for seed, value in zip(row.seeds, row.objectives, strict=True)]
    values = [value for _, _, value in cells if value is not None]
    log = scale_of(values) == "log"
    floor = min(values, default=0.0) / 2 if log else -math.inf  # a log axis has no room for bars that cross zero
    dots: Chart = {
        "x": [value for _, _, value in cells],
        "y": [label(row.name) for row, _, _ in cells],
        "text": [f"seed {seed}" for _, seed, _ in cells],
        "marker": {"size": 6, "color": QUIET},
        "hovertemplate": "%{y}<br>%{text}: %{x:.5g}<extra></extra>",
    }
    means: Chart = {
        "x": [row.mean for row in rows],
        "y": [label(row.name) for row in rows],
        "marker": {"size": 9, "symbol": "diamond", "color": [tint(i)[0] for i in range(len(rows))]},
        "hovertemplate": "%{y}<br>mean %{x:.5g}<extra></extra>",
    }
    spans = [(row.mean or 0.0, row.low, row.high) for row in rows]
    means["error_x"] = {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if high is None else high - mean for mean, _, high in spans],
        "arrayminus": [0.0 if low is None else mean - max(low, floor) for mean, low, _ in spans],
        "color": FAINT,
        "thickness": 1.5,
        "width": 0,
    }
    layout = canvas(comparison.objective, "")
    layout |= {"hovermode": "closest", "height": 90 + 24 * max(len(rows), 2)}
    layout["xaxis"] |= {"type": scale_of(values)} | decades(scale_of(values), 1.0)
    layout["yaxis"] |= {"autorange": "reversed", "showgrid": False}
    return {"data": [{"type": "scatter", "mode": "markers"} | each for each in (dots, means)], "layout": layout}


def _over_time(
    curves: Sequence[Curve], name: str, take: Callable[[Curve], Columns], axis: Callable[[Sequence[Values]], Chart]
) -> Chart:
    """One quantity over the updates for every policy."""
    points = [(x.tolist(), y.tolist()) for x, y in map(take, curves)]
    lines = [drawn_line(x, y, curves[i].name, i, i < len(COLOURS)) for i, (x, y) in enumerate(points)]
    layout = canvas("update", name)
    layout["xaxis"]["rangemode"] = "tozero"
    kept = [values for curve, (_, values) in zip(curves, points, strict=True) if curve.converged]
    layout["yaxis"] |= axis(kept or [values for _, values in points])  # a run that blew up must not set the range
    return {"data": lines[::-1], "layout": layout}  # the best is drawn last, on top


def _rate_axis(lines: Sequence[Values]) -> Chart:
    """Logarithmic where peaks lie far apart; schedules that end at zero then leave the chart below."""
    peaks = [max(line) for line in lines if len(line) and max(line) > 0]
    if not peaks or scale_of(peaks) != "log":
        return {"rangemode": "tozero"}
    low, high = math.log10(min(peaks)) - 1.5, math.log10(max(peaks)) + 0.1
    return {"type": "log", "range": [low, high]} | decades("log", high - low)


def _table(comparison: Comparison) -> str:
    objective = html.escape(comparison.objective)
    percent = f"{100 * comparison.level:g} %"
    heads = (
        *("", "policy", f"final {objective}", f"{percent} interval", "difference to the best", "its interval"),
        *("p (Holm)", "seconds", ""),
    )
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "\n".join(_table_row(row, i) for i, row in enumerate(comparison.rows))
    table = f'<table id="table"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _table_row(row: Row, index: int) -> str:
    gap = row.difference
    share = f" ({percent(gap)})" if gap and gap.base > 0 else ""
    cells = (
        number(row.mean),
        interval(row.low, row.high),
        f"{gap.mean:+.3g}{share}" if gap else "",
        interval(gap.low, gap.high) if gap else "",
        probability(gap.p) if gap else "",
        f"{row.seconds:.2f}",
    )
    tds = "".join(f'<td class="number">{text}</td>' for text in cells)
    name = f'<th scope="row"><span title="{html.escape(repr(row.policy))}">{html.escape(row.name)}</span></th>'
    note = f"<td>{html.escape(standing(row, index))}</td>"
    kind = "group" if row.tied else row.outcome
    return f'<tr class="{kind}"><td>{swatch(index, row.name, index < len(COLOURS))}</td>{name}{tds}{note}</tr>'


def _code(comparison: Comparison) -> str:
    best = comparison.best
    if best is None or best.policy is None:
        return ""
    claim = "the winner" if comparison.winner else "the best mean, not shown to be better than its group"
    try:
        source = best.policy.code("torch")
    except LearnrateError as reason:  # such as a user's own function, whose formula cannot be printed
        source = f"# {reason}\n{best.policy!r}"
    return f"<h2>Code for {html.escape(best.name)}</h2>\n<p>{claim.capitalize()}.</p>\n{code_block(source)}"


def _facts(comparison: Comparison, curves: Sequence[Curve]) -> str:
    better = "lower" if comparison.mode == "min" else "higher"
    updates = max((int(curve.update[-1]) + 1 for curve in curves if len(curve.update)), default=0)
    seeds = ", ".join(map(str, comparison.seeds))
    return (
        f"{len(comparison.rows)} policies, seeds {seeds}, {updates} updates a run; {comparison.objective}: {better} is "
        "better."
    )


_METHOD = """\
Runs of one seed start from the same weights and see the same batches; policies are compared within seeds. {noise}
The {level} interval of a mean uses that policy's own seeds. {scale} Each policy is judged against the best at the level
of Holm's step-down correction for the number of comparisons, and is called worse when its interval leaves out zero.
The best was picked by these same runs. A single winner that is no better than its rivals is named in at most {wrong} of
such comparisons; that some equally good policy is called worse happens more often when there are many."""
_SCALES = {
    "ratio": "Differences are tested as ratios, on a logarithmic scale: the noise of a loss grows with the loss.",
    "difference": "Differences are tested in the unit of the objective.",
}
_NOISE = (
    "The noise, {size} per run with {degrees}, is the residual of policy + seed, pooled over the "
    "policies that converged and taken to be equal for all of them."
)
_SILENCE = "With one seed there is no estimate of the noise, so no interval and no verdict."


def _degrees(number: int) -> str:
    return "1 degree of freedom" if number == 1 else f"{number} degrees of freedom"


def _method(comparison: Comparison) -> str:
    known = comparison.noise is not None
    level, wrong = (f"{100 * share:.3g} %" for share in (comparison.level, 1 - comparison.level))
    noise = _NOISE.format(size=noise_size(comparison), degrees=_degrees(comparison.degrees)) if known else _SILENCE
    text = _METHOD.format(level=level, wrong=wrong, noise=noise, scale=_SCALES[comparison.scale])
    return f"<h2>How to read this</h2>\n<p>{html.escape(text)}</p>"
