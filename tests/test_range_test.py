"""The range test and its rules: each rule against the real package on the same losses, and real runs of real tasks."""

from __future__ import annotations

import functools
import inspect
import json
import math
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnrate.errors import ParameterError, TaskError, UnknownName, UsageError
from learnrate.finder.priors import GENERAL, RANGES, rate_range
from learnrate.finder.rules import RULES, Reading, fall, find_rule, suggest
from learnrate.finder.sweep import RangeTest, range_test, read_range_test
from learnrate.policy import Policy
from learnrate.runs import Run, run, task
from learnrate.schedules import Cosine
from learnrate.tasks import find
from learnrate.trace import load_traces, save_traces
from parity import FLOAT32, draws

torch = pytest.importorskip("torch", reason="the packages whose rules are compared need torch")

import ignite.handlers.lr_finder  # noqa: E402
import lightning.pytorch as pl  # noqa: E402
import torch_lr_finder  # noqa: E402
from ignite.engine import Engine  # noqa: E402
from lightning.pytorch.tuner import Tuner  # noqa: E402

import peers_finders as peers  # noqa: E402

CURVES = 80
RECORDED = json.loads((Path(__file__).parent / "recorded" / "lightning.json").read_text())["cases"]
Curve = tuple[list[float], list[float]]


def all_peers(rates: list[float], losses: list[float]) -> dict[str, peers.Answer]:
    """What the four packages say, by the name of our rule."""
    others = {
        "steepest": peers.torch_lr_finder_says(rates, losses),
        "ignite": peers.ignite_says(rates, losses),
        "lightning-2.5.3": peers.lightning_says(rates, losses),
    }
    return others | peers.fastai_says(rates, losses)


def disagreements(rates: list[float], losses: list[float]) -> dict[str, tuple[Reading, peers.Answer]]:
    """Ours and theirs, wherever they differ by more than float32 can hold."""
    ours, theirs = suggest(rates, losses), all_peers(rates, losses)
    return {name: (ours[name], said) for name, said in theirs.items() if not same(ours[name], said)}


def same(ours: Reading, theirs: peers.Answer) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    assert isinstance(ours, float)
    return math.isclose(ours, theirs, rel_tol=FLOAT32)


# --- the rules against the packages ----------------------------------------------------------------------------------


def test_every_rule_agrees_with_its_package_on_drawn_curves() -> None:
    answered: dict[str, set[bool]] = {}
    for rng in draws("range test", CURVES):
        rates, losses = peers.drawn(rng)
        assert not disagreements(rates, losses), f"{len(losses)} losses: {losses}"
        for name, said in suggest(rates, losses).items():
            answered.setdefault(name, set()).add(said is None)
    assert all(seen == {True, False} for seen in answered.values()), "the draws make every rule answer, and refuse"


