"""Golden values: the numbers that other libraries gave, written down, for the shapes that have them.

The tables are those of a survey that ran each library on 2026-11-20 (torch 2.13.0, optax 0.2.8, keras 3.15.1, timm
1.0.31, transformers 5.23.0, paddle 3.3.1, mmengine 0.10.7, Megatron-LM, DeepSpeed, OLMo, NeMo, fairseq and others from
their sources). A row is here when it is a shape; a row that is the quirk of one library (a scheduler stepped after the
update, one that bounces past its end) is not. Each says which expression it is. Where the survey printed three or four
digits, that is what is compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from learnrate import (
    SGDR,
    WSD,
    Chebyshev,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    Linear,
    Logarithmic,
    MultiStep,
    Noam,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Schedule,
    SquareRootAnnealing,
    Step,
)


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def agree(schedule: Schedule, updates: Any, values: Any, tolerance: float) -> None:
    updates = list(updates)
    for found in (schedule(updates).tolist(), [schedule(t) for t in updates]):
        assert found == pytest.approx(list(values), rel=0, abs=tolerance), schedule


# --- by epoch, from 0.01

HALVED = [0.01] * 3 + [0.005] * 3 + [0.0025] * 3
EXPONENTIAL = [0.01, 0.0095, 0.009025, 0.00857375, 0.0081450625, 0.007737809375]


def test_rates_by_epoch() -> None:
    epochs = range(9)
    agree(Step(0.01, 0.5, 3), epochs, HALVED, 1e-17)
    agree(Exponential(0.01, 0.5, period=3).every(3), epochs, HALVED, 1e-17)
    agree(Step(0.01, 0.1, 3), epochs, [0.01] * 3 + [0.001] * 3 + [0.0001] * 3, 1e-17)
    agree(MultiStep(0.01, [3, 7], 0.1), epochs, [0.01] * 3 + [0.001] * 4 + [0.0001] * 2, 1e-17)
    agree(PiecewiseConstant([0.01, 0.001, 0.0001], [3, 7]), epochs, [0.01] * 3 + [0.001] * 4 + [0.0001] * 2, 0)
    agree(Exponential(0.01, 0.95), range(6), EXPONENTIAL, 1e-17)
    agree(Exponential(0.01, 0.95), [8], [0.006634204312890623], 1e-17)


def test_curves_over_200_updates() -> None:
    t = np.arange(200)
    waves = Cosine(0.1, 0.001, 50).mirror().repeat()
    assert np.abs(waves.curve(200) - (0.001 + 0.099 * (1 + np.cos(math.pi * t / 50)) / 2)).max() <= 1e-15
    agree(waves, [0, 25, 50, 75, 100, 150, 200], [0.1, 0.0505, 0.001, 0.0505, 0.1, 0.001, 0.1], 1e-15)
    polynomial = Polynomial(0.1, 0, 200, power=2.0)
    assert np.abs(polynomial.curve() - 0.1 * (1 - t / 200) ** 2).max() <= 1e-16
    agree(polynomial, [0, 100, 200, 500], [0.1, 0.025, 0, 0], 1e-16)
    exponential = Exponential(0.1, 0.96)
    assert np.abs(exponential.curve(200) - 0.1 * 0.96**t).max() <= 1e-15
    agree(exponential, [0, 1, 2], [0.1, 0.096, 0.09216], 1e-17)


# --- table A: the rate of update 0..5, warmup of 4 to a peak of 1

WARMUP = {
    # Hugging Face, torchtune, diffusers, Paddle LinearWarmup, Megatron
    "t / W": (Linear(0, 1, 4) >> Constant(1), [0, 0.25, 0.5, 0.75, 1, 1]),
    # Hugging Face cosine_warmup_with_min_lr, 12 updates, floor 0: a warmup of 3 from 1/4, then 9 + 1 updates of cosine
    "(t + 1) / W": (Linear(0.25, 1, 3) >> Cosine(1, 0, 8), [0.25, 0.5, 0.75, 1, 0.962, 0.854]),
    # torchtitan, 12 updates, linear: full twice, then a line whose end is one update after the last
    "(t + 1) / W, twice full": (
        Linear(0.25, 1, 3) >> Constant(1, 1) >> Linear(1, 0, 8),
        [0.25, 0.5, 0.75, 1, 1, 0.875],
    ),
    "(t + 1) / (W + 1)": (Linear(0.2, 1, 4) >> Constant(1), [0.2, 0.4, 0.6, 0.8, 1, 1]),  # NeMo
    "f + (1 - f) t / W": (Linear(0.25, 1, 4), [0.25, 0.4375, 0.625, 0.8125, 1, 1]),  # torch LinearLR(1/4, 4)
    "over W - 1": (Linear(0.25, 1, 3), [0.25, 0.5, 0.75, 1, 1, 1]),  # mmengine LinearLR(1/4, end=4)
    "one update late": (Linear(0, 1, 4).delay(1), [0, 0, 0.25, 0.5, 0.75, 1]),  # DeepSpeed WarmupLR, linear
    "logarithmic": (Logarithmic(0, 1, 3).delay(1), [0, 0, 0.5, 0.792, 1, 1]),  # DeepSpeed WarmupLR, its default
    # timm cosine, 12 updates: the cosine counts from 0, so that the peak is never reached
    "drops back": (Linear(0, 1, 4).cut(4) >> Cosine(1, 0, 12).skip(4), [0, 0.25, 0.5, 0.75, 0.75, 0.629]),
    # timm with warmup_prefix, Keras CosineDecay(12, warmup_steps=4): 12 updates after the warmup
    "12 after the warmup": (Linear(0, 1, 4) >> Cosine(1, 0, 12), [0, 0.25, 0.5, 0.75, 1, 0.983]),
    # optax warmup_cosine(decay_steps=12): 12 updates in all
    "12 in all": ((Linear(0, 1, 4) >> Cosine(1, 0)).over(12), [0, 0.25, 0.5, 0.75, 1, 0.962]),
    # OLMo HalfCosWithWarmup, floor 0.1: up to the middle, then the second half of a cosine
    "half a cosine": (
        Linear(0, 0.55, 4) >> Cosine(1, 0.1, 16).skip(8),
        [0, 0.1375, 0.275, 0.4125, 0.55, 0.462],
    ),
    # detectron2 WarmupParamScheduler(cosine over 12, factor 0.001): up to where the cosine is
    "up to the cosine": (
        Linear(0.001, 0.75, 4) >> Cosine(1, 0, 12).skip(4),
        [0.001, 0.188, 0.376, 0.563, 0.75, 0.629],
    ),
    # detectron2 WarmupCosineLR: a product
    "product": (Linear(0.001, 1, 4) * Cosine(1, 0, 12), [0.001, 0.246, 0.467, 0.640, 0.75, 0.629]),
    # ignite create_lr_scheduler_with_warmup(exponential 0.5, 4)
    "then exponential": (
        Linear(0, 1, 3) >> Exponential(1, 0.5),
        [0, 0.333, 0.667, 1, 0.5, 0.25],
    ),
}


@pytest.mark.parametrize("row", WARMUP)
def test_table_a_warmup(row: str) -> None:
    schedule, values = WARMUP[row]
    agree(schedule, range(6), values, 6e-4)


# --- table B: cosine from 1 to 0.1 over 10, no warmup

COSINE = {
    # torch CosineAnnealingLR, Paddle, Hugging Face cosine_with_min_lr, fvcore, fastai: a wave, which we say
    "bounces": (Cosine(1, 0.1, 10).mirror().repeat(), [1, 0.55, 0.122, 0.1, 0.122, 0.55, 1]),
    # Hugging Face cosine_warmup_with_min_lr: the same, read one update later
    "one update early": (Cosine(1, 0.1, 10).mirror().repeat().skip(1), [0.978, 0.411, 0.1, 0.122, 0.186, 0.689, 0.978]),
    # timm, optax, Keras, Megatron, Composer, NeMo, pytorch_scheduler
    "holds": (Cosine(1, 0.1, 10), [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    # mmengine: frozen one update before its end
    "frozen": (Cosine(1, 0.1, 10).cut(9), [1, 0.55, 0.122, 0.122, 0.122, 0.122, 0.122]),
    # pytorch_scheduler Chebyshev
    "Chebyshev": (Chebyshev(1, 0.1, 10), [0.994, 0.480, 0.106, 0.106, 0.106, 0.106, 0.106]),
    # fairseq (floor 0.01, shrink 0.1): restarts, floor and peak a tenth
    "restarts a tenth as high": (
        Cosine(1, 0.01, 10).repeat(scale=0.1),
        [1, 0.505, 0.0342, 0.1, 0.0976, 0.0505, 0.01],
    ),
}


@pytest.mark.parametrize("row", COSINE)
def test_table_b_cosine(row: str) -> None:
    schedule, values = COSINE[row]
    agree(schedule, [0, 5, 9, 10, 11, 15, 20], values, 6e-4)


def test_table_b_maxtext_counts_to_the_last_update() -> None:
    agree(Cosine(1, 0.1, 9), [0, 5, 9], [1, 0.472, 0.1], 6e-4)


# --- table C: polynomial of power 2 from 1 to 0.1 over 10, and a line from 1 to 0


def test_table_c_polynomial() -> None:
    agree(Polynomial(1, 0.1, 10, power=2.0), [5], [0.325], 1e-15)  # Hugging Face, optax, Keras, Paddle, timm, ...
    agree(Polynomial(1, 0, 10, power=2.0), [5], [0.25], 1e-15)  # torch, whose end is always 0
    agree(Polynomial(1, 0.1, 9, power=2.0), [5], [0.2778], 5e-5)  # mmengine, one update shorter
    agree(Polynomial(1, 0, 10, power=2.0).clip(0.1), [5, 9], [0.25, 0.1], 1e-15)  # NeMo Square: a floor, not an end
    agree(lr.PowerDecay(1, 0.1, 10, power=2.0), [5], [0.775], 1e-15)  # fastai SchedPoly: the other curvature
    # Keras and Paddle with cycle=True: beyond T, to 2 T
    agree(Polynomial(1, 0.1, 20, power=2.0), [11], [0.28225], 1e-15)
    # Hugging Face, torch, Megatron, fairseq; DeepSpeed after a warmup of 2, one update late
    agree(Linear(1, 0, 10), [9, 10, 11, 15], [0.1, 0, 0, 0], 1e-15)
    agree(Linear(0, 1, 2).delay(1) >> Linear(1, 0, 8), [9, 10, 11, 15], [0.25, 0.125, 0, 0], 1e-15)
    # NeMo SquareRootAnnealing jumps after its warmup of 4 out of 12, for it does not start anew
    agree(SquareRootAnnealing(1, 0.1, 16), [12], [0.5], 1e-15)
    agree(SquareRootAnnealing(1, 0.1, 12).skip(5), [0], [0.764], 5e-4)


# --- table D: a boundary at 4, a tenth after it, at update 2..5


def test_table_d_boundaries() -> None:
    updates = [2, 3, 4, 5]
    for speaks_at_the_boundary in (
        MultiStep(1, [4]),
        PiecewiseConstant([1, 0.1], [4]),
        Constant(1, 4) >> Constant(0.1),
    ):
        agree(speaks_at_the_boundary, updates, [1, 1, 0.1, 0.1], 0)  # torch, Paddle, optax, fvcore, Composer, diffusers
    agree(MultiStep(1, [4]).skip(1), updates, [1, 0.1, 0.1, 0.1], 0)  # timm drops one update early
    agree(PiecewiseConstant([1, 0.1], [5]), updates, [1, 1, 1, 0.1], 0)  # Keras: after the boundary
    agree(Constant(0.1, 4) >> Constant(1), updates, [0.1, 0.1, 1, 1], 0)  # torch ConstantLR
    agree(Constant(0.1, 3) >> Constant(1), updates, [0.1, 1, 1, 1], 0)  # mmengine ConstantLR, one update earlier


# --- table E: restarts, first cycle 4, each twice as long, at update 3, 4, 5, 11, 12, 13

RESTARTS = {
    # torch, Keras, Paddle, timm with five cycles, Composer, AllenNLP, ignite
    "full": (SGDR(1, 0, 4, stretch=2), [0.146, 1, 0.962, 0.038, 1, 0.990]),
    "full, in the algebra": (Cosine(1, 0, 4).repeat(stretch=2), [0.146, 1, 0.962, 0.038, 1, 0.990]),
    "once": (SGDR(1, 0, 4, stretch=2, times=1), [0.146, 0, 0, 0, 0, 0]),  # timm's default: one cycle
    # Keras m_mul=0.5, alpha=0.1: the height above the floor halves
    "half the height": (SGDR(1, 0.1, 4, stretch=2, scale=0.5), [0.232, 0.55, 0.533, 0.117, 0.325, 0.323]),
    # fairseq, shrink 0.5, floor 0.1: the floor halves too
    "half of everything": (
        Cosine(1, 0.1, 4).repeat(stretch=2, scale=0.5),
        [0.232, 0.5, 0.483, 0.067, 0.25, 0.248],
    ),
    # timm decay 0.5, floor 0.1: the peaks halve, the floor stays
    "half the peak": (
        Cosine(1, 0.1, 4) >> Cosine(0.5, 0.1, 8) >> Cosine(0.25, 0.1, 16),
        [0.232, 0.5, 0.485, 0.115, 0.25, 0.249],
    ),
    # Hugging Face cosine_with_restarts, 3 cycles in 12 updates
    "three in twelve": (Cosine(1, 0).repeat(3).over(12), [0.146, 1, 0.854, 0.146, 0, 0]),
}


@pytest.mark.parametrize("row", RESTARTS)
def test_table_e_restarts(row: str) -> None:
    schedule, values = RESTARTS[row]
    agree(schedule, [3, 4, 5, 11, 12, 13], values, 6e-4)


# --- table F: one cycle over 10, peak 1, rise 30 %, at update 0, 1, 2, 3, 9, 10

ONE_CYCLE = {
    # torch and mmengine: the peak is at 0.3 T - 1, the end at T - 1
    "torch": (Cosine(0.04, 1, 2) >> Cosine(1, 4e-6, 7), [0.04, 0.52, 1, 0.950, 4e-6, 4e-6]),
    "optax cosine": (OneCycle(1, 10), [0.04, 0.28, 0.76, 1, 0.0495, 4e-6]),  # and lrsched
    # optax linear: three phases, the last from 0.85 T
    "optax linear": (
        Linear(0.04, 1, 3) >> Linear(1, 0.04, 5).cut(5) >> Linear(0.04, 4e-6, 2),
        [0.04, 0.36, 0.68, 1, 0.020, 4e-6],
    ),
    "fastai": (OneCycle(1, 10, final_div=4000), [0.04, 0.28, 0.76, 1, 0.0495, 1e-5]),  # peak over end is 1e5
    # DeepSpeed, 3 + 7, linear, ends where it began
    "DeepSpeed": (OneCycle(1, 10, final_div=1, between="linear"), [0.04, 0.36, 0.68, 1, 0.177, 0.04]),
}


@pytest.mark.parametrize("row", ONE_CYCLE)
def test_table_f_one_cycle(row: str) -> None:
    schedule, values = ONE_CYCLE[row]
    agree(schedule, [0, 1, 2, 3, 9, 10], values, 6e-4)


# --- table G: inverse square root, warmup 4, at update 0, 1, 3, 4, 5, 16, 100

INVERSE = {
    # Hugging Face, fairseq, pytorch_scheduler
    "timescale 4": (Linear(0, 1, 4) >> InverseSqrt(1, 4), [0, 0.25, 0.75, 1, 0.894, 0.5, 0.2]),
    "timescale 16": (Linear(0, 1, 4) >> InverseSqrt(1, 16), [0, 0.25, 0.75, 1, 0.970, 0.756, 0.378]),
    # Megatron, floor 0.3 from update 50 on, where the curve is at 0.283 already
    "floor 0.3": ((Linear(0, 1, 4) >> InverseSqrt(1, 4).clip(0.3)), [0, 0.25, 0.75, 1, 0.894, 0.5, 0.3]),
    # NeMo: one update later, 0 at the end of its run
    "(W + 1) / (t + 1)": (
        Linear(0.2, 1, 4) >> InverseSqrt(1, 5, 90) >> Constant(0),
        [0.2, 0.4, 0.8, 1, 0.913, 0.542, 0],
    ),
    # OLMo, a tenth for a floor
    "onto 0.1": (Linear(0, 1, 4) >> Constant(0.1) + InverseSqrt(0.9, 4), [0, 0.25, 0.75, 1, 0.905, 0.55, 0.28]),
    "Noam": (Noam(1, 4), [0, 0.125, 0.375, 0.5, 0.447, 0.25, 0.1]),  # Paddle NoamDecay(d_model=1)
}


@pytest.mark.parametrize("row", INVERSE)
def test_table_g_inverse_square_root(row: str) -> None:
    schedule, values = INVERSE[row]
    agree(schedule, [0, 1, 3, 4, 5, 16, 100], values, 6e-4)


# --- table H: warmup 2, stable 4, decay 4, floor 0.1, at update 0, 1, 5, 6, 7, 9, 10, 11

STABLE: dict[str, tuple[Schedule, list[float]]] = {
    # Hugging Face: the warmup starts at the floor
    "from the floor": (WSD(1, 0.1, 10, warmup=2, decay=4, start=0.1), [0.1, 0.55, 1, 1, 0.775, 0.325, 0.1, 0.1]),
    # Megatron, timm, pytorch_scheduler; OLMo up to its end
    "linear": (WSD(1, 0.1, 10, warmup=2, decay=4), [0, 0.5, 1, 1, 0.775, 0.325, 0.1, 0.1]),
    # torchtitan up to its end: the warmup starts at 1/2
    "from 1 / W": (Linear(0.5, 1, 1) >> Constant(1, 5) >> Linear(1, 0.1, 4), [0.5, 1, 1, 1, 0.775, 0.325, 0.1, 0.1]),
}


@pytest.mark.parametrize("row", STABLE)
def test_table_h_warmup_stable_decay(row: str) -> None:
    schedule, values = STABLE[row]
    agree(schedule, [0, 1, 5, 6, 7, 9, 10, 11], values, 1e-15)


def test_table_h_curves_of_the_decay() -> None:
    def decay(shape: str) -> Schedule:
        return WSD(1, 0.1, 10, warmup=2, decay=4, shape=shape)

    agree(decay("sqrt"), [7, 9], [0.55, 0.2206], 5e-5)  # Hugging Face, timm, Megatron, pytorch_scheduler: 1 - sqrt
    agree(decay("exponential"), [7, 9], [0.5623, 0.1778], 5e-5)  # fairseq tri_stage, timm
    agree(WSD(1, 0, 10, warmup=2, decay=4, shape="sqrt"), [7, 9], [0.5, 0.134], 5e-4)  # pytorch_optimizer: no floor
    # Megatron's exponential, 2 * 0.5**u - 1 between 1 and the floor: a shape of its own, written as its points
    megatron = 0.1 + 0.9 * (2 * 0.5 ** (np.arange(5) / 4) - 1)
    agree(lr.Interpolation(range(5), megatron), [1, 3], [0.7136, 0.2703], 5e-5)


# --- single values of the survey


def test_values_told_apart_in_the_text() -> None:
    agree(lr.Tanh(1, 0, 10), [0, 9], [1.0, 0.018], 5e-4)  # timm Tanh(-7, 3)
    agree(lr.Tanh(1, 0, 10, lower=-3, upper=3), [0], [0.9975], 5e-5)  # pytorch_scheduler TanhDecay
    agree(lr.Hyperbolic(1, 0.1, 10, ratio=2), [10], [0.2206], 5e-5)  # "0.22 for U = 2 N"
    agree(Linear(0, 1, 0) >> InverseSqrt(1, 10_000), [1], [0.99995], 5e-6)  # Hugging Face without warmup
    agree(Constant(1) * lr.Quadratic(0, 1, 4), [0, 1, 2, 4], [0, 0.0625, 0.25, 1], 0)  # axolotl's warmup
    agree(lr.SlantedTriangular(1, 100, rise=10, ratio=32), [0, 10, 100], [1 / 32, 1, 1 / 32], 1e-16)  # AllenNLP
