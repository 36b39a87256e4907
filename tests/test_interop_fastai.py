"""fastai: its own file of schedules, run by a learner reduced to the loop that asks them."""

from __future__ import annotations

import collections
import functools
import math
import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastcore.all
import numpy as np
import pytest
import torch

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError
from learnrate.interop import fastai as ours
from learnrate.spec import draw
from parity import DRAWS, FLOAT32, FLOAT64, agree, draws, every, updates_for
from peers import load

SIZES = [1, 2, 3, 7, 10, 40]


class Optimizer:
    """One param group and its settings."""

    def __init__(self) -> None:
        self.hypers = [{"lr": 0.0, "mom": 0.0}]

    def set_hyper(self, name: str, value: Any) -> None:
        last = value.stop if isinstance(value, slice) else value
        self.hypers[-1][name] = float(np.asarray(last).reshape(-1)[-1])


class Callback:
    """What the real callbacks ask is the learner's to answer."""

    def __getattr__(self, name: str) -> Any:
        if name == "learn":
            raise AttributeError(name)
        return getattr(self.learn, name)


class Learner:
    """The training loop of the library, without a model: progress goes from epoch / epochs up by equal shares."""

    def __init__(self, batches: int, rate: float) -> None:
        self.opt, self.lr, self.moms, self.batches = Optimizer(), rate, (0.95, 0.85, 0.95), batches
        self.rates: list[float] = []
        self.momenta: list[float] = []

    def freeze(self) -> None: ...

    def unfreeze(self) -> None: ...

    def fit(self, n_epoch: int, cbs: Any, start_epoch: int = 0, **_: Any) -> None:
        for callback in cbs:
            callback.learn = self
            callback.before_fit()
        for epoch in range(start_epoch, n_epoch):
            self.pct_train = epoch / n_epoch
            for _batch in range(self.batches):
                for callback in cbs:
                    callback.before_batch()
                self.rates.append(self.opt.hypers[-1]["lr"])
                self.momenta.append(self.opt.hypers[-1]["mom"])
                self.pct_train += 1.0 / (self.batches * n_epoch)