SPECIAL: dict[str, list[float]] = {
    "falling": np.linspace(9, 1, 60).tolist(),
    "rising": np.linspace(1, 9, 60).tolist(),
    "a stair": [2.0] * 30 + [1.0] * 30,
    "zero": [0.0] * 60,
    "below zero, falling": (-np.linspace(1, 3, 60)).tolist(),
    "below zero, rising": np.linspace(-3, -1, 60).tolist(),
    "nothing but NaN": [math.nan] * 60,
    "NaN at once after the points left out": [*np.linspace(2, 1, 11).tolist(), *[math.nan] * 49],
    "infinite at first": [math.inf] + [1.0] * 59,
    "beyond float32": np.geomspace(1, 1e300, 60).tolist(),
    "a NaN in the middle": [*np.linspace(2, 1, 30).tolist(), math.nan, *np.linspace(1, 0.5, 29).tolist()],
    "the fewest points of torch-lr-finder": np.linspace(2, 1, 17).tolist(),
    "one too few": np.linspace(2, 1, 16).tolist(),
    "two": [2.0, 1.0],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_every_rule_agrees_with_its_package_on_special_curves(name: str) -> None:
    losses = SPECIAL[name]
    assert not disagreements(np.geomspace(1e-6, 1, len(losses)).tolist(), losses)


def test_the_rule_before_2_5_3_is_what_lightning_2_5_2_said() -> None:
    chosen = 0
    for case in RECORDED:
        rates = np.geomspace(1e-7, 10, len(case["losses"])).tolist()
        expected = None if case["chosen"] is None else rates[case["chosen"]]
        assert RULES["lightning"](rates, case["losses"]) == expected
        chosen += expected is not None and RULES["lightning-2.5.3"](rates, case["losses"]) != expected
    assert chosen > 5, "the change of rule is seen in these curves"


# --- whole tests of the packages on a real model ---------------------------------------------------------------------


class Seen:
    """A small regression whose loss is written down as the package sees it; the rate that is used, too."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(3)
            self.model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
            self.inputs = torch.randn(40, 8, 4)
            self.targets = torch.sin(self.inputs.sum(dim=2, keepdim=True)) + 0.1 * torch.randn(40, 8, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)
        self.losses: list[float] = []
        self.rates: list[float] = []

    def loss(self, outputs: Any, targets: Any) -> Any:
        error = torch.nn.functional.mse_loss(outputs, targets)
        self.losses.append(error.item())
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        return error

    def update(self) -> float:
        at = len(self.losses) % len(self.inputs)
        self.optimizer.zero_grad()
        error = self.loss(self.model(self.inputs[at]), self.targets[at])
        error.backward()
        self.optimizer.step()
        return float(error.item())

    @property
    def loader(self) -> Any:
        return torch.utils.data.DataLoader(list(zip(self.inputs, self.targets, strict=True)), batch_size=None)


def test_a_whole_test_of_torch_lr_finder() -> None:
    seen = Seen()
    finder = torch_lr_finder.LRFinder(seen.model, seen.optimizer, seen.loss, device="cpu")
    with peers.silent():
        finder.range_test(seen.loader, start_lr=1e-4, end_lr=100, num_iter=100)
        said = peers.answered(lambda: finder.plot(ax=peers.mock.MagicMock())[1])
    assert len(seen.losses) < 100, "it stopped by itself"
    assert said is not None
    assert same(RULES["steepest"](seen.rates, seen.losses), said)


def test_a_whole_test_of_ignite_and_its_rates_which_are_one_late() -> None:
    seen, finder = Seen(), ignite.handlers.lr_finder.FastaiLRFinder()
    engine = Engine(lambda engine, batch: seen.update())
    saved = {"model": seen.model, "optimizer": seen.optimizer}
    with peers.silent(), finder.attach(engine, saved, start_lr=1e-4, end_lr=100.0, num_iter=100) as test:
        test.run(range(100))
    labels, said = finder.get_results()["lr"], finder.lr_suggestion()
    assert same(RULES["ignite"](labels, seen.losses), said)
    np.testing.assert_allclose(labels[:-1], seen.rates[1:], rtol=FLOAT32)
    place = RULES["ignite"](range(len(seen.losses)), seen.losses)
    assert isinstance(place, float)
    assert seen.rates[int(place) + 1] == pytest.approx(said)


class Module(pl.LightningModule):  # type: ignore[misc]
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.model, self.seen, self.lr = seen.model, seen, 1e-3

    def training_step(self, batch: Any, index: int) -> Any:
        return self.seen.loss(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return self.seen.optimizer


def test_a_whole_test_of_lightning(tmp_path: Path) -> None:
    seen = Seen()
    quiet: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary"), False)
    with peers.silent():
        trainer = pl.Trainer(default_root_dir=tmp_path, accelerator="cpu", max_epochs=9, **quiet)
        finder = Tuner(trainer).lr_find(Module(seen), seen.loader, min_lr=1e-4, max_lr=100, num_training=100)
    assert finder is not None
    said = finder.suggestion()
    assert len(seen.losses) < 100, "it stopped by itself"
    assert said is not None
    assert same(RULES["lightning-2.5.3"](seen.rates, seen.losses), said)
    assert finder.results["loss"][0] == pytest.approx(seen.losses[0] * 0.02 / (1 - 0.98**2)), "half of the true one"


def test_a_whole_test_of_fastai() -> None:
    seen = Seen()

    def train(rate: float) -> float:
        seen.optimizer.param_groups[0]["lr"] = rate
        return seen.update()

    said = peers.asked(peers.Learner(40, train), 100)
    assert 40 < len(seen.losses) < 100, "it stopped by itself"
    planned = np.geomspace(1e-7, 10, 101)[:100]
    np.testing.assert_allclose(planned[: len(seen.rates)], seen.rates)
    ours = suggest(planned, seen.losses)
    assert [name for name in peers.FASTAI if not same(ours[name], said[name])] == []


# --- real range tests ------------------------------------------------------------------------------------------------


@functools.cache
def real(name: str, optimizer: str, high: float | None = None) -> RangeTest:
    return range_test(find(name), optimizer, high=high, settings={"momentum": 0.9} if optimizer == "sgd" else {})


CASES = [("digits", "adamw", None), ("digits", "sgd", None), ("digits-mlp", "adamw", None), ("digits-mlp", "sgd", 1e6)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_packages_say_the_same_of_real_runs(case: Any) -> None:
    test = real(*case)
    rates = test.trace.policy.lr.curve(test.planned).tolist()  # type: ignore[union-attr]
    losses = test.losses.tolist()
    if test.trace.ended == "diverged":  # the packages would have gone on, and seen nothing but NaN
        losses += [math.nan] * (test.planned - len(losses))
    theirs = all_peers(rates, losses)
    assert [name for name, said in theirs.items() if not same(test.suggestions[name], said)] == []
    assert test.suggestions["smith"] is not None
    assert set(test.suggestions) == set(RULES)


def test_the_run_is_that_of_the_rising_schedule() -> None:
    test = real("digits", "adamw")
    low, _, high = rate_range("adamw")
    assert test.rates[0] == low
    np.testing.assert_allclose(test.rates, np.geomspace(low, high, 100)[: len(test.rates)])
    policy = test.trace.policy
    assert policy is not None
    again = run(find("digits"), policy, updates=100)
    np.testing.assert_array_equal(again.loss[: len(test.losses)], test.losses)
    assert test.trace.meta["updates"] == test.planned == 100
    evaluations = len(test.trace.evaluations["update"])
    assert test.updates == len(test.rates) + evaluations * find("digits").evaluation


def test_nothing_of_the_test_remains() -> None:
    digits, policy = find("digits"), Policy("sgd", Cosine(0.1))
    before, state = run(digits, policy, updates=20), torch.get_rng_state()
    first, second = (range_test(digits, "sgd", updates=40) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert run(digits, policy, updates=20) == before
    assert first == second
    assert first != range_test(digits, "sgd", updates=40, seed=1)


def test_a_good_rate_is_among_the_suggestions_on_digits() -> None:
    read = real("digits", "adamw").suggestions
    named = [rate for rate in (read["steepest"], read["valley"]) if isinstance(rate, float)]
    untrained = run(find("digits"), Policy("adamw", 0.0), updates=100).objective
    reached = [run(find("digits"), Policy("adamw", Cosine(rate)), updates=100).objective for rate in named]
    assert untrained is not None
    assert min(loss for loss in reached if loss is not None) < 0.6 * untrained


def test_it_stops_when_the_loss_is_not_finite_and_shows_the_rules_what_packages_see() -> None:
    test = real("digits-mlp", "sgd", 1e6)
    assert test.trace.ended in ("diverged", "stopped")
    assert len(test.rates) < 100
    assert "ended early" in {finding.name for finding in test.findings}


# --- made-up tasks: what the test does -------------------------------------------------------------------------------


def curve_task(losses: Callable[[float], float], length: int = 200) -> Any:
    """A task whose loss is a function of the rate alone; it is never evaluated."""

    @task(updates=length, objective="never")
    def made(policy: Policy, seed: int) -> Iterator[dict[str, float]]:
        for t in range(length):
            yield {"loss": losses(policy.lr(t))}

    return made


def u_shaped(rate: float) -> float:
    return 2.3 - 2 / (1 + (1e-3 / rate) ** 2) + 40 * rate**2


def names(test: RangeTest) -> list[str]:
    return [finding.name for finding in test.findings]


def test_the_whole_range_is_made_without_an_evaluation() -> None:
    test = range_test(curve_task(lambda rate: 2.0), low=1e-3, high=1e-1)
    assert (len(test.rates), test.planned, test.updates, test.trace.ended) == (100, 100, 100.0, "finished")
    assert (test.rates[0], test.rates[-1]) == (1e-3, pytest.approx(1e-1, rel=1e-12))
    assert len(test.trace.evaluations["update"]) == 0
    assert names(test) == ["not falling"]


def test_it_may_rise_in_a_straight_line() -> None:
    test = range_test(curve_task(lambda rate: 2.0), low=0, high=1, updates=5, rising="linear")
    np.testing.assert_allclose(test.rates, [0, 0.25, 0.5, 0.75, 1])
    assert names(test) == ["too few points"]


def test_it_stops_at_the_limit_that_is_given() -> None:
    made = curve_task(u_shaped)
    lengths = [len(range_test(made, high=100, stop_above=above).rates) for above in (1.5, 4.0, None)]
    assert lengths[0] < lengths[1] < lengths[2] == 100
    test = range_test(made, high=100)
    average = peers_average(test.losses)
    assert average[-1] > 4 * min(average) >= average[-2]
    assert test.trace.ended == "stopped"
    (ended,) = test.findings
    assert (ended.name, ended.severity, ended.evidence["updates"]) == ("ended early", "note", lengths[1])


def peers_average(losses: Any) -> list[float]:
    """fastai's own average of the losses, by its own code."""
    learner = peers.Learner(1, lambda rate: 0.0)
    averages = []
    for loss in losses:
        learner.loss = torch.tensor(loss, dtype=torch.float32)
        learner.smooth.accumulate(learner)
        averages.append(float(learner.smooth.value))
    return averages


def test_losses_below_zero_do_not_stop_it() -> None:
    def likelihood(rate: float) -> float:
        return 1.0 - 8 / (1 + (1e-3 / rate) ** 2)

    test = range_test(curve_task(likelihood), high=1e-1)
    assert len(test.rates) == 100
    assert names(test) == ["edge of range"]
    assert len(range_test(curve_task(lambda rate: likelihood(rate) + 1e5 * rate**2), high=1e-1).rates) < 100


def test_what_is_wrong_with_a_curve_is_said() -> None:
    nan = range_test(curve_task(lambda rate: u_shaped(rate) if rate < 1e-6 else math.nan))
    assert names(nan) == ["ended early", "too few points"]
    assert nan.trace.ended == "diverged"
    assert nan.findings[0].severity == "warning"
    assert math.isnan(nan.losses[-1])
    noise = random.Random(0)
    noisy = curve_task(lambda rate: 2 + noise.gauss(0, 0.3))
    assert all(names(range_test(noisy, stop_above=None)) == ["not falling"] for _ in range(10))
    falling = range_test(curve_task(lambda rate: 1 / (1 + 100 * rate)), high=1.0)
    assert names(falling) == ["edge of range"]
    assert falling.findings[0].evidence["rate"] > 0.1


def test_a_task_that_fails_keeps_its_curve_and_one_that_never_starts_says_why() -> None:
    def broken(rate: float) -> float:
        if rate > 1e-2:
            raise RuntimeError("the matrix is singular")
        return u_shaped(rate)

    test = range_test(curve_task(broken))
    (failed, *_) = test.findings
    assert (failed.name, failed.severity) == ("failed", "error")
    assert "the matrix is singular" in failed.advice
    assert len(test.losses) > 60
    with pytest.raises(TaskError, match="before its first update: UnknownName: unknown optimizer") as error:
        range_test(find("digits"), "adamq")
    assert error.value.trace.ended == "failed"


def test_whoever_watches_sees_every_update_and_may_end_it() -> None:
    seen: list[int] = []

    def watch(live: Run) -> None:
        seen.append(live.t)
        if live.t == 30:
            live.close()

    test = range_test(curve_task(u_shaped), on_update=watch)
    assert seen == list(range(1, 31))
    assert len(test.rates) == 30
    assert names(test)[0] == "ended early"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0.0}, r"low must be > 0 rate, got 0\.0"),
        ({"high": math.inf}, "high must be a finite number"),
        ({"low": 1e-9, "high": 1e-9}, "low must be < high"),
        ({"low": 5.0}, "low must be < high .rate., got low=5 and high=1; give both"),
        ({"updates": 1}, "updates must be >= 2 updates, got 1"),
        ({"updates": 2.5}, "updates must be a whole number"),
        ({"stop_above": 1.0}, "stop_above must be > 1"),
        ({"rising": "cosine"}, "rising must be one of 'exponential', 'linear', got 'cosine'"),
        ({"optimizer": 3}, "must be the name of an optimizer"),
        ({"settings": {"lr": 1}}, "lr"),
        ({"seed": -1}, "seed must be >= 0"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        range_test(curve_task(u_shaped), **arguments)


def test_what_is_no_task_and_what_is_too_short() -> None:
    with pytest.raises(UsageError, match="run needs a task"):
        range_test(lambda policy, seed: None)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="returned after 10 of 100 updates"):
        range_test(curve_task(u_shaped, length=10))


