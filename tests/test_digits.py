"""The embedded digits tasks: real runs on real data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from learnrate.feedback import Plateau
from learnrate.policy import Policy
from learnrate.runs import Run, Task, check_pairing, run
from learnrate.schedules import Cosine, Linear
from learnrate.tasks import find
from learnrate.trace import Trace

torch = pytest.importorskip("torch", reason="the digits tasks train with torch")

from learnrate.tasks import digits as module  # noqa: E402

SGD = Policy("sgd", Linear(0, 0.1, "5%") >> Cosine(0.1), {"momentum": 0.9})
ADAMW = Policy("adamw", 0.01)
FIXED = Policy("sgd", 0.1, {"momentum": 0.9})


@pytest.fixture(params=["digits", "digits-mlp"])
def task(request: pytest.FixtureRequest) -> Task:
    return find(request.param)


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """No run may leave a trace in the process, whatever the number of threads and the random state were."""
    torch.set_num_threads(2)
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before), "the global random state is as it was"
    assert torch.get_num_threads() == 2


def test_the_same_seed_gives_the_same_trace_bit_for_bit(task: Task) -> None:
    first = run(task, SGD, seed=1, updates=60)
    torch.rand(3)
    torch.manual_seed(1234)
    torch.set_num_threads(1)
    second = run(task, SGD, seed=1, updates=60)
    torch.set_num_threads(2)
    assert first.ended == "finished", first.error
    assert first == second
    assert first.loss.tobytes() == second.loss.tobytes()
    assert first != run(task, SGD, seed=2, updates=60)


def test_another_process_gives_the_same_trace(task: Task) -> None:
    program = (
        "import json, sys; from learnrate.tasks import find; from learnrate.runs import run;"
        "from learnrate.notation import parse;"
        "print(json.dumps(run(find(sys.argv[1]), parse(sys.argv[2]), seed=3, updates=40).to_json()))"
    )
    command = [sys.executable, "-c", program, task.name, repr(ADAMW)]
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert Trace.from_json(json.loads(printed.stdout)) == run(task, ADAMW, seed=3, updates=40)


def test_runs_of_a_seed_are_paired_across_policies(task: Task) -> None:
    policies = [Policy("sgd", Linear(0.0, 0.1)), ADAMW, FIXED, Policy("rmsprop", 1e-3), Policy("sgd", 0.0)]
    traces = [run(task, policy, seed, updates=2) for seed in (0, 1) for policy in policies]
    assert check_pairing(traces) is None
    assert len({trace.loss[0] for trace in traces}) == 2, "bit for bit, one first loss per seed"
    still, warm = traces[4], traces[0]
    assert warm.rate[0] == 0.0
    assert still.loss[1] == warm.loss[1], "the second batch is the same too: at rate 0 nothing has moved"


def test_pausing_and_evaluating_change_nothing(task: Task) -> None:
    whole = run(task, SGD, seed=4, updates=40)
    live = Run(task, SGD, seed=4, updates=40)
    for until in (7, 8, 30):
        live.advance(until, evaluate=True)
        run(task, ADAMW, seed=4, updates=3)
    np.testing.assert_array_equal(live.advance().trace().loss, whole.loss)
    assert live.trace().objective == whole.objective


def test_a_run_goes_on_from_a_snapshot_bit_for_bit(task: Task) -> None:
    assert task.resumable
    whole = run(task, SGD, seed=4, updates=40)
    kept = Run(task, SGD, seed=4, updates=40).advance(20).snapshot()
    assert Run(task, SGD, seed=4, snapshot=kept).advance().trace() == whole


def test_annealing_beats_the_fixed_rate_on_every_seed(task: Task) -> None:
    fixed = [run(task, FIXED, seed) for seed in range(3)]
    annealed = [run(task, SGD, seed) for seed in range(3)]
    for worse, better in zip(fixed, annealed, strict=True):
        assert len(better) == task.updates
        assert better.ended == worse.ended == "finished"
        assert worse.objective is not None
        assert better.objective is not None
        assert better.objective < 0.9 * worse.objective
        assert better.evaluations["val_accuracy"][-1] > 0.88


def test_it_is_evaluated_every_tenth_of_the_usual_run_and_at_the_end(task: Task) -> None:
    tenth = task.updates // 10
    trace = run(task, SGD, updates=tenth + 7)
    assert trace.evaluations["update"].tolist() == [tenth, tenth + 7]
    assert run(task, SGD, updates=4).evaluations["update"].tolist() == [4], "a short run pays for one"
    assert set(trace.evaluations) == {"update", "val_loss", "val_accuracy"}
    assert trace.objective == trace.evaluations["val_loss"][-1]
    assert task.mode == "min"


def test_a_rule_hears_the_regular_evaluations_and_no_others(task: Task) -> None:
    policy = FIXED.replace(feedback=Plateau(factor=0.5, patience=0, threshold=0.99))
    trace = run(task, policy, updates=50)
    assert trace.rate[0] == trace.rate[9] == 0.1
    assert trace.rate[10] == 0.05, "the second report was no better; the update after it is slower"
    assert trace.rate[-1] < 0.1 / 2**6
    live = Run(task, policy, updates=50)
    for until in range(1, 50):
        live.advance(until, evaluate=True)
    np.testing.assert_array_equal(live.advance().trace().rate, trace.rate)


def test_the_rate_is_what_the_schedule_says(task: Task) -> None:
    trace = run(task, SGD, updates=40)
    np.testing.assert_allclose(trace.rate, SGD.over(40).lr.curve(40), rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["adagrad", "radam", "rprop"])
def test_other_optimizers_train_it_too(optimizer: str) -> None:
    trace = run(find("digits"), Policy(optimizer, 0.01), updates=40)
    assert trace.ended == "finished", trace.error
    assert trace.loss[-10:].mean() < trace.loss[:2].mean()


def test_an_optimizer_that_needs_a_closure_gets_one() -> None:
    policy = Policy("lbfgs", 0.1, {"line_search_fn": "strong_wolfe", "max_iter": 3})
    trace = run(find("digits"), policy, updates=3)
    assert trace.ended == "finished", trace.error
    assert trace.loss[0] == run(find("digits"), SGD, updates=1).loss[0], "the loss is measured before the update"


def test_a_rate_that_is_far_too_high_diverges() -> None:
    trace = run(find("digits-mlp"), Policy("sgd", 1e30), updates=20)
    assert trace.ended == "diverged"
    assert not np.isfinite(trace.loss[-1])
    assert len(trace) < 20


def test_an_unknown_optimizer_fails_the_run_and_says_so() -> None:
    trace = run(find("digits"), Policy("adamq", 0.1))
    assert trace.ended == "failed"
    assert trace.error is not None
    assert "did you mean 'adam'" in trace.error


def test_the_split_is_stratified_fixed_and_without_overlap() -> None:
    data = module._data()
    nine, images = data.train.shape[:2]
    assert (nine, images + len(data.held_out)) == (9, 1797)
    for digit in range(10):
        kept, held = (data.train_labels == digit).sum(), (data.held_out_labels == digit).sum()
        assert held == -(-(kept + held) // 4)
    centre = {image.numpy().tobytes() for image in data.train[4]}
    assert sum(image.numpy().tobytes() in centre for image in data.held_out) == 0
    assert abs(float(data.train[4].mean())) < 1e-5


def test_training_images_are_shifted_by_at_most_one_pixel() -> None:
    data = module._data()
    centre = data.train[4, 0, 0]
    assert torch.equal(data.train[0, 0, 0, 1:, 1:], centre[:-1, :-1])
    assert torch.equal(data.train[8, 0, 0, :-1, :-1], centre[1:, 1:])


def test_an_epoch_shows_every_image_at_most_once(task: Task) -> None:
    data = module._data()
    per_epoch = data.train.shape[1] // module.BATCH
    assert task.meta["updates_per_epoch"] == per_epoch
    assert task.meta["batch_size"] == module.BATCH
    batches = module._batches(data, seed=0)
    labels = [next(batches)[1] for _ in range(per_epoch)]
    counts = torch.cat(labels).bincount()
    assert (counts <= data.train_labels.bincount()).all()


def test_docstrings_say_how_large_the_networks_are() -> None:
    for network, task in ((module._conv_net, module.digits), (module._perceptron, module.digits_mlp)):
        with torch.random.fork_rng(devices=[]):
            size = sum(parameter.numel() for parameter in network().parameters())
        assert f"{size:,} parameters" in str(task.__doc__)


def test_looking_up_names_does_not_import_torch() -> None:
    program = "import sys; import learnrate.tasks as t; list(t.TASKS); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
