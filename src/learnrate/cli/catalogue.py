"""`learnrate list` and `learnrate show`: the catalogue, and one schedule looked at from all sides."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import report
from ..errors import UnboundError
from ..feedback import RULES
from ..findings import Finding
from ..linting import horizon
from ..schedule import SCHEDULES, Schedule
from ..spec import REQUIRED, Declared, Registry, signature
from ..tasks import TASKS
from .lineup import CONTENDERS
from .lineup import SCHEDULES as DEFAULTS
from .streams import lay, say, write_json

FINE, NO = 0, 1
_REGISTRIES: dict[str, Registry[Any]] = {"schedules": SCHEDULES, "rules that listen to a metric": RULES}
_LOOKED_AT, _BLOCK = 10_000_000, 1 << 20
_LEFT_OUT = f"peak and area are left out above {_LOOKED_AT} updates"
_SHOWN = 11  # values of a schedule, from its first update to its last


def show_all(out: Console, as_json: bool) -> None:
    """Every schedule and every rule that listens, with their signatures; and what `compare` knows."""
    if as_json:
        found = {kind: [_described(name, registry) for name in registry] for kind, registry in _REGISTRIES.items()}
        write_json(out, found | {"tasks": list(TASKS), "policies": list(DEFAULTS)})
        return
    for title, registry in _REGISTRIES.items():
        table = Table(title=title.capitalize(), title_justify="left", box=None, pad_edge=False, show_header=False)
        for name in registry:
            table.add_row(Text(signature(registry[name]), style="bold"), Text(_sentence(registry[name])))
        lay(out, table)
        out.print()
    peaks = ", ".join(f"{each.name} at {each.peak:g}" for each in CONTENDERS.values())
    say(out, f"Tasks of compare: {', '.join(TASKS)}, or path/to/file.py:name")
    say(out, f"Policies of compare ({peaks}): {', '.join(DEFAULTS)}")
    say(out, "One schedule in full: learnrate list NAME")


def show_entry(name: str, out: Console, as_json: bool) -> None:
    """One schedule or rule with every parameter; raises `UnknownName` that lists the known ones."""
    registry: Registry[Any] = RULES if name in RULES else SCHEDULES
    entry = registry[name]
    if as_json:
        write_json(out, _described(name, registry))
        return
    say(out, signature(entry), "bold")
    say(out, "\n" + (inspect.getdoc(entry) or ""))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("parameter", "symbol", "unit", "rule", "default", "what it is"):
        table.add_column(head)
    for row in _described(name, registry)["parameters"]:
        default = "" if "default" not in row else repr(row["default"])
        cells = (row["name"], row["symbol"], row["unit"], row["rule"], default, row["help"])
        table.add_row(*(Text(cell) for cell in cells))
    out.print()
    lay(out, table)


def show_schedule(schedule: Schedule, updates: int | None, out: Console, as_json: bool) -> int:
    """Values, LaTeX, area, lint findings and a drawing; the exit code is 1 when a finding is an error."""
    last = _horizon(schedule, updates)
    bound = _bound(schedule, last)
    at = np.unique(np.linspace(0, last, min(_SHOWN, last + 1)).round())
    values = {int(t): float(value) for t, value in zip(at, bound(at), strict=True)}
    findings: list[Finding] = bound.lint(updates=last)
    if as_json:
        peak, area = _sums(bound, last) or (None, None)
        facts = {"schedule": repr(bound), "updates": last, "area": area, "peak": peak}
        shown = {"values": values, "latex": bound.latex(), "findings": [finding.to_json() for finding in findings]}
        write_json(out, facts | shown)
    else:
        _picture(bound, last, values, findings, out)
    return NO if any(finding.severity == "error" for finding in findings) else FINE


def _picture(bound: Schedule, last: int, values: dict[int, float], findings: Sequence[Finding], out: Console) -> None:
    say(out, repr(bound), "bold")
    say(out, "")
    plain = "utf" not in (out.encoding or "").lower()
    out.print(Text(report.draw(bound, min(max(out.width, 24), 80), 12, last, plain)), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("update", justify="right")
    table.add_column("rate", justify="right")
    for t, value in values.items():
        table.add_row(str(t), f"{value:.6g}")
    out.print()
    lay(out, table)
    sums = _sums(bound, last)
    said = "peak {:.6g}, area (sum of the rates) {:.6g}".format(*sums) if sums else _LEFT_OUT
    say(out, f"\nover {last} updates: {said}")
    say(out, f"\n{bound.latex()}")
    say(out, "\nlint: nothing to report" if not findings else "\nlint:")
    for finding in findings:
        say(out, f"  {finding}", {"error": "red", "warning": "yellow"}.get(finding.severity, ""))


def _bound(schedule: Schedule, last: int) -> Schedule:
    try:
        return schedule.over(last)
    except UnboundError as error:
        fact, hint, unit = str(error).partition("; bind with .over(total, ")
        if not hint:
            raise
        name = unit.partition("=")[0]
        raise UnboundError(f"{fact}; write (EXPR).over({last}, {name}=N) as the expression, with your own N") from None


def _sums(schedule: Schedule, last: int) -> tuple[float, float] | None:
    """The highest rate and the area of updates 0 .. last - 1; None where there are too many to look at each."""
    if last > _LOOKED_AT:
        return None
    blocks = [schedule(np.arange(i, min(i + _BLOCK, last))) for i in range(0, last, _BLOCK)]
    return max(float(block.max()) for block in blocks), schedule.area(last)


def _horizon(schedule: Schedule, updates: int | None) -> int:
    if updates is not None:
        return updates
    if not schedule.bound:
        raise UnboundError(f"{schedule!r} has no length yet; say how long the run is: --updates N")
    end = horizon(schedule)
    if end is None:
        raise UnboundError(f"{schedule!r} goes on for ever; say how far to look: --updates N")
    return max(end, 1)


def _described(name: str, registry: Registry[Any]) -> dict[str, Any]:
    entry: type[Declared] = registry[name]
    defaults = entry._defaults
    parameters = [
        {"name": key, "symbol": kind.symbol, "unit": kind.unit, "rule": kind.bounds, "help": kind.help}
        | ({} if defaults.get(key, REQUIRED) is REQUIRED else {"default": defaults[key]})
        for key, kind in entry.kinds.items()
    ]
    return {"name": name, "what": _sentence(entry), "signature": signature(entry), "parameters": parameters}


def _sentence(entry: type) -> str:
    return (inspect.getdoc(entry) or "").split("\n\n")[0].replace("\n", " ")
