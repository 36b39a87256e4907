"""What users of other libraries report most often (reference, section 3), and what happens here instead.

Each test first shows the trouble with the real library where that is possible, so that it fails when the library is
repaired and the claim has to be taken back.
"""

from __future__ import annotations

import importlib
import io
import itertools
import math
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.optim import lr_scheduler as lrs

import learnrate as lr
from drawn import PRINTABLE, instance
from learnrate import Constant, Cosine, Linear, OneCycle, Plateau, Schedule
from learnrate.errors import UnboundError
from learnrate.interop import read, write
from learnrate.interop.torch.writing import Hook

SOURCE = Path(lr.__file__).parents[1]


def sgd(rate: float = 1.0, **settings: Any) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, **settings)


def rate(optimizer: Any, group: int = 0) -> float:
    return float(optimizer.param_groups[group]["lr"])


def used(scheduler: Any, updates: int) -> list[float]:
    """The rate of each update in the documented loop."""
    rates = []
    for _ in range(updates):
        rates.append(rate(scheduler.optimizer))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


# --- 1 ----------------------------------------------------------------------------------------------------------------


def test_resume_1_last_epoch_is_wrong_in_torch_and_exact_here() -> None:
    whole = used(lrs.CosineAnnealingLR(sgd(), 10), 20)
    optimizer = sgd()
    optimizer.param_groups[0]["initial_lr"] = 1.0
    resumed = used(lrs.StepLR(optimizer, 2, 0.1, last_epoch=4), 3)
    assert resumed[0] == 1.0  # where StepLR is at 0.01
    reading = read(lrs.CosineAnnealingLR(sgd(), 10))
    assert isinstance(reading.schedule, Schedule)
    for reached in (1, 5, 10, 13):
        scheduler = lr.torch.attach(sgd(0.3), lr=reading.schedule)
        scheduler.load_state_dict(scheduler.state_dict() | {"update": reached})
        assert used(scheduler, 5) == pytest.approx(whole[reached : reached + 5], rel=1e-12)


@pytest.mark.parametrize("order", ["scheduler first", "optimizer first"])
def test_resume_1_order_of_loading_does_not_matter(order: str) -> None:
    first = lr.torch.attach(sgd(), lr=Cosine(1.0, 0.0, 10))
    used(first, 6)
    saved = through_a_file({"scheduler": first.state_dict(), "optimizer": first.optimizer.state_dict()})
    optimizer = sgd()
    again = lr.torch.attach(optimizer, lr=Cosine(1.0, 0.0, 10))
    if order == "optimizer first":
        optimizer.load_state_dict(saved["optimizer"])
        again.load_state_dict(saved["scheduler"])
    else:
        again.load_state_dict(saved["scheduler"])
        optimizer.load_state_dict(saved["optimizer"])
    assert rate(optimizer) == Cosine(1.0, 0.0, 10)(6)
    assert used(again, 4) == used(first, 4)


def test_resume_1_a_run_of_torch_goes_on_here_from_its_checkpoint(tmp_path: Path) -> None:
    scheduler = lrs.CosineAnnealingWarmRestarts(sgd(), 4, 2)
    used(scheduler, 9)
    torch.save({"lr_scheduler": scheduler.state_dict()}, tmp_path / "checkpoint.pt")
    reading = importlib.import_module("learnrate.interop.torch").read_checkpoint(tmp_path / "checkpoint.pt")
    ours = lr.torch.attach(sgd(), lr=reading.schedule)
    ours.load_state_dict(ours.state_dict() | {"update": reading.update})
    assert used(ours, 20) == pytest.approx(used(scheduler, 20), rel=1e-12)


def test_resume_1_our_hook_goes_on_in_a_plain_lambda_lr() -> None:
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 16)
    first = write(schedule, to="torch", optimizer=sgd()).value
    used(first, 7)
    again = lrs.LambdaLR(sgd(), Hook(Constant(0.5)))
    again.load_state_dict(through_a_file(first.state_dict()))
    assert used(again, 6)[1:] == used(first, 6)[1:]


# --- 2 ----------------------------------------------------------------------------------------------------------------


def test_accumulation_2_the_schedule_counts_updates_not_batches() -> None:
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 16)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=4)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, lr.torch.attach(optimizer, lr=schedule))
    rates = []
    for _ in range(40):
        with accelerator.accumulate(model):
            accelerator.backward(model(torch.ones(1, 2)).sum())
            if accelerator.sync_gradients:
                rates.append(rate(optimizer))
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    assert rates == schedule(np.arange(10)).tolist()
    assert read(scheduler).update == 10