# --- values ----------------------------------------------------------------------------------------------------------


def test_a_kept_trace_is_read_again_to_the_same_answer(tmp_path: Path) -> None:
    for test in (
        real("digits", "adamw"),
        range_test(curve_task(lambda rate: u_shaped(rate) if rate < 0.01 else math.nan)),
    ):
        save_traces(tmp_path / "test.traces", test.trace)
        (kept,) = load_traces(tmp_path / "test.traces")
        assert read_range_test(kept, updates=test.updates) == test
        assert pickle.loads(pickle.dumps(test)) == test
        data = json.loads(json.dumps(test.to_json(), allow_nan=False))
        assert data["suggestions"]["steepest"] == test.suggestions["steepest"]
        assert [finding["name"] for finding in data["findings"]] == names(test)


def test_a_result_cannot_be_changed() -> None:
    test = real("digits", "adamw")
    with pytest.raises(AttributeError):
        test.planned = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="part of a value"):
        test.suggestions["steepest"] = 1.0  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        test.losses[0] = 1.0


# --- Smith's pair ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_smith_names_where_the_fall_starts_and_where_it_gets_ragged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rates = np.geomspace(1e-6, 1, 120)
    place = np.log10(rates)
    losses = 2.3 - np.clip(place + 4, 0, 2.5) * 0.8 + rng.normal(0, 0.03, 120)
    losses[place > -1.5] += rng.uniform(0, 2, int((place > -1.5).sum()))
    pair = RULES["smith"](rates, losses)
    assert isinstance(pair, tuple)
    base, most = np.log10(pair)
    assert -4.1 < base < -3.3, "a tenth of the fall from 1e-4 on"
    assert -1.9 < most < -1.3
    assert RULES["smith"](rates, losses * 1000) == pair, "the unit of the loss says nothing"