BASICS = {name: value for name, value in vars(fastcore.all).items() if not name.startswith("__")} | {
    "np": np,
    "torch": torch,
    "math": math,
    "functools": functools,
    "collections": collections,
    "tempfile": tempfile,
    "Path": Path,
    "tensor": lambda values: torch.as_tensor(list(values)),
    "Callback": Callback,
    "Learner": Learner,
    "Recorder": type("Recorder", (), {}),
}
REAL = load(
    "fastai",
    "fastai/callback/schedule.py",
    ["fastai.basics", "fastai.callback.tracker"],
    "fastai.callback.schedule",
    fastai__basics=BASICS,
)


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """`combine_scheds` computes in torch's default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


PRECISIONS = [torch.float64, torch.float32]


def tolerance(dtype: torch.dtype, *shares: float) -> float:
    """In float32 the library divides a rounded progress by the share, which enlarges the error."""
    return FLOAT64 if dtype == torch.float64 else FLOAT32 / min(share for share in shares if share)


ANNEALERS = ["SchedLin", "SchedCos", "SchedNo", "SchedExp", "SchedPoly"]


def annealer(name: str, rng: random.Random) -> Any:
    changes: dict[str, Any] = {"num_updates": rng.choice(SIZES)}
    if name == "SchedPoly" and rng.random() < 0.3:
        changes["power"] = rng.choice([0, 1, 2])
    if name == "SchedExp" and rng.random() < 0.1:
        changes["end"] = 0.0
    return draw(getattr(ours, name), rng).replace(**changes)


def theirs(schedule: Any) -> Any:
    values = schedule.parameters()
    del values["num_updates"]
    if isinstance(schedule, ours.combine_scheds):
        return REAL.combine_scheds(list(schedule.pcts), [theirs(sched) for sched in schedule.scheds])
    return getattr(REAL, type(schedule).__name__)(**values)


def asked(function: Any, run: int) -> list[float]:
    return [function(update / run) for update in range(updates_for(run))]


@pytest.mark.parametrize("name", ANNEALERS)
def test_every_annealer_agrees(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule = annealer(name, rng)
        return schedule, asked(theirs(schedule), schedule.num_updates)

    every(f"fastai {name}", case, FLOAT64)


def combined(rng: random.Random) -> Any:
    """Shares of at least a tenth, some of them empty, whose float sum is exactly 1, as the library asserts."""
    while True:
        cuts = sorted(rng.sample(range(1, 10), rng.randint(0, 3)))
        shares = [(b - a) / 10 for a, b in zip([0, *cuts], [*cuts, 10], strict=True)]
        if rng.random() < 0.2:
            shares.insert(rng.randrange(len(shares)), 0.0)
        if sum(shares) == 1:
            break
    scheds = [annealer(rng.choice(ANNEALERS[:4]), rng).replace(num_updates=1) for _ in shares]
    return ours.combine_scheds(shares, scheds, rng.choice([3, 10, 40]))


def near(edges: Iterable[float], updates: int) -> set[int]:
    """The updates, fewer than half, that are at a jump: progress is rounded, and so they may have either side's rate.

    The first one never is: progress begins at an exact 0.
    """
    found = {round(edge) for edge in edges if abs(edge - round(edge)) < 1e-9} - {0}
    found = {update for update in found if update < updates}
    assert 2 * len(found) < updates
    return found


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_combined_annealers_agree(dtype: torch.dtype) -> None:
    with precision(dtype):
        for rng in draws("fastai combine_scheds"):
            schedule = combined(rng)
            edges = np.cumsum(schedule.pcts)[:-1] * schedule.num_updates
            run = schedule.num_updates
            rates = asked(theirs(schedule), run)[: run if dtype == torch.float32 else None]
            agree(schedule, rates, tolerance(dtype, *schedule.pcts), near(edges, len(rates)))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_combined_cos_agrees(dtype: torch.dtype) -> None:
    with precision(dtype):
        for rng in draws("fastai combined_cos"):
            schedule = draw(ours.combined_cos, rng).replace(num_updates=rng.choice(SIZES))
            run = schedule.num_updates
            rates = asked(theirs(schedule), run)[: run if dtype == torch.float32 else None]
            agree(schedule, rates, tolerance(dtype, schedule.pct, 1 - schedule.pct))


def fitted(schedule: Any) -> Learner:
    """The rates and momenta that the real method gives a learner."""
    values = schedule.parameters()
    name = type(schedule).__name__
    learner = Learner(values.pop("updates_per_epoch"), 0.001 if name == "fit_flat_cos" else values.pop("lr", 0.001))
    getattr(learner, name)(**values)
    return learner


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", ["fit_one_cycle", "fit_flat_cos", "fine_tune"])
def test_every_fit_agrees(name: str, dtype: torch.dtype) -> None:
    """To the end of the run, after which the library makes no update."""
    with precision(dtype):
        for rng in draws(f"fastai {name}"):
            schedule = draw(getattr(ours, name), rng)
            if rng.random() < 0.3:
                schedule = schedule.replace(updates_per_epoch=rng.choice([1, 2, 3]))
            share = 0.99 if name == "fine_tune" else schedule.pct_start
            allowed = tolerance(dtype, share, 1 - share)
            learner = fitted(schedule)
            if not learner.rates:
                continue
            agree(schedule, learner.rates, allowed)
            if name != "fit_flat_cos":
                agree(schedule.momentum, learner.momenta, allowed)


def test_restarts_agree() -> None:
    """Where the library accepts its own shares: it asserts that their float sum is exactly 1."""
    compared = 0
    with precision(torch.float64):
        for rng in draws("fastai fit_sgdr", 2 * DRAWS):
            schedule = draw(ours.fit_sgdr, rng)
            try:
                learner = fitted(schedule)
            except AssertionError:
                continue
            first, mult = schedule.cycle_len * schedule.updates_per_epoch, schedule.cycle_mult
            starts = [first * (mult**k - 1) // (mult - 1) for k in range(1, schedule.n_cycles)]
            skipped = schedule.start_epoch * schedule.updates_per_epoch
            if learner.rates:
                edges = [start - skipped for start in starts if start >= skipped]
                agree(schedule, learner.rates, FLOAT64, near(edges, len(learner.rates)))
                compared += 1
    assert compared >= DRAWS


def test_the_range_test_agrees() -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule = draw(ours.lr_find, rng)
        finder = REAL.LRFinder(schedule.start_lr, schedule.end_lr, schedule.num_it)
        return schedule, [finder.scheds["lr"](update / finder.num_it) for update in range(finder.num_it)]

    every("fastai lr_find", case, FLOAT64)


@pytest.mark.parametrize(
    ("schedule", "updates", "rates"),
    [
        pytest.param(
            ours.SchedCos(1.0, 0.1, 10), [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.122, 0.55, 1], id="table B"
        ),
        pytest.param(ours.SchedPoly(1.0, 0.1, 2.0, 10), [5, 15], [0.775, -1.025], id="table C"),
        pytest.param(
            ours.fit_one_cycle(10, 1.0, pct_start=0.3),
            [0, 1, 2, 3, 9, 10],
            [0.04, 0.28, 0.76, 1, 0.0495, 1e-5],
            id="table F",
        ),
    ],
)
def test_rows_of_the_tables(schedule: Schedule, updates: list[int], rates: list[float]) -> None:
    np.testing.assert_allclose(schedule(updates), rates, atol=5.1e-4, rtol=0)


def test_equal_cycles_divide_by_zero_in_the_library_and_are_an_error_here() -> None:
    with pytest.raises(ZeroDivisionError):
        Learner(1, 0.1).fit_sgdr(2, 1, cycle_mult=1)
    with pytest.raises(ParameterError, match=r"fit_sgdr.cycle_mult must be >= 2, got 1"):
        ours.fit_sgdr(2, 1, cycle_mult=1)


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (ours.SchedCos(1.0, 0.1, 10), 10, []),
        (ours.SchedCos(1.0, 0.1, 10), 15, ["rises past the end"]),
        (ours.SchedLin(1.0, 0.0, 10), 15, ["negative past the end"]),
        (ours.SchedPoly(1.0, 0.0, 2.0, 10), 15, ["negative past the end"]),
        (ours.SchedExp(0.1, 1.0, 10), 15, ["rises past the end"]),
        (ours.combined_cos(0.5, 0.1, 1.0, 0.0, 10), 15, ["rises past the end"]),
        (ours.combined_cos(0.25, 0.1, 1.0, 0.0, 10), 10, ["peak never reached"]),
        (ours.combined_cos(1.0, 0.1, 1.0, 0.0, 10), 10, ["peak never reached"]),
        (ours.combined_cos(0.3, 0.1, 1.0, 0.0, 10), 2, []),
        (ours.combined_cos(0.25, 0.95, 0.85, 0.95, 10), 10, []),
        (ours.combined_cos(0.25, 0.1, 1.0, 0.0), 1, []),
        (ours.fit_one_cycle(10, 1.0), 15, ["peak never reached"]),
        (ours.fit_one_cycle(10, 1.0, pct_start=0.3), 15, []),
        (ours.fit_one_cycle(10, 1.0, pct_start=0.3, start_epoch=5), 5, []),
        (ours.fine_tune(2, 1.0, updates_per_epoch=10), 30, ["peak never reached"]),
        (ours.fine_tune(2, 1.0, updates_per_epoch=10, pct_start=0.21), 30, ["peak never reached"] * 2),
        (ours.fine_tune(2, 1.0, updates_per_epoch=10, pct_start=0.21), 10, ["peak never reached"]),
        (ours.fine_tune(2, 1.0, updates_per_epoch=100), 300, []),
        (ours.fit_flat_cos(10, 1.0, start_epoch=2), 10, ["argument without effect"]),
        (ours.fit_flat_cos(10, 1.0), 10, []),
    ],
)
def test_quirks_are_said_where_they_show(schedule: Any, run: int, names: list[str]) -> None:
    assert [finding.name for finding in schedule.quirks(run)] == names


def test_the_peak_that_is_missed_is_said_with_numbers() -> None:
    (finding,) = ours.fit_one_cycle(10, 1.0).quirks(10)
    assert finding.evidence["highest"] == pytest.approx(0.98907, abs=1e-5)
    _, later = ours.fine_tune(2, 1.0, updates_per_epoch=10, pct_start=0.21).quirks(30)
    assert (later.evidence["peak"], later.evidence["counted from"]) == (0.5, 10)


def test_the_learner_s_own_settings_are_taken_for_none() -> None:
    assert ours.fit_one_cycle(3, lr_max=None, moms=None, wd=None, cbs=None) == ours.fit_one_cycle(3)
    assert ours.fine_tune(3, moms=None, reset_opt=False) == ours.fine_tune(3)
    assert ours.fit_flat_cos(3, None) == ours.fit_flat_cos(3)


def test_what_fine_tune_hands_on_counts_for_both_cycles() -> None:
    given: dict[str, Any] = {"moms": [0.9, 0.8, 0.7], "div_final": 20.0, "start_epoch": 1, "freeze_epochs": 2}
    learner = Learner(4, 0.1)
    with precision(torch.float64):
        learner.fine_tune(3, 1.0, **given)
    schedule = ours.fine_tune(3, 1.0, updates_per_epoch=4, **given)
    assert len(learner.rates) == 12
    agree(schedule, learner.rates)
    agree(schedule.momentum, learner.momenta)


NAMES = [name for name in ours.__all__ if name != "combine_scheds"]


@pytest.mark.parametrize("make", [combined, *(functools.partial(draw, getattr(ours, name)) for name in NAMES)])
def test_text_and_json_round_trips(make: Any) -> None:
    for seed in range(10):
        schedule = make(rng=random.Random(seed))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule


COSINE = ours.SchedCos(1.0, 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.SchedCos(1.0, 0.1, 0), r"SchedCos.num_updates must be >= 1 updates, got 0"),
        (lambda: ours.SchedCos(1.0, 0.1, pos=1), r"unknown parameter of SchedCos 'pos'; .*num_updates"),
        (lambda: ours.SchedPoly(1.0, 0.1, -1), r"SchedPoly.power must be >= 0, got -1"),
        (lambda: ours.SchedExp(0.0, 0.1), r"SchedExp.start must be > 0 rate, got 0"),
        (lambda: ours.combine_scheds([0.5, 0.4], [COSINE, COSINE]), r"combine_scheds.pcts must sum to 1, got 0.9"),
        (lambda: ours.combine_scheds([1.0], [COSINE, COSINE]), r"combine_scheds.pcts must be 2, one per sched, got 1"),
        (lambda: ours.combine_scheds([1.0], [lr.Constant(1)]), r"combine_scheds: .*names no end"),
        (lambda: ours.fit_one_cycle(3, pct_start=1.0), r"fit_one_cycle.pct_start must be < 1, got 1.0"),
        (lambda: ours.fit_one_cycle(3, slice(0.1, 1.0)), r"lr_max must be one rate, got slice.*one schedule per group"),
        (lambda: ours.fit_sgdr(2, 1, slice(1.0)), r"fit_sgdr.lr_max must be one rate, got slice.*\.start .*\.stop"),
        (lambda: ours.fit_flat_cos(2, slice(1.0)), r"fit_flat_cos.lr must be one rate, got slice"),
        (lambda: ours.fine_tune(2, lr_max=0.1), r"unknown parameter of fine_tune 'lr_max'; .*base_lr"),
        (lambda: ours.fine_tune(2, moms=[0.9, 0.8]), r"fine_tune.moms must be 3 numbers, got 2"),
        (lambda: ours.fit_one_cycle(3, moms=[0.9]), r"fit_one_cycle.moms must be 3 numbers, got 1"),
        (lambda: ours.fit_one_cycle(0), r"fit_one_cycle.n_epoch must be >= 1 epochs, got 0"),
    ],
)
def test_what_is_wrong_is_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()