def test_accumulation_2_stepped_per_batch_torch_is_over_early_and_reading_shows_the_update() -> None:
    optimizer = sgd()
    scheduler = lrs.CosineAnnealingLR(optimizer, 10)
    for _ in range(5):  # five updates of four batches each, stepped per batch
        optimizer.step()
        for _ in range(4):
            scheduler.step()
    assert read(scheduler).update == 20
    assert rate(optimizer) == pytest.approx(1.0)  # bounced back to the peak, a quarter into the run


def test_accumulation_2_epochs_and_tokens_become_updates() -> None:
    planned = Linear(0, 1.0, "1ep") >> Cosine(1.0)
    batches_per_epoch, accumulate = 100, 4
    bound = planned.over(3 * batches_per_epoch // accumulate, updates_per_epoch=batches_per_epoch / accumulate)
    assert (bound(25), bound.length) == (1.0, 75)


# --- 3 ----------------------------------------------------------------------------------------------------------------


def test_horizon_change_3_torch_forgets_the_new_horizon_and_ours_does_not_jump() -> None:
    old = lrs.CosineAnnealingLR(sgd(), 10)
    used(old, 5)
    longer = lrs.CosineAnnealingLR(sgd(), 20)
    longer.load_state_dict(old.state_dict())
    assert longer.T_max == 10
    reading = read(old)
    assert isinstance(reading.schedule, Schedule)
    extended = reading.schedule.cut(10).extend(20, at=reading.update)
    assert extended(5) == pytest.approx(rate(old.optimizer), rel=1e-12)
    assert extended(20) == pytest.approx(0.0, abs=1e-15)
    assert extended.length == 20
    assert bool((np.diff(extended.curve()) <= 1e-12).all())


def test_horizon_change_3_a_checkpoint_says_so_and_goes_on_when_told() -> None:
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 16)
    first = lr.torch.attach(sgd(), lr=schedule)
    used(first, 10)
    longer = lr.torch.attach(sgd(), lr=schedule.extend(40, at=10))
    with pytest.raises(lr.errors.StateError, match="first differs at update 11"):
        longer.load_state_dict(first.state_dict())
    longer.load_state_dict(first.state_dict(), allow_change=True)
    assert rate(longer.optimizer) == schedule(10)
    assert used(longer, 31)[-1] == pytest.approx(0.0, abs=1e-15)


# --- 4 ----------------------------------------------------------------------------------------------------------------


def test_composition_4_torch_cannot_nest_what_joins_here() -> None:
    optimizer = sgd()
    children = [lrs.LinearLR(optimizer, 0.5, total_iters=3), lrs.ExponentialLR(optimizer, 0.9)]
    inner = lrs.SequentialLR(optimizer, children, [3])
    outer = lrs.SequentialLR(optimizer, [lrs.ConstantLR(optimizer, 0.5, 2), inner], [2])
    with pytest.raises(NotImplementedError):
        used(outer, 4)
    nested = Constant(0.5, 2) >> (Linear(0.5, 1.0, 3) >> lr.Exponential(1.0, 0.9))
    assert used(lr.torch.attach(sgd(), lr=nested), 8) == pytest.approx([0.5, 0.5, 0.5, 2 / 3, 5 / 6, 1, 0.9, 0.81])


def test_composition_4_warmup_and_plateau_multiply() -> None:
    optimizer = sgd()
    warmup = lrs.LinearLR(optimizer, 0.25, total_iters=4)
    plateau = lrs.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
    metrics = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    torch_rates = []
    for metric in metrics:
        torch_rates.append(rate(optimizer))
        optimizer.step()
        warmup.step()
        plateau.step(metric)
    assert torch_rates[-1] == pytest.approx(1e-5, rel=0.5)  # each report cut what the warmup had only begun to raise
    rule = Plateau(factor=0.1, patience=0, cooldown=2)
    scheduler = lr.torch.attach(sgd(), lr=Linear(0.25, 1.0, 4) >> Constant(1.0), feedback=rule)
    rates = []
    for metric in metrics:
        rates.append(rate(scheduler.optimizer))
        scheduler.optimizer.step()
        scheduler.step()
        scheduler.observe(metric)
    state, factors = rule.start(), [1.0]
    for metric in metrics[:-1]:
        state, factor = rule(state, metric)
        factors.append(factor)
    shape = [0.25, 0.4375, 0.625, 0.8125, 1.0, 1.0, 1.0]
    assert rates == pytest.approx([base * factor for base, factor in zip(shape, factors, strict=True)])
    assert min(factors) < 1


