"""The embedded CartPole task: real episodes of Gymnasium's environment, and a return that is better when it is more."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from learnrate.policy import Policy
from learnrate.runs import Run, check_pairing, run
from learnrate.schedules import Constant, Cosine, Linear
from learnrate.tasks import find
from learnrate.trace import Trace

torch = pytest.importorskip("torch", reason="the task trains with torch")
gymnasium = pytest.importorskip("gymnasium", reason="the task plays Gymnasium's CartPole")

from learnrate.tasks import cartpole as module  # noqa: E402

TASK = module.cartpole
GOOD = Policy("adamw", Linear(0.02, 0))
BAD = Policy("adamw", 1e-4)
SGD = Policy("sgd", Linear(0, 1, "10%") >> Cosine(1), {"momentum": 0.9})


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """No run may leave a trace in the process: not in the number of threads, not in any global random state."""
    torch.set_num_threads(2)
    torch.manual_seed(1234)
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - it must stay as it is
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1][1])  # noqa: NPY002
    assert np.random.get_state()[2:] == before[1][2:]  # noqa: NPY002
    assert random.getstate() == before[2]
    assert torch.get_num_threads() == 2


def test_a_good_rate_balances_the_pole_and_a_bad_one_does_not() -> None:
    good = [run(TASK, GOOD, seed) for seed in range(2)]
    bad = [run(TASK, BAD, seed) for seed in range(2)]
    high = [run(TASK, Policy("sgd", 30, {"momentum": 0.9}), seed) for seed in range(2)]
    for trace in (*good, *bad, *high):
        assert trace.ended == "finished", trace.error
        assert 8 <= trace.objective <= 500
    assert min(trace.objective for trace in good) > 400
    assert max(trace.objective for trace in (*bad, *high)) < 120
    assert min(trace.loss[-5:].mean() for trace in bad) > 3 * max(trace.loss[-5:].mean() for trace in good)


def test_more_is_better() -> None:
    assert find("cartpole") is TASK
    assert (TASK.objective, TASK.mode) == ("return", "max")
    assert TASK.better(400, 300)
    trace = run(TASK, GOOD, updates=14)
    assert trace.evaluations["update"].tolist() == [12, 14]
    assert trace.objective == trace.evaluations["return"][-1]


def test_the_same_seed_gives_the_same_trace_bit_for_bit() -> None:
    first = run(TASK, SGD, seed=1, updates=12)
    torch.rand(3)
    torch.manual_seed(1234)
    torch.set_num_threads(1)
    second = run(TASK, SGD, seed=1, updates=12)
    torch.set_num_threads(2)
    assert first == second
    assert first.loss.tobytes() == second.loss.tobytes()
    assert first != run(TASK, SGD, seed=2, updates=12)


def test_another_process_gives_the_same_trace() -> None:
    program = (
        "import json, sys; from learnrate.tasks import find; from learnrate.runs import run;"
        "from learnrate.notation import parse;"
        "print(json.dumps(run(find('cartpole'), parse(sys.argv[1]), seed=3, updates=10).to_json()))"
    )
    command = [sys.executable, "-W", "error", "-c", program, repr(GOOD)]
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert Trace.from_json(json.loads(printed.stdout)) == run(TASK, GOOD, seed=3, updates=10)


def test_runs_of_a_seed_are_paired_across_policies() -> None:
    still, warm = Policy("sgd", 0.0), Policy("sgd", Linear(0.0, 0.1))
    traces = [run(TASK, policy, seed, updates=2) for seed in (0, 1) for policy in (SGD, GOOD, still, warm)]
    assert check_pairing(traces) is None
    assert len({trace.loss[0] for trace in traces}) == 2, "bit for bit, one first loss per seed"
    assert traces[2].loss[1] == traces[3].loss[1], "the second episodes are the same too: at rate 0 nothing has moved"


def test_the_rate_is_what_the_schedule_says() -> None:
    trace = run(TASK, SGD, updates=12)
    np.testing.assert_allclose(trace.rate, SGD.over(12).lr.curve(12), rtol=1e-12)
    halved = run(TASK, SGD.replace(lr=0.5 * SGD.lr), updates=12)
    assert halved.loss[0] == trace.loss[0]
    assert halved.loss[-1] != trace.loss[-1]


def test_a_run_continues_from_its_snapshot_bit_for_bit() -> None:
    whole = run(TASK, SGD, seed=4, updates=12)
    live = Run(TASK, SGD, seed=4, updates=12).advance(5)
    taken = live.snapshot()
    saved = io.BytesIO()
    torch.save(taken.state, saved)
    saved.seek(0)
    torch.load(saved, weights_only=True)
    forked = Run(TASK, SGD, seed=4, updates=12, snapshot=taken).advance().trace()
    np.testing.assert_array_equal(forked.loss, whole.loss)
    assert forked.objective == whole.objective == live.advance().trace().objective


def test_a_rate_without_bounds_diverges() -> None:
    trace = run(TASK, Policy("sgd", 1e30, {"weight_decay": 1.0}), updates=6)
    assert trace.ended == "diverged", trace.error
    assert len(trace) < 6


def test_a_pickled_task_is_the_same_task() -> None:
    assert pickle.loads(pickle.dumps(TASK)) is TASK


# -- the episodes


def _model(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return module._network()


def test_episodes_are_those_of_the_single_environment_too() -> None:
    """The vectorised environment moves as the usual one does, from the same start under the same moves."""
    played = module._play(_model(), module._start(7, moves=60, episodes=3))
    single = gymnasium.make("CartPole-v1")
    for episode in range(3):
        single.reset(seed=0)
        single.unwrapped.state = tuple(float(x) for x in played.seen[0, episode] * module._UNITS)
        lasted = int(played.returns[episode])
        for t, move in enumerate(played.moves[:lasted, episode]):
            seen, reward, fallen, _, _ = single.step(int(move))
            assert reward == 1.0
            assert fallen == (t + 1 == lasted)
            if not fallen:
                np.testing.assert_allclose(seen, played.seen[t + 1, episode] * module._UNITS, rtol=1e-4, atol=1e-5)


def test_moves_are_drawn_from_the_policy() -> None:
    played = module._play(_model(), module._start(7, moves=40, episodes=200))
    model = _model()
    alive = torch.from_numpy(played.alive)
    with torch.no_grad():
        said = torch.sigmoid(model(torch.from_numpy(played.seen))[..., 0])[alive]
    pushed = torch.from_numpy(played.moves)[alive].float()
    assert abs(float(said.mean() - pushed.mean())) < 0.02
    assert 0.2 < float(pushed.mean()) < 0.8


def test_an_episode_stops_where_it_is_cut_off_and_counts_every_move() -> None:
    chances = np.full((module.LONGEST, 2), 0.5)
    model = _balancing()
    assert module._play(model, module.Start(1, chances)).returns.tolist() == [500, 500]
    assert module._play(model, module.Start(1, chances[:30])).returns.tolist() == [30, 30]
    assert float(module._loss(model, module.Start(1, chances[:30])).detach()) == 0.0
    assert module._evaluated(model) == {"return": 500.0}


def _balancing() -> torch.nn.Module:
    """The policy of a control engineer: push towards where the pole leans and moves."""
    with torch.random.fork_rng(devices=[]):
        model = torch.nn.Sequential(torch.nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight[:] = 100 * torch.tensor([[0.05, 0.1, 0.2, 0.3]])
        model[0].bias[:] = 0
    return model


def test_advantages_compare_episodes_at_the_same_moment() -> None:
    alive = np.array([[True, True], [True, False], [True, False]])
    d = module.DISCOUNT
    to_come = np.array([[1 + d + d * d, 1], [1 + d, 0], [1, 0]])
    expected = to_come - to_come.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(module._advantages(alive), expected, rtol=1e-6)


def test_the_gradient_makes_longer_episodes_likelier() -> None:
    """Against its definition: the sum of the scores' gradients, weighted by the advantages."""
    model, start = _model(), module._start((3, 0), module.MOVES, module.EPISODES)
    loss = module._loss(model, start)
    loss.backward()
    played = module._play(model, start)
    assert float(loss.detach()) == pytest.approx(1 - played.returns.mean() / module.MOVES)
    got = torch.cat([parameter.grad.ravel() for parameter in model.parameters()])
    advantages = module._advantages(played.alive)[played.alive]
    model.zero_grad()
    right = torch.log(torch.sigmoid(model(torch.from_numpy(played.seen))[..., 0]))
    left = torch.log1p(-torch.exp(right))
    chosen = torch.where(torch.from_numpy(played.moves) == 1, right, left)[torch.from_numpy(played.alive)]
    weighted = chosen * torch.from_numpy(advantages / (advantages.std(ddof=1) + 1e-5))
    (-weighted.mean()).backward()
    wanted = torch.cat([parameter.grad.ravel() for parameter in model.parameters()])
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-6)


def test_evaluations_are_always_the_same_episodes() -> None:
    assert module._evaluated(_model(3)) == module._evaluated(_model(3))
    first, second = (module._start((5, t), module.MOVES, module.EPISODES) for t in range(2))
    starts = module._starts(5)
    for expected in (first, second):
        start = next(starts)
        assert start.seed == expected.seed
        np.testing.assert_array_equal(start.chances, expected.chances)
    assert first.seed != second.seed


def test_without_gymnasium_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "from learnrate.errors import MissingExtra\nfrom learnrate.tasks import find\n"
        "try: find('cartpole')\nexcept MissingExtra as error: print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "gymnasium is not installed; run: pip install 'learnrate[tasks]'"


def test_the_trace_says_what_it_stood_on() -> None:
    trace = run(TASK, Policy("sgd", Constant(0.5)), updates=2)
    assert trace.meta["versions"]["gymnasium"] == gymnasium.__version__
    assert trace.meta["batch_size"] == module.EPISODES