def test_a_fall_stands_out_from_the_noise_or_is_none() -> None:
    rng = np.random.default_rng(0)
    pure = [fall(2 + rng.normal(0, 0.1, 100)) for _ in range(200)]
    assert sum(seen is not None for seen in pure) <= 10, "of pure noise, at most one in twenty"
    real_fall = fall(np.linspace(2, 1.5, 100) + rng.normal(0, 0.1, 100))
    assert real_fall is not None
    assert real_fall.start - real_fall.lowest == pytest.approx(0.5, abs=0.15)


# --- what the rules refuse -------------------------------------------------------------------------------------------


def test_rules_refuse_what_is_no_curve() -> None:
    for name, rule in RULES.items():
        with pytest.raises(ParameterError, match="rates must be finite numbers >= 0"):
            rule([0.1, math.nan], [1.0, 2.0])
        with pytest.raises(ParameterError, match="3 losses and 2 rates"):
            rule([0.1, 0.2], [1.0, 2.0, 3.0])
        with pytest.raises(ParameterError, match="losses must be a list of numbers"):
            rule([0.1, 0.2], ["1", "2"])
        with pytest.raises(ParameterError, match="rates must be a list of numbers"):
            rule([[0.1], [0.2, 0.3]], [1.0])
        assert rule([], []) is None
        assert find_rule(name) is rule
        assert rule.name == name
    with pytest.raises(UnknownName, match="unknown rule 'steppest'; did you mean 'steepest'"):
        find_rule("steppest")