def test_composition_4_sequential_reads_into_the_rates_torch_really_gives() -> None:
    def make() -> Any:
        optimizer = sgd()
        children = [lrs.LinearLR(optimizer, 0.1, total_iters=5), lrs.CosineAnnealingLR(optimizer, 15)]
        return lrs.SequentialLR(optimizer, children, [5])

    reading = read(make())
    assert isinstance(reading.schedule, Schedule)
    ours = used(lr.torch.attach(sgd(), lr=reading.schedule), 30)
    assert ours == pytest.approx(used(make(), 30), rel=1e-12, abs=1e-15)


# --- 5 ----------------------------------------------------------------------------------------------------------------


def skipping_loop(scheduler: Any) -> None:
    """Gradient scaling: the very first update is left out because the gradients overflowed."""
    parameter = scheduler.optimizer.param_groups[0]["params"][0]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for gradient in (math.inf, 1.0, 1.0):
        scheduler.optimizer.zero_grad()
        scaler.scale(gradient * parameter.sum()).backward()
        scaler.step(scheduler.optimizer)
        scaler.update()
        scheduler.step()


def test_no_false_warning_5_when_a_scaler_skips_the_first_update() -> None:
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\).* before `optimizer.step\(\)`"):
        skipping_loop(lrs.CosineAnnealingLR(sgd(), 10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skipping_loop(lr.torch.attach(sgd(), lr=Cosine(1.0, 0.0, 10)))


def test_no_false_warning_5_from_reading_or_asking() -> None:
    schedulers = [lrs.CosineAnnealingLR(sgd(), 10), lr.torch.attach(sgd(), lr=Cosine(1.0, 0.0, 10))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scheduler in schedulers:
            read(scheduler)
        schedulers[1].get_lr()
        read(lrs.LambdaLR(sgd(), lambda t: 1.0), sample=5)


# --- 6 ----------------------------------------------------------------------------------------------------------------

WARMUPS: dict[str, list[float]] = {
    "torch:LinearLR(start_factor=0.25, total_iters=4)": [0.25, 0.4375, 0.625, 0.8125, 1, 1],
    "optax:warmup_constant_schedule(0.0, 1.0, 4)": [0, 0.25, 0.5, 0.75, 1, 1],
    "keras:CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4)": [0, 0.25, 0.5, 0.75, 1, 0.983],
    "timm:CosineLRScheduler(t_initial=12, warmup_t=4)": [0, 0.25, 0.5, 0.75, 0.75, 0.629],
    "timm:CosineLRScheduler(t_initial=12, warmup_t=4, warmup_prefix=True)": [0, 0.25, 0.5, 0.75, 1, 0.983],
    "transformers:get_scheduler('constant_with_warmup', num_warmup_steps=4)": [0, 0.25, 0.5, 0.75, 1, 1],
    "deepspeed:WarmupLR(0.0, 1.0, 4, warmup_type='linear')": [0, 0, 0.25, 0.5, 0.75, 1],
}
"""Table A of the reference: the rate of updates 0 to 5, a warmup of 4 updates up to 1."""


@pytest.mark.parametrize("name", WARMUPS)
def test_off_by_one_6_each_library_counts_its_warmup_its_own_way(name: str) -> None:
    schedule = lr.parse(name)
    assert schedule(np.arange(6)).round(3) == pytest.approx(np.round(WARMUPS[name], 3), abs=1e-9)


def test_off_by_one_6_update_k_uses_the_value_at_k() -> None:
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 8)
    expected = schedule(np.arange(14)).tolist()
    assert used(lr.torch.attach(sgd(0.3), lr=schedule), 14) == expected
    assert used(write(schedule, to="torch", optimizer=sgd(0.3)).value, 14) == expected
    assert schedule.skip(1)(0) == 0.25  # for who does not want to start at 0


# --- 7 ----------------------------------------------------------------------------------------------------------------


def test_no_optimizer_needed_to_plot_7() -> None:
    code = (
        "import sys\n"
        "import learnrate as lr\n"
        "s = lr.interop.torch.CosineAnnealingLR(T_max=10, lr=0.1)\n"
        "assert len(s.curve(25)) == 25\n"
        "assert s.latex() and s.code('python')\n"
        "names = [name for name in lr.interop.LIBRARIES if name in sys.modules]\n"
        "assert not names, names\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_no_optimizer_needed_to_plot_7_any_update_in_any_order() -> None:
    schedule = lr.parse("torch:CosineAnnealingLR(T_max=10, lr=0.1)")
    assert schedule(13) == schedule(7) == pytest.approx(schedule(33))
    assert schedule.curve(30).shape == (30,)


# --- 9 ----------------------------------------------------------------------------------------------------------------


def test_late_groups_9_are_taken_in_where_torch_raises() -> None:
    late = {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5}
    optimizer = sgd()
    scheduler = lrs.LambdaLR(optimizer, lambda t: 0.9**t)
    optimizer.add_param_group(dict(late))
    optimizer.step()
    with pytest.raises(ValueError, match="zip"):
        scheduler.step()
    ours = lr.torch.attach(sgd(), lr=Cosine(1.0, 0.0, 10), relative=True)
    used(ours, 3)
    ours.optimizer.add_param_group(dict(late))
    used(ours, 2)
    assert [rate(ours.optimizer, group) for group in (0, 1)] == pytest.approx(
        [Cosine(1.0, 0.0, 10)(5), 0.5 * Cosine(1.0, 0.0, 10)(5)]
    )
    assert sorted(read(ours).schedule) == [0, 1]  # type: ignore[arg-type]


def test_late_groups_9_a_scheduler_of_torch_that_ignores_them_is_noted() -> None:
    scheduler = lrs.CosineAnnealingLR(sgd(), 10)
    scheduler.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5})
    assert "late groups" in [note.name for note in read(scheduler).notes]


# --- 11 ---------------------------------------------------------------------------------------------------------------


def test_pickling_11_a_lambda_cannot_and_everything_here_can() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(lrs.LambdaLR(sgd(), lambda t: 1.0))
    schedule = Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 16)
    hooked = write(schedule, to="torch", optimizer=sgd()).value
    for thing in (schedule, lr.parse("torch:CosineAnnealingLR(T_max=10, lr=0.1)"), Hook(schedule), read(hooked)):
        assert pickle.loads(pickle.dumps(thing)) == thing
    copy = pickle.loads(pickle.dumps(hooked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch cannot know whether the copy's optimizer was stepped
        assert used(copy, 20) == used(hooked, 20)


def test_pickling_11_states_are_plain_data() -> None:
    hooked = write(Linear(0.0, 1.0, 4) >> Cosine(1.0, 0.0, 16), to="torch", optimizer=sgd()).value
    attached = lr.torch.attach(sgd(), lr=Cosine(1.0, 0.0, 10), feedback=Plateau())
    for scheduler in (hooked, attached):
        assert through_a_file(scheduler.state_dict()) == scheduler.state_dict()


# --- 12 ---------------------------------------------------------------------------------------------------------------


def tiny() -> Iterator[tuple[str, Schedule]]:
    """Every schedule of the catalogue that takes a length, over 1, 2 and 3 updates."""
    for (name, cls), total in itertools.product(PRINTABLE.items(), (1, 2, 3)):
        if "updates" in cls.kinds:
            rng = random.Random(f"tiny {name}")
            drawn = instance(cls, rng).replace(updates=None)
            try:
                yield f"{name} {total}", drawn.over(total) if not drawn.bound else drawn.replace(updates=total)
            except (lr.errors.ParameterError, UnboundError):  # its own parts need more room, and it says so
                continue


@pytest.mark.parametrize("total", [1, 2, 3])
def test_tiny_horizons_12_torch_divides_by_zero_and_ours_does_not(total: int) -> None:
    if total == 1:
        with pytest.raises(ZeroDivisionError):
            lrs.OneCycleLR(sgd(), 1.0, total, pct_start=1.0, cycle_momentum=False)
    schedule = OneCycle(1.0, total)
    assert bool(np.isfinite(schedule(np.arange(10))).all())
    assert schedule.peak <= 1.0


def test_tiny_horizons_12_every_schedule_is_finite_attaches_and_writes() -> None:
    seen = set()
    for name, schedule in tiny():
        seen.add(name.partition(" ")[0])
        values = schedule(np.arange(8))
        assert bool(np.isfinite(values).all()), name
        assert used(lr.torch.attach(sgd(), lr=schedule), 8) == pytest.approx(values.tolist(), rel=1e-12), name
        written = used(write(schedule, to="torch", optimizer=sgd()).value, 8)
        assert written == pytest.approx(values.tolist(), rel=1e-12, abs=1e-15), name
    assert len(seen) >= 15


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize(
    "text",
    [
        "torch:CosineAnnealingLR(T_max={0})",
        "torch:LinearLR(total_iters={0})",
        "optax:cosine_decay_schedule(1.0, {0})",
        "keras:CosineDecay(1.0, {0})",
        "timm:CosineLRScheduler(t_initial={0})",
        "transformers:get_scheduler('cosine', num_warmup_steps=0, num_training_steps={0})",
    ],
)
def test_tiny_horizons_12_in_every_library(text: str, total: int) -> None:
    schedule = lr.parse(text.format(total))
    values = schedule(np.arange(total + 1))
    assert values[0] == pytest.approx(1.0 if "LinearLR" not in text else 1 / 3)
    assert bool(np.isfinite(schedule(np.arange(20))).all())
