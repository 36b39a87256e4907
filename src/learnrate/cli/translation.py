"""`convert`, `explain` and `lint`: schedules between libraries, where they differ, and what is probably not meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..differences import explain
from ..errors import UsageError
from ..findings import Finding
from ..interop import Reading, write
from ..interop.writing import CONFIGS
from ..linting import lint
from ..schedule import Schedule
from .catalogue import FINE, NO
from .streams import lay, say, write_json
from .subjects import load, only

_AROUND = 3
"""How many updates are shown on both sides of the first difference."""

_COLOURS = {"error": "red", "warning": "yellow"}


def convert(
    subject: str, target: str, updates: int | None, hints: dict[str, Any], out: Console, err: Console, as_json: bool
) -> int:
    """Source for another library on standard output; what a config cannot hold as a comment goes to standard error."""
    reading = load(subject, updates=updates, **hints)
    schedule = only(reading, subject)
    if updates is not None:
        schedule = schedule.over(updates)
    try:
        says, source = _written(schedule, target, {} if updates is None else {"updates": updates})
    except UsageError as error:  # a config format that cannot say it: the answer is no
        err.print(Text(str(error)), soft_wrap=True)
        return NO
    if as_json:
        facts = {"from": repr(schedule), "to": target, "says": says, "code": source, "update": reading.update}
        write_json(out, facts)
    elif target in CONFIGS:
        err.print(Text(says), soft_wrap=True)
        out.file.write(source.rstrip("\n") + "\n")
    else:
        if reading.update:
            said = f"it has made {reading.update:,} updates; the code starts at update 0, not there"
            err.print(Text(said), soft_wrap=True)
        out.file.write(f"# {says}\n{source}".rstrip("\n") + "\n")
    return FINE


def _written(schedule: Schedule, target: str, context: dict[str, Any]) -> tuple[str, str]:
    """What it is, and the source."""
    if target in CONFIGS:
        made = write(schedule, to=target, **context)
        return made.says, made.code
    says, _, source = write(schedule, to=target, code=True, **context).partition("\n")
    return says.removeprefix("# "), source


def show_difference(a: str, b: str, updates: int | None, out: Console, as_json: bool) -> int:
    """Where two schedules differ and why; the exit code is 1 when they do, as `diff` has it."""
    first, second = (only(load(subject, updates=updates), subject) for subject in (a, b))
    if updates is not None:
        first, second = first.over(updates), second.over(updates)
    finding = explain(first, second, updates)
    same = finding.name == "the same"
    if as_json:
        write_json(out, finding.to_json() | {"a": repr(first), "b": repr(second)})
    else:
        say(out, f"a = {first!r}\nb = {second!r}\n")
        if not same:
            _around(first, second, finding, out)
        say(out, f"{finding.name}: {finding.advice}", "bold")
    return FINE if same else NO


def _around(a: Schedule, b: Schedule, finding: Finding, out: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("update", "a", "b", "b - a"):
        table.add_column(column, justify="right")
    first, worst, count = (int(finding.evidence[key]) for key in ("first update", "at update", "updates"))
    shown = np.arange(max(first - _AROUND, 0), min(first + _AROUND + 1, count))
    for update in np.union1d(shown, [worst]).tolist():
        x, y = float(a(update)), float(b(update))
        mark = " <- first" * (update == first) + " <- largest" * (update == worst)
        table.add_row(str(update), f"{x:.6g}", f"{y:.6g}", f"{y - x:.3g}", Text(mark.strip(), style="dim"))
    lay(out, table)
    out.print()


def show_lint(
    subject: str, updates: int | None, use: dict[str, Any], hints: dict[str, Any], out: Console, as_json: bool
) -> int:
    """Findings, one line each; the exit code is 1 when one of them is an error."""
    reading = load(subject, updates=updates, **hints)
    findings = lint(_bound(reading, updates), updates, **use)
    if as_json:
        found = [finding.to_json() for finding in findings]
        write_json(out, {"subject": subject, "update": reading.update, "findings": found})
    else:
        _report(findings, out)
    return NO if any(finding.severity == "error" for finding in findings) else FINE


def _bound(reading: Reading, updates: int | None) -> Any:
    """The reading with an expression such as `Linear(0, 1, "5%") >> Cosine(1)` bound to the run."""
    if updates is None or not isinstance(reading.schedule, Schedule) or reading.notes:
        return reading
    return reading.schedule.over(updates)


def _report(findings: Sequence[Finding], out: Console) -> None:
    if not findings:
        say(out, "nothing to report")
    for finding in findings:
        say(out, str(finding), _COLOURS.get(finding.severity, ""))
