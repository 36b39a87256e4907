"""What every benchmark shares: interleaved timing, a table, and a saved result that says where it was measured."""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib.metadata
import os
import platform
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def cpu_seconds() -> float:
    """Processor time, user and system, spent so far by this process and the child processes it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def interleaved(thunks: Mapping[str, Callable[[], object]], rounds: int = 11) -> dict[str, float]:
    """Median processor seconds of each call; every round runs each once, so a slow minute slows all of them alike.

    A round before the first is not counted: it fills caches and compiles what is compiled once. Every second round
    runs backwards, so that none always follows the same neighbour.
    """
    spent: dict[str, list[float]] = {name: [] for name in thunks}
    for thunk in thunks.values():
        thunk()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for index in range(rounds):
            for name in list(thunks)[:: -1 if index % 2 else 1]:
                before = cpu_seconds()
                thunks[name]()
                spent[name].append(cpu_seconds() - before)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()) -> str:
    """A Markdown table under a title, followed by one line for each note. Floats keep three significant digits."""
    cells = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(columns), *cells]) for column in range(len(columns))]

    def line(parts: Sequence[str]) -> str:
        return "| " + " | ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)) + " |"

    body = [line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, cells)]
    return "\n".join([f"# {title}", "", *body, *(f"\n{note}" for note in notes), ""])


def parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options every benchmark takes, `--rounds` and `--save`; a benchmark may add its own."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rounds", type=int, default=rounds, help=f"timed rounds of each candidate ({rounds})")
    options.add_argument("--save", action="store_true", help="also write the table to benchmarks/results")
    return options


def publish(name: str, text: str, *, save_it: bool, packages: Sequence[str] = ()) -> None:
    """Print a table, and save it as `benchmarks/results/<name>.md` when asked to."""
    print(text)
    if save_it:
        print(f"saved {save(name, text, packages).relative_to(Path(__file__).parents[1])}")


def save(name: str, text: str, packages: Sequence[str] = ()) -> Path:
    """Write a table with the date, the command, the machine and the versions; `packages` are the peers it measured."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{text.rstrip()}\n\n{circumstances(packages)}\n", encoding="utf-8")
    fresh.replace(path)
    return path


def circumstances(packages: Sequence[str] = ()) -> str:
    """When, how and on what a benchmark ran, as a Markdown list."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in ("numpy", *packages)]
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    lines = [
        f"date: {datetime.date.today().isoformat()}",
        f"command: `{command}`",
        f"machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}",
        f"versions: Python {platform.python_version()}, {', '.join(versions)}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        described = []
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
