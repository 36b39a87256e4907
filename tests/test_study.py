"""The study: nothing finished is lost, nothing is counted twice, and Optuna reads it."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import postgres_server
from learnrate import Cosine, Linear, Policy, Trace
from learnrate.errors import StudyError
from learnrate.finder.asking import Answer, Ask
from learnrate.finder.driving import Line, Progress
from learnrate.tuner import owners, records, study
from learnrate.tuner.studies import list_studies, read_study
from study_helpers import answer, ask, made, opened, result, trials, worker
from study_worker import NAME, QUESTION

KILLS = 30


def keys(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Path]:
    """The search driven to its end without a disturbance: its result, its study and its log."""
    folder = tmp_path_factory.mktemp("whole")
    return result(worker("whole", folder / "a.db", folder / "log")), folder / "a.db", folder / "log"


def recorded(storage: Path | str) -> dict[str, Answer]:
    with read_study(storage, NAME) as there:
        return {told["key"]: found for told, found in there.answers()}


# --- killed, and shared ----------------------------------------------------------------------------------------------


def test_thirty_kills_lose_nothing_and_count_nothing_twice(whole: Any, tmp_path: Path) -> None:
    storage, log = tmp_path / "a.db", tmp_path / "log"
    end = result(worker("killed", storage, log, 7, KILLS))
    assert end["hit"] == KILLS
    assert end["recorded"] > 0
    assert {name: end[name] for name in ("best", "value", "costs")} == {
        name: whole[0][name] for name in ("best", "value", "costs")
    }
    assert recorded(storage) == recorded(whole[1])
    finished = [trial for trial in trials(storage, NAME) if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    counts = collections.Counter(trial.user_attrs["key"] for trial in finished)
    assert set(counts.values()) == {1}
    assert counts.keys() == set(keys(whole[2]))
    assert len(set(keys(log))) == len(keys(log)), "what was finished was made again"
    assert not [trial for trial in trials(storage, NAME) if trial.state == TrialState.RUNNING]


def test_kills_between_a_pause_and_going_on_change_nothing(tmp_path: Path) -> None:
    """A run that was paused is made again up to its pause; that is told apart from what it costs."""
    calm, storage, log = tmp_path / "calm.db", tmp_path / "a.db", tmp_path / "log"
    expected = result(worker("paused", calm, tmp_path / "calm log", 7, 0))
    end = result(worker("paused", storage, log, 7, 12))
    assert end["hit"] > 3, "most of them are not over before they are killed"
    assert {name: end[name] for name in ("best", "value", "costs")} == {
        name: expected[name] for name in ("best", "value", "costs")
    }
    one, other = recorded(calm), recorded(storage)
    assert {key: (found.trace, found.cost) for key, found in one.items()} == {
        key: (found.trace, found.cost) for key, found in other.items()
    }
    assert not any(found.again for found in one.values())
    assert sum(found.again for found in other.values()) > 0
    assert len(set(keys(log))) == len(keys(log)), "what was finished was made again"


def check_shared(storage: str, folder: Path, whole: Any) -> None:
    """Two processes at once: every run is made by one of them, and both come to the same result."""
    logs = [folder / "one", folder / "two"]
    both = [worker("share", storage, log, stdin=subprocess.PIPE) for log in logs]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:  # both at once
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        end = result(process)
        assert {name: end[name] for name in ("best", "value", "costs")} == {
            name: whole[0][name] for name in ("best", "value", "costs")
        }
    one, two = map(keys, logs)
    assert one
    assert two
    assert sorted(one + two) == sorted(keys(whole[2]))
    assert recorded(storage) == recorded(whole[1])


@pytest.mark.parametrize("kind", ["a.db", "a.log"])
def test_two_processes_share_a_study(kind: str, whole: Any, tmp_path: Path) -> None:
    check_shared(str(tmp_path / kind), tmp_path, whole)


def test_two_processes_share_a_study_in_postgresql(whole: Any, tmp_path: Path) -> None:
    if not os.environ.get("LEARNRATE_REQUIRE_ALL") and postgres_server.command("initdb") is None:
        pytest.skip("no PostgreSQL server here; scripts/test installs one")
    with postgres_server.running() as url:
        check_shared(url, tmp_path, whole)
        with opened(url) as there:
            answer(there, ask())
        assert [trial.value for trial in trials(url.replace("postgresql:", "postgresql+psycopg:"))] == [
            made(ask()).trace.objective
        ]


def test_a_worker_loads_no_framework(whole: Any) -> None:
    assert whole[0]["frameworks"] == []


# --- what Optuna sees ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["a.db", "a.log", "memory"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return optuna.storages.InMemoryStorage() if request.param == "memory" else tmp_path / request.param


def seen_by_optuna(storage: Any) -> optuna.Study:
    if isinstance(storage, Path) and storage.suffix == ".log":
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(storage)))
    elif isinstance(storage, Path):
        storage = f"sqlite:///{storage}"
    return optuna.load_study(study_name="a", storage=storage)


def test_every_run_is_one_trial_of_optuna(anywhere: Any) -> None:
    wanted = [ask(0.1), ask(0.2, seed=1, updates=30), ask(5000.0, seed=2, role="edge")]
    with opened(anywhere) as there:
        for one in wanted:
            answer(there, one)
    theirs = seen_by_optuna(anywhere)
    full, short, diverged = theirs.trials
    assert [trial.state.name for trial in theirs.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    share = {"optimizer": "sgd", "schedule": "Cosine(1.0)", "momentum": 0.5}
    assert full.params == {**share, "rate": 0.1, "share": 1.0}
    assert short.params == {**share, "rate": 0.2, "share": 0.5}
    assert full.distributions["rate"] == optuna.distributions.FloatDistribution(1e-4, 1e4, log=True)
    assert full.value == made(wanted[0]).trace.objective
    assert full.intermediate_values.keys() == {20, 40, 60}
    assert full.intermediate_values[60] == full.value
    assert diverged.values is None
    assert {name: diverged.user_attrs[name] for name in ("role", "seed", "ended", "cost", "share")} == {
        "role": "edge",
        "seed": 2,
        "ended": "diverged",
        "cost": 60.0,
        "share": 1.0,
    }
    assert diverged.user_attrs["updates"] < 60
    assert theirs.best_trial.number in (0, 1)
    assert theirs.direction.name == "MINIMIZE"
    assert theirs.user_attrs["question"] == json.loads(json.dumps(QUESTION))
    assert [trial.params["rate"] for trial in theirs.trials] == [0.1, 0.2, 5000.0]
    for trial in theirs.trials:
        assert trial.datetime_complete is not None
        assert trial.datetime_start is not None
        assert abs((trial.datetime_complete - trial.datetime_start).total_seconds()) < 600
        assert abs(trial.datetime_complete.timestamp() - time.time()) < 600


def test_optuna_can_rank_the_parameters(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as there:
        for number in range(6):
            answer(there, ask(0.05 * 2**number))
    theirs = seen_by_optuna(tmp_path / "a.db")
    space = optuna.search_space.intersection_search_space(theirs.trials)
    assert space.keys() == {"optimizer", "schedule", "rate", "share", "momentum"}
    theirs.ask()  # and its sampler can go on from there


def test_a_maximised_objective_is_maximised(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db", mode="max") as there:
        answer(there, ask(0.1))
        best = answer(there, ask(0.01))
    assert best.trace.objective is not None
    assert seen_by_optuna(tmp_path / "a.db").best_value == best.trace.objective
    assert list_studies(tmp_path / "a.db")[0].best == best.trace.objective


# --- answers and their traces ----------------------------------------------------------------------------------------


def test_what_was_recorded_is_known_to_the_next(anywhere: Any) -> None:
    wanted = [ask(0.1), ask(5000.0), ask(0.1, updates=40)]
    with opened(anywhere) as there:
        kept = [answer(there, one) for one in wanted]
        assert [there.known(one) for one in wanted] == kept
    with opened(anywhere) as again:
        assert again.recorded == 3
        assert [again.known(one) for one in wanted] == kept
        assert [again.claim(one) for one in wanted] == [False, False, False]
        assert again.known(ask(0.3)) is None
        told = [about for about, _ in again.answers()]
        assert [about["rate"] for about in told] == [0.1, 5000.0, 0.1]
        assert not any("trace" in about or "owner" in about for about in told)
        assert [found for _, found in again.answers()] == kept


def long(updates: int, signals: int = 0) -> Trace:
    rng = np.random.default_rng(0)
    policy = Policy("sgd", Cosine(0.1, 0)).over(updates)
    return Trace(
        range(updates),
        policy.lr(np.arange(updates)),
        rng.random(updates),
        {f"signal {number}": rng.random(updates) for number in range(signals)},
        {"update": list(range(1, updates, 7)), "val_loss": rng.random(len(range(1, updates, 7)))},
        objective=0.25,
        policy=policy,
        meta={"updates": updates},
    )


@pytest.mark.parametrize(("updates", "signals", "kept"), [(999, 0, 999), (5000, 0, 1000), (5000, 14, 250)])
def test_a_long_trace_is_thinned(updates: int, signals: int, kept: int, tmp_path: Path) -> None:
    trace = long(updates, signals)
    with opened(tmp_path / "a.db") as there:
        assert there.claim(ask())
        stored = there.record(ask(), Answer(trace, 7.5))
    with opened(tmp_path / "a.db") as again:
        assert again.known(ask()) == stored
        assert again.answers()[0][0]["updates"] == updates
    thin = stored.trace
    assert len(thin) == kept
    assert thin.meta.get("thinned", updates) == updates
    assert (thin.update[0], thin.update[-1]) == (0, updates - 1)
    assert np.array_equal(thin.loss, trace.loss[thin.update])
    assert np.diff(thin.update).max() <= math.ceil(updates / kept) + 1
    assert thin.objective == trace.objective
    assert all(np.array_equal(thin.evaluations[name], trace.evaluations[name]) for name in trace.evaluations)


def test_a_trace_that_is_too_long_for_one_text_is_in_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(records, "PIECE", 1000)
    with opened(tmp_path / "a.db") as there:
        assert there.claim(ask())
        stored = there.record(ask(), Answer(long(900), 7.5))
    (trial,) = trials(tmp_path / "a.db")
    assert {"trace", "trace 1", "trace 2"} <= trial.user_attrs.keys()
    with opened(tmp_path / "a.db") as again:
        assert again.known(ask()) == stored


def test_intermediate_values_are_few_and_end_with_the_last() -> None:
    shown = records.steps(long(5000), "val_loss")
    assert len(shown) == records.STEPS
    assert max(shown) == 4999 // 7 * 7 - 6 + 7
    assert records.steps(long(100), "accuracy") == {}


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as there:
        answer(there, ask())
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE trial_user_attributes SET value_json = '\"eJw=\"' WHERE key = 'trace'")
    with opened(tmp_path / "a.db") as again, pytest.raises(StudyError, match=r"trial 0 of study 'a' .* is damaged"):
        again.known(ask())


def test_what_decides_a_run_is_described() -> None:
    warm = Linear(0, 1, "5%") >> Cosine(1, 0)
    policy = Policy("adamw", 0.01 * warm, {"weight_decay": 0.1, "nesterov": True, "beta1": Linear(0.8, 0.9)})
    told = records.described(Ask(policy, 0, 100, until=25), 200)
    assert told == {
        "optimizer": "adamw",
        "schedule": repr(warm),
        "rate": 0.01,
        "share": 0.125,
        "weight_decay": 0.1,
        "nesterov": True,
        "beta1": repr(Linear(0.8, 0.9)),
    }
    assert records.described(Ask(Policy("sgd", Linear(0.3, 0)), 0, 100), 100)["rate"] == 0.3
    inside, outside = records.parted(told, {**records.PARAMETERS, "optimizer": {"choices": ["adamw"]}})
    assert inside.keys() == {"optimizer", "rate", "share", "weight_decay"}
    assert outside.keys() == {"schedule", "nesterov", "beta1"}
    assert records.parted({"rate": 1e9, "optimizer": "adam"}, {**records.PARAMETERS, "optimizer": {"choices": ["x"]}})[
        1
    ] == {"rate": 1e9, "optimizer": "adam"}


# --- claims ----------------------------------------------------------------------------------------------------------


def test_a_claim_belongs_to_one(anywhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_LOOK", 0.0)
    with opened(anywhere) as one, opened(anywhere) as two:
        assert one.claim(ask())
        assert one.claim(ask())
        assert not two.claim(ask())
        assert two.known(ask()) is None
        kept = one.record(ask(), made(ask()))
        assert two.known(ask()) == kept
        assert not two.claim(ask())
        assert one.claim(ask(0.2))
        one.release(ask(0.2))
        assert two.claim(ask(0.2))
        assert not one.claim(ask(0.2))
    states = collections.Counter(trial.state.name for trial in seen_by_optuna(anywhere).trials)
    assert states["COMPLETE"] == 1
    assert states["RUNNING"] == 0


def test_closing_gives_claims_back(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as one:
        assert one.claim(ask())
    with opened(tmp_path / "a.db") as two:
        assert two.claim(ask())
    assert [trial.user_attrs["reason"] for trial in trials(tmp_path / "a.db")] == ["released", "released"]


def test_the_claim_of_a_process_that_is_gone_is_taken_over(anywhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    ended = owners.Owner(owners.machine(), int(gone.stdout), "123", "x")
    again = dataclasses.replace(owners.Owner.here(), started="1", token="y")  # its id is used by another process now
    for number, owner in enumerate((ended, again)):
        with opened(anywhere) as one:
            monkeypatch.setattr(one, "_owner", owner)
            assert one.claim(ask(seed=number))
            monkeypatch.setattr(one, "_mine", {})  # killed
        with opened(anywhere) as two:
            answer(two, ask(seed=number))
    reasons = [trial.user_attrs.get("reason") for trial in seen_by_optuna(anywhere).trials]
    assert reasons == ["stale", None, "stale", None]


def test_a_machine_that_gives_no_sign_of_life_loses_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_LOOK", 0.0)
    with opened(tmp_path / "a.db") as far:
        monkeypatch.setattr(far, "_owner", dataclasses.replace(owners.Owner.here(), host="far"))
        assert far.claim(ask())
        with opened(tmp_path / "a.db") as near:
            assert not near.claim(ask()), "it has just claimed"
            assert len(list_studies(tmp_path / "a.db")[0].running) == 1
            monkeypatch.setattr(study, "STALE", 0.0)
            kept = answer(near, ask())
        mine = dataclasses.replace(made(ask()), cost=99.0)
        assert far.record(ask(), mine) == kept, "it was not dead, but its run has been made by another"
    counted = [trial for trial in trials(tmp_path / "a.db") if trial.state == TrialState.COMPLETE]
    assert [trial.user_attrs["cost"] for trial in counted] == [60.0]


def test_signs_of_life_are_believed_by_watching_not_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_LOOK", 0.0)
    with opened(tmp_path / "a.db") as far, opened(tmp_path / "a.db") as near:
        owner = dataclasses.replace(owners.Owner.here(), host="far")
        monkeypatch.setattr(far, "_owner", owner)
        monkeypatch.setattr(far, "_live", lambda: None)
        assert far.claim(ask())

        def beat(at: float) -> None:
            far._opened.storage.set_study_system_attr(far._study, study.LIVE + owner.token, {"at": at})

        beat(time.time() - 1000)  # its clock is late
        assert not near.claim(ask())
        monkeypatch.setattr(study, "STALE", 0.0)
        assert near.claim(ask())
        far.release(ask())
        near.release(ask())
        monkeypatch.setattr(study, "STALE", 120.0)
        assert far.claim(ask(0.2))
        beat(time.time() - 2 * study.LONG_AGO)
        assert near.claim(ask(0.2)), "that was hours ago"


def test_a_run_that_was_written_but_for_its_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that is no database is written piece by piece."""
    with opened(tmp_path / "a.log") as one:
        assert one.claim(ask())
        monkeypatch.setattr(one._opened.storage, "set_trial_state_values", lambda *arguments: 1 / 0)
        with pytest.raises(StudyError, match="cannot record a run of study 'a'"):
            one.record(ask(), made(ask()))
    with opened(tmp_path / "a.log") as two:
        assert not two.claim(ask())
        assert two.known(ask()) == made(ask())
    with opened(tmp_path / "a.log") as three:
        assert three.known(ask()) == made(ask())


