"""What the library costs beside training: processor time per run and per update over the bare loop, and per stored run.

The task does next to nothing, so what is left is bookkeeping. Costs per update are the difference between long and
short runs, costs per run what remains of the short ones. Optuna's own ask, 20 reports and tell are the peer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import optuna

import learnrate as lr
import record
from learnrate.finder.asking import Answer, Ask
from learnrate.finder.driving import Driver
from learnrate.finder.engine import Local
from learnrate.policy import Policy
from learnrate.runs import Loop
from learnrate.tuner.studies import open_study

SHORT, LONG = 20, 1020
RUNS = 20
REPORTS = 20
STORED = 10
QUESTION = {"task": "nearly_nothing", "objective": "left", "mode": "min", "updates": SHORT, "seed": 0, "budget": 1}


@lr.task(updates=SHORT, objective="left", evaluation=0)
def nearly_nothing(policy: Policy, seed: int, updates: int) -> Loop:
    """Goes down a parabola, and says 20 times how far it still is."""
    x, every, lr_at = 8.0, max(1, updates // REPORTS), policy.lr
    for t in range(updates):
        loss, x = x * x, x - 0.1 * lr_at(t) * x
        request = yield {"loss": loss}
        if (t + 1) % every == 0 or request == "evaluate":
            yield {"left": x}


def main() -> None:
    options = record.parser(__doc__, rounds=9).parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ways: dict[str, Callable[[int], object]] = {"bare": bare, "lr.run": plain, "driver": driven}
    thunks = {f"{name} {updates}": _bound(way, updates) for name, way in ways.items() for updates in (SHORT, LONG)}
    spent = record.interleaved(thunks, options.rounds)
    rows = [_over(spent, name, title) for name, title in (("lr.run", "`lr.run`"), ("driver", "a search's driver"))]
    if hasattr(lr, "find"):
        rows.append(_search(spent, options.rounds))
    columns = ("over the bare loop", "us per update", "bar", "ms per run", "bar")
    text = record.table("Bookkeeping without storage, CPU", columns, rows, [_note(spent)])
    text += "\n" + stored(options.rounds)
    record.publish("bookkeeping", text, save_it=options.save, packages=("optuna", "sqlalchemy"))


# -- without storage


def policy(number: int, updates: int) -> Policy:
    return Policy("sgd", (0.1 + 0.001 * number) * lr.Linear(1, 0)).over(updates)


def bare(updates: int) -> None:
    """The loops by themselves."""
    for number in range(RUNS):
        for _ in nearly_nothing.function(policy(number, updates), 0, updates):
            pass


def plain(updates: int) -> None:
    for number in range(RUNS):
        lr.run(nearly_nothing, policy(number, updates), 0, updates)


def asking(updates: int, runs: int) -> Generator[list[Ask], list[Answer], None]:
    """A search that asks for one run after the other."""
    for number in range(runs):
        yield [Ask(policy(number, updates), 0, updates)]


def driven(updates: int) -> None:
    with Local(nearly_nothing) as engine:
        Driver(engine).drive(asking(updates, RUNS))


def _search(spent: dict[str, float], rounds: int) -> tuple[object, ...]:
    """A whole `lr.find`, less the bare loops of the updates that it made; all of it counted per run."""
    found: list[Any] = []

    def find() -> None:
        found.append(lr.find(nearly_nothing, lr.Linear(1, 0), "sgd", rate=(1e-3, 10), budget=4.0))

    seconds = record.interleaved({"find": find}, min(rounds, 5))["find"]
    runs, updates = len(found[-1].traces), sum(map(len, found[-1].traces))
    bare_update, bare_run = _each(spent, "bare")
    over = seconds - updates * bare_update - runs * bare_run
    return f"`lr.find`, {runs} runs of {updates} updates", "", "", f"{1e3 * over / runs:.2f}", "at most 1"


def _bound(way: Callable[[int], object], updates: int) -> Callable[[], object]:
    return lambda: way(updates)


def _each(spent: dict[str, float], name: str) -> tuple[float, float]:
    """Seconds per update and per run."""
    update = (spent[f"{name} {LONG}"] - spent[f"{name} {SHORT}"]) / (RUNS * (LONG - SHORT))
    return update, spent[f"{name} {SHORT}"] / RUNS - SHORT * update


def _over(spent: dict[str, float], name: str, title: str) -> tuple[object, ...]:
    update, run = (mine - its for mine, its in zip(_each(spent, name), _each(spent, "bare"), strict=True))
    return title, f"{1e6 * update:.1f}", "at most 50", f"{1e3 * run:.2f}", "at most 1"


def _note(spent: dict[str, float]) -> str:
    update, run = _each(spent, "bare")
    return f"The bare loop takes {1e6 * update:.1f} us per update and {1e3 * run:.2f} ms per run."


# -- with storage


def stored(rounds: int) -> str:
    """CPU per run of a study in SQLite, and of the peer in a file of the same kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = iter(range(10**6))

        def ours() -> None:
            with (
                Local(nearly_nothing) as engine,
                open_study(folder / "ours.db", f"study {next(count)}", QUESTION) as study,
            ):
                Driver(engine, study, study.watch).drive(asking(SHORT, STORED))

        def alone() -> None:
            with open_study(folder / "ours.db", f"study {next(count)}", QUESTION):
                pass

        def peer() -> None:
            study = optuna.create_study(storage=f"sqlite:///{folder / 'peer.db'}", study_name=f"study {next(count)}")
            for _ in range(STORED):
                trial = study.ask()
                trial.suggest_float("rate", 1e-4, 1.0, log=True)
                for place in range(REPORTS):
                    trial.report(1.0 / (place + 1), place)
                study.tell(trial, 0.05)

        def peer_alone() -> None:
            optuna.create_study(storage=f"sqlite:///{folder / 'peer.db'}", study_name=f"study {next(count)}")

        spent = record.interleaved({"ours": ours, "alone": alone, "peer": peer, "peer alone": peer_alone}, rounds)
    own, its = spent["ours"] - spent["alone"], spent["peer"] - spent["peer alone"]
    rows = [
        ("a run with 20 evaluations, in a study", f"{1e3 * own / STORED:.1f}", "at most 10"),
        ("Optuna: ask, 20 reports, tell", f"{1e3 * its / STORED:.1f}", ""),
    ]
    note = f"{STORED} runs in a new study of a file that grows; opening the study is not counted."
    return record.table("Bookkeeping with SQLite, CPU", ("what", "ms per run", "bar"), rows, [note])


if __name__ == "__main__":
    main()
