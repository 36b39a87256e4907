"""`learnrate compare`: make the runs, show how far they are, and say what they showed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import report
from ..comparison import Comparison, compare, curves
from ..errors import UsageError
from ..policy import Policy
from ..report.words import interval, number, percent, probability, standing
from ..runs import Task
from ..tasks import find
from ..trace import Trace, save_traces
from .lineup import lineup
from .text import policies
from .workers import Job, Progress, execute

FINE, NO, INTERRUPTED = 0, 1, 130


@dataclasses.dataclass(frozen=True)
class Contest:
    """What was asked for on the command line."""

    task: str
    expressions: tuple[str, ...]
    optimizers: tuple[str, ...]
    seeds: range
    updates: int | None
    workers: int
    report: Path | None
    save: Path | None
    as_json: bool


def hold(contest: Contest, out: Console, err: Console) -> int:
    """Run it all and return the exit code."""
    task = find(contest.task)
    _check_files(contest)
    jobs = _jobs(contest, task)
    with _display(err, len(jobs), contest.as_json) as watch:
        progress = execute(contest.task, jobs, contest.workers, watch)
    traces = {name: list(runs) for name, runs in _by_name(progress).items()}
    if progress.interrupted:
        _say(err, f"interrupted: {len(progress.traces)} of {len(jobs)} runs were finished and are kept")
    if not traces:
        return INTERRUPTED
    if contest.save:
        save_traces(contest.save, [trace for runs in traces.values() for trace in runs])
        _say(err, f"traces: {contest.save}")
    comparison = compare(traces, mode=task.mode)
    if contest.as_json:
        out.file.write(json.dumps(comparison.to_json() | {"interrupted": progress.interrupted}, indent=2) + "\n")
    else:
        _show(comparison, out)
    if contest.report:
        report.page(comparison, curves(traces, task.objective), contest.report)
        _say(err, f"report: {contest.report}")
    if progress.interrupted:
        return INTERRUPTED
    return FINE if comparison.best else NO


def _check_files(contest: Contest) -> None:
    """What would only fail after all the runs fails before them."""
    for path in (contest.report, contest.save):
        if path and not path.absolute().parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no folder {path.absolute().parent}")
        if path and path.is_dir():
            raise UsageError(f"cannot write {path}: it is a folder")
    if contest.report:
        report.check_plotly()


def workers() -> int:
    """How many processes to use unless told otherwise: two, or one where there is one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)


def _jobs(contest: Contest, task: Task) -> list[Job]:
    """Seed by seed, so that whatever is finished when someone loses patience is paired."""
    updates = task.updates if contest.updates is None else contest.updates
    named: dict[str, Policy] = (
        policies(contest.expressions, contest.optimizers)
        if contest.expressions
        else lineup(updates, task.mode, contest.optimizers)
    )
    for policy in named.values():
        policy.over(updates, **task.units)  # a length that does not fit is said before anything is run
    return [Job(name, policy, seed, updates) for seed in contest.seeds for name, policy in named.items()]


def _by_name(progress: Progress) -> dict[str, list[Trace]]:
    """The finished traces of each policy, whatever order they came in; their names go into the saved file."""
    found: dict[str, list[Trace]] = {}
    for index in sorted(progress.traces):
        name, trace = progress.jobs[index].name, progress.traces[index]
        found.setdefault(name, []).append(trace.replace(meta={**trace.meta, "name": name}))
    return found


@contextlib.contextmanager
def _display(err: Console, total: int, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A live bar on a terminal, nothing elsewhere."""
    columns = (
        bars.TextColumn("{task.fields[count]} runs"),
        bars.BarColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[now]}", markup=False),
    )
    with bars.Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        line = bar.add_task("", total=total, count=f"0/{total}", now="")

        def watch(progress: Progress) -> None:
            now = ", ".join(f"{progress.jobs[i].name} (seed {progress.jobs[i].seed})" for i in progress.running)
            bar.update(line, completed=progress.done, count=f"{len(progress.traces)}/{total}", now=now)

        yield watch


def _show(comparison: Comparison, out: Console) -> None:
    out.print(_table(comparison))
    _say(out, "")
    _say(out, comparison.verdict)
    if comparison.best:
        _say(out, f"\nBest mean: {comparison.best.policy!r}")


def _table(comparison: Comparison) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy")
    table.add_column(comparison.objective, justify="right")
    table.add_column(f"{100 * comparison.level:g} % interval", justify="right")
    table.add_column("to the best", justify="right")
    table.add_column("p (Holm)", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("")
    for index, row in enumerate(comparison.rows):
        gap = row.difference
        share = percent(gap) if gap else ""
        cells = (row.name, number(row.mean), interval(row.low, row.high), share, probability(gap.p if gap else None))
        style = "bold" if row.tied else "" if row.outcome == "converged" else "dim"
        texts = (*cells, f"{row.seconds:.2f}", standing(row, index))
        table.add_row(*(Text(text) for text in texts), style=style)
    return table


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=not console.is_terminal)