def test_owners() -> None:
    here = owners.Owner.here()
    assert here.lives() is True
    assert owners.Owner.from_json(json.loads(json.dumps(here.to_json()))) == here
    assert dataclasses.replace(here, started="other").lives() is False
    assert dataclasses.replace(here, host="other").lives() is None
    here.close()
    assert here.lives() is False
    assert owners.Owner.from_json({"pid": "many"}) is None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = dataclasses.replace(here, pid=child.pid, started=owners.started(child.pid) or "")
    assert other.lives() is True
    child.kill()
    deadline = time.monotonic() + 30
    while other.lives() and time.monotonic() < deadline:  # it is a zombie as soon as the kernel has come to it
        time.sleep(0.01)
    assert other.lives() is False
    child.wait()
    assert other.lives() is False
    assert child.stdin is not None
    child.stdin.close()


# --- how often the storage is asked ----------------------------------------------------------------------------------


class Counting(optuna.storages.InMemoryStorage):
    """Optuna's storage in memory, which counts."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.signs: list[Any] = []

    def get_all_trials(self, *arguments: Any, **options: Any) -> Any:
        self.reads += 1
        return super().get_all_trials(*arguments, **options)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.signs.append(value)
        super().set_study_system_attr(study_id, key, value)


def test_a_process_alone_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_LOOK", 0.0)
    storage = Counting()
    with opened(storage) as there:
        before = storage.reads
        for number in range(10):
            wanted = ask(seed=number)
            for _ in range(20):
                assert there.known(wanted) is None
            answer(there, wanted)
            assert there.known(wanted) is not None
        assert storage.reads == before
        with opened(storage) as other:
            found = answer(other, ask(seed=99))
        answer(there, ask(seed=100))
        assert there.known(ask(seed=99)) == found, "another process was noticed by the number of the trial"


def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_live_state_is_written_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "BEAT", 0.01)
    storage = Counting()
    with opened(storage) as there:
        wanted = [ask(0.1), ask(0.2)]
        assert [there.claim(one) for one in wanted] == [True, True]
        lines = [Line(number, one, t=10, loss=0.5, state="running") for number, one in enumerate(wanted)]
        there.watch(Progress(lines))
        until(lambda: storage.signs and storage.signs[-1]["runs"] and storage.signs[-1]["runs"][wanted[1].key()])
        (summary,) = list_studies(storage)
        assert [(live.t, live.updates, live.loss, live.rate) for live in summary.running] == [
            (10, 60, 0.5, 0.1),
            (10, 60, 0.5, 0.2),
        ]
        written = len(storage.signs)
        time.sleep(0.2)
        assert len(storage.signs) == written, "nothing has changed"
        lines[0].t = 20
        until(lambda: len(storage.signs) > written)
        assert storage.signs[-1]["runs"][wanted[0].key()]["t"] == 20
        monkeypatch.setattr(study, "_QUIET", 0.05)
        until(lambda: len(storage.signs) > written + 3)
    assert list_studies(storage)[0].running == ()
    assert not [thread for thread in threading.enumerate() if thread.name == "learnrate study"]