def test_a_rule_leaves_what_it_reads_as_it_was() -> None:
    rates, losses = np.geomspace(1e-6, 1, 60), np.linspace(2, 1, 60)
    suggest(rates, losses)
    np.testing.assert_array_equal(rates, np.geomspace(1e-6, 1, 60))
    np.testing.assert_array_equal(losses, np.linspace(2, 1, 60))


# --- where to look ---------------------------------------------------------------------------------------------------


def test_every_optimizer_of_torch_has_a_range() -> None:
    from learnrate.torch.building import optimizer_classes

    for name, cls in optimizer_classes().items():
        assert name in RANGES, f"torch has an optimizer {name!r}: say where to look for its rate"
        low, usual, high = RANGES[name]
        default = float(inspect.signature(cls).parameters["lr"].default)
        assert low < default < high
        assert usual / 100 <= default <= 100 * usual


@pytest.mark.parametrize("name", [*RANGES, "of_my_own"])
def test_ranges_hold_fine_tuning_and_divergence(name: str) -> None:
    low, usual, high = rate_range(name)
    assert low <= usual / 1000, "fine-tuning takes a rate 100 times lower, and the best must not be at the edge"
    assert high >= 100 * usual
    assert (rate_range(name) is GENERAL) == (name == "of_my_own")
