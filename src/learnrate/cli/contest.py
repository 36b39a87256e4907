"""`learnrate compare`: make the runs, show how far they are, and say what they showed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich import progress as bars
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import report
from ..comparison import Comparison, compare, curves
from ..policy import Policy
from ..report.words import interval, number, percent, probability, standing
from ..runs import Task
from ..trace import Trace, save_traces
from ..tuner.workers import outliving_pipes
from . import checks
from .lineup import lineup
from .streams import aside, lay
from .text import policies
from .workers import Job, Progress, execute

FINE, NO, MISUSE, INTERRUPTED = 0, 1, 2, 130
_DROPPED = ("interval", "p", "seconds")  # what a table leaves out first where there is no room
_LEFT_OUT = "its rule never acted, see below"  # the verdict says it in full
_NARROWEST = 11  # characters of a column of words


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
    checks.files(contest.report, contest.save)
    task = checks.task(contest.task)
    jobs = _jobs(contest, task, err)
    with outliving_pipes(), _display(err, len(jobs), contest.as_json) as watch:
        progress = execute(contest.task, jobs, contest.workers, watch)
    traces = {name: list(runs) for name, runs in _by_name(progress).items()}
    if progress.interrupted:
        _say(err, f"interrupted: {len(progress.traces)} of {len(jobs)} runs were finished and are kept")
    if not traces:
        return INTERRUPTED
    if contest.save:
        save_traces(contest.save, [trace for runs in traces.values() for trace in runs])
        _say(err, f"traces: {contest.save}")
    comparison, error = compare(traces, mode=task.mode), _common_error(traces)
    if contest.report:  # before the answer, whose reader may leave early
        report.page(comparison, curves(traces, task.objective), contest.report)
        _say(err, f"report: {contest.report}")
    if contest.as_json:
        out.file.write(json.dumps(comparison.to_json() | {"interrupted": progress.interrupted}, indent=2) + "\n")
    elif error is None:
        _show(comparison, out)
    if error:  # once, and not in every row of a table
        _say(err, f"all {len(progress.traces)} runs failed: {error}")
        if checks.is_misuse(error) and not progress.interrupted:
            return MISUSE
    if progress.interrupted:
        return INTERRUPTED
    return FINE if comparison.best else NO


def workers() -> int:
    """How many processes to use unless told otherwise: two, or one where there is one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)


def _jobs(contest: Contest, task: Task, err: Console) -> list[Job]:
    """Seed by seed, so that whatever is finished when someone loses patience is paired."""
    updates = task.updates if contest.updates is None else contest.updates
    named: dict[str, Policy] = (
        policies(contest.expressions, contest.optimizers)
        if contest.expressions
        else lineup(updates, task.mode, contest.optimizers)
    )
    for policy in named.values():
        policy.over(updates, **task.units)  # a length that does not fit is said before anything is run
    if contest.expressions:
        bound = {name: policy.over(updates, **task.units) for name, policy in named.items()}
        for note in checks.notes(bound, updates):
            _say(err, note)
        with aside():
            checks.policies(contest.task, task, named, updates)
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


def _common_error(traces: Mapping[str, Sequence[Trace]]) -> str | None:
    """The error of several runs of which every one failed with it, or None."""
    runs = [trace for each in traces.values() for trace in each]
    errors = {trace.error if trace.ended == "failed" else None for trace in runs}
    return errors.pop() if len(runs) > 1 and len(errors) == 1 else None


def _show(comparison: Comparison, out: Console) -> None:
    lay(out, _table(comparison, out.width))
    _say(out, "")
    _say(out, comparison.verdict)
    if comparison.best:
        _say(out, f"\nBest mean: {comparison.best.policy!r}")


def _table(comparison: Comparison, width: int) -> Table:
    """The answer in so many characters: columns that do not fit are left out, and numbers are never broken."""
    columns = _columns(comparison)
    heads = {
        "policy": "policy",
        "objective": comparison.objective,
        "interval": f"{100 * comparison.level:g} % interval",
        "gap": "to the best",
        "p": "p (Holm)",
        "seconds": "seconds",
        "standing": "",
    }
    for dropped in _DROPPED:
        if _needed(heads, columns) > width:
            del heads[dropped]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for key, head in heads.items():
        if key in ("policy", "standing"):
            longest = max(map(cell_len, (head, *columns[key])))
            table.add_column(head, min_width=min(longest, _NARROWEST), overflow="fold")
        else:
            table.add_column(head, justify="right", no_wrap=True)
    for index, row in enumerate(comparison.rows):
        style = "bold" if row.tied else "" if row.outcome == "converged" else "dim"
        table.add_row(*(Text(columns[key][index]) for key in heads), style=style)
    return table


def _columns(comparison: Comparison) -> dict[str, list[str]]:
    """What the table says, by column."""
    rows = comparison.rows
    gaps = [row.difference for row in rows]
    return {
        "policy": [row.name for row in rows],
        "objective": [number(row.mean) for row in rows],
        "interval": [interval(row.low, row.high) for row in rows],
        "gap": [percent(gap) if gap else "" for gap in gaps],
        "p": [probability(gap.p if gap else None) for gap in gaps],
        "seconds": [f"{row.seconds:.2f}" for row in rows],
        "standing": [_LEFT_OUT if row.outcome == "idle" else standing(row, i) for i, row in enumerate(rows)],
    }


def _needed(heads: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> int:
    """The characters of the table when its words are wrapped and its numbers are not."""
    longest = {key: max(map(cell_len, (head, *columns[key]))) for key, head in heads.items()}
    words = ("policy", "standing")
    return sum(min(size, _NARROWEST) if key in words else size for key, size in longest.items()) + 2 * len(heads) - 2


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=not console.is_terminal)
