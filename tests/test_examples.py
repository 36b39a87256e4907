"""The examples: loops of other frameworks and parts of a user's own, found as the command line finds them, and run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from learnrate.policy import Policy
from learnrate.runs import Run, Task, check_pairing, run
from learnrate.schedules import Linear
from learnrate.tasks import find

torch = pytest.importorskip("torch", reason="the examples train with torch, or are compared with what it says")

FOLDER = Path(__file__).parents[1] / "examples"
NEEDS = {
    "finetune_task.py": ("sklearn",),
    "jax_task.py": ("jax", "optax", "sklearn"),
    "keras_task.py": ("keras", "sklearn"),
    "lightning_task.py": ("lightning", "sklearn"),
    "torch_task.py": ("sklearn",),
}
GOOD = Policy("adamw", Linear(0.01, 0))
BAD = Policy("adamw", 1e-6)
TOO_HIGH = Policy("adamw", 1.0)
UPDATES = 40


@pytest.fixture(params=list(NEEDS))
def task(request: pytest.FixtureRequest) -> Task:
    for package in NEEDS[request.param]:
        pytest.importorskip(package, reason="the example is written with it")
    return find(str(FOLDER / request.param))


def _states() -> tuple[object, ...]:
    numpy = np.random.get_state()  # noqa: NPY002 - it must stay as it is
    return torch.get_rng_state().tolist(), numpy[1].tolist(), numpy[2:], random.getstate(), torch.get_num_threads()


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """No run may leave a thread behind, or move a global random state."""
    threads = set(threading.enumerate())
    yield
    assert not [thread for thread in set(threading.enumerate()) - threads if "fit" in thread.name]


def test_every_example_is_tested() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.py")) == sorted(NEEDS)
    for path in FOLDER.glob("*.py"):
        assert f"examples/{path.name}" in path.read_text(encoding="utf-8"), "it says how it is run"


def test_a_good_rate_is_better_and_runs_are_paired(task: Task) -> None:
    states = _states()
    good, bad, high = (run(task, policy, updates=UPDATES) for policy in (GOOD, BAD, TOO_HIGH))
    assert _states() == states
    for trace in (good, bad, high):
        assert trace.ended == "finished", trace.error
        assert len(trace) == UPDATES
    assert good.objective is not None
    assert good.objective < 0.8 * min(bad.objective, high.objective)
    assert check_pairing([good, bad, high]) is None
    np.testing.assert_allclose(good.rate, GOOD.over(UPDATES).lr.curve(UPDATES), rtol=1e-6)


def test_the_schedule_is_the_one_that_trains(task: Task) -> None:
    """A rate of 0 leaves the model alone, however long; the moment it rises, the model moves."""
    still = run(task, Policy("sgd", 0.0), updates=4)
    late = run(task, Policy("sgd", Linear(0, 0, 2) >> Linear(1, 1, 2)), updates=4)
    assert late.loss[:3] == pytest.approx(still.loss[:3], rel=1e-6)
    assert late.loss[3] != pytest.approx(still.loss[3], rel=1e-3)


def test_a_run_is_paused_and_closed_at_any_update(task: Task) -> None:
    whole = run(task, GOOD, updates=5)
    with Run(task, GOOD, updates=5) as paused:
        paused.advance(2, evaluate=True)
        with Run(task, GOOD, seed=1, updates=5) as second:
            second.advance(1)
        assert second.ended == "stopped"
        assert second.loss != whole.loss[0], "the seed decides on weights or batches"
        np.testing.assert_allclose(paused.advance().trace().loss, whole.loss, rtol=1e-6)
    assert (paused.ended, paused.trace().error) == ("finished", None)


@pytest.mark.parametrize("name", ["torch_task.py", "finetune_task.py"])
def test_tasks_of_parts_continue_from_a_snapshot(name: str) -> None:
    pytest.importorskip("sklearn")
    task = find(str(FOLDER / name))
    live = Run(task, GOOD, updates=8).advance(3)
    forked = Run(task, GOOD, updates=8, snapshot=live.snapshot()).advance().trace()
    np.testing.assert_array_equal(forked.loss, live.advance().trace().loss)


def test_fine_tuning_starts_from_what_was_learnt_and_a_high_rate_forgets_it() -> None:
    pytest.importorskip("sklearn")
    task = find(str(FOLDER / "finetune_task.py"))
    untouched = run(task, Policy("sgd", 0.0), updates=1)
    assert untouched.evaluations["val_accuracy"][-1] > 0.8, "it knows digits before the first update"
    assert {run(task, Policy("sgd", 0.0), seed, updates=1).objective for seed in (1, 2)} == {untouched.objective}
    assert run(task, GOOD, updates=UPDATES).objective < untouched.objective
    assert run(task, TOO_HIGH, updates=UPDATES).objective > 2 * untouched.objective


def test_an_error_in_lightnings_thread_is_the_runs_error() -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("sklearn")
    trace = run(find(str(FOLDER / "lightning_task.py")), Policy("adamq", 0.1), updates=3)
    assert trace.ended == "failed"
    assert "did you mean 'adam'" in str(trace.error)


def test_an_example_runs_by_itself() -> None:
    pytest.importorskip("sklearn")
    command = [sys.executable, str(FOLDER / "torch_task.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in printed] == ["1e-05", "0.01"]
    assert all("200 updates" in line and "finished" in line for line in printed)
