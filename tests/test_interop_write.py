"""`write`: what comes out is the library's own where that is exact, a hook otherwise, and it says which."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import math
import os
import pickle
import random
import sys
import types
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import pytest
import torch

from drawn import PRINTABLE, composite, instance
from learnrate import (
    SGDR,
    Constant,
    Cosine,
    Exponential,
    Function,
    Geometric,
    Interpolation,
    InverseSqrt,
    Linear,
    MultiStep,
    NaturalExponential,
    PiecewiseConstant,
    Polynomial,
    Schedule,
    Step,
    Triangular,
    parse,
)
from learnrate.errors import ParameterError, UnboundError, UnknownName, UsageError
from learnrate.interop import Written, dialect, names, read, write
from learnrate.interop.dialect import DIALECTS, Dialect
from learnrate.interop.torch.writing import Hook
from learnrate.interop.writing import TARGETS, difference, library
from learnrate.spec import draw

RUN = 60


def sgd(rate: float = 0.7, groups: int = 1, **settings: Any) -> torch.optim.SGD:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=rate, **settings)


def rates(scheduler: Any, updates: int) -> list[float]:
    """The rate of every update in torch's documented loop."""
    used = []
    for _ in range(updates):
        used.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    return used


def agree(used: list[float], schedule: Schedule) -> None:
    expected = schedule(np.arange(len(used)))
    scale = max(float(np.abs(expected).max()), 1e-300)
    assert np.abs(np.asarray(used) - expected).max() <= 1e-12 * scale, repr(schedule)


def printed(source: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(compile(source, "<printed>", "exec"), scope)  # noqa: S102 - what was printed is what is tested
    return scope


def catalogue(draws: int = 3) -> list[Schedule]:
    """Bound instances of every printable class of the catalogue."""
    found = []
    for name, cls in PRINTABLE.items():
        rng = random.Random(f"write {name}")
        drawn = [instance(cls, rng) for _ in range(draws)]
        found += [schedule if schedule.bound else schedule.over(40, updates_per_epoch=10) for schedule in drawn]
    return found


# --- the library's own name, where it is exact ------------------------------------------------------------------------

OWN: list[tuple[Schedule, int | None, str]] = [
    (Constant(0.1), None, "ConstantLR"),
    (Linear(0.1, 0.0, 10), None, "LinearLR"),
    (Linear(0.025, 0.1, 10), None, "LinearLR"),
    (3 * Linear(0.025, 0.1, 10), None, "LinearLR"),
    (Polynomial(0.1, 0.0, 10, power=2.0), None, "PolynomialLR"),
    (Exponential(0.1, 0.9), None, "ExponentialLR"),
    (Exponential(0.1, 0.9, period=4), None, "ExponentialLR"),
    (Exponential(0.1, 0.5, period=4).every(4), None, "StepLR"),
    (NaturalExponential(0.1, 0.05), None, "ExponentialLR"),
    (Geometric(0.1, 0.001, 30), 30, "ExponentialLR"),
    (Step(0.1, 0.5, 7), None, "StepLR"),
    (MultiStep(0.1, [3, 7, 20]), None, "MultiStepLR"),
    (MultiStep(0.1, [3, 7, 7, 20]), None, "MultiStepLR"),
    (PiecewiseConstant([0.02, 0.1], [9]), None, "MultiStepLR"),
    (Cosine(0.1, 0.01, 40), 40, "CosineAnnealingLR"),
    (Cosine(0.1, 0.01, 7).mirror().repeat(), None, "CosineAnnealingLR"),
    (Cosine(0.1, 0.01, 7).repeat(), None, "CosineAnnealingWarmRestarts"),
    (SGDR(0.1, 0.01, 4, stretch=2.0), None, "CosineAnnealingWarmRestarts"),
    (Triangular(0.1, 1.1, 4, 6), None, "CyclicLR"),
    (Triangular(0.1, 1.1, 4, 6, height="halved"), None, "CyclicLR"),
    (Triangular(0.1, 1.1, 4, 6, height="exponential", factor=0.99), None, "CyclicLR"),
    (Linear(0.1, 1.1, 5).mirror().repeat(), None, "CyclicLR"),
    (Cosine(0.04, 1.0, 11) >> Cosine(1.0, 4e-6, 28), 40, "OneCycleLR"),
    (Linear(0.04, 1.0, 11) >> Linear(1.0, 0.04, 11) >> Linear(0.04, 4e-6, 17), 40, "OneCycleLR"),
    (Linear(0.01, 0.1, 5) >> Cosine(0.1, 0.001, 35), 40, "SequentialLR"),
    (Linear(0, 0.1, 5).skip(1) >> Linear(0.1, 0.0, 36), None, "SequentialLR"),
    (Linear(0.01, 0.1, 5) >> Exponential(0.1, 0.95), None, "SequentialLR"),
    (Linear(0.01, 0.1, 5) >> Constant(0.1, 10) >> Linear(0.1, 0, 10), None, "SequentialLR"),
    (Linear(0.1, 1, 5) * Exponential(0.2, 0.95), None, "ChainedScheduler"),
]


@pytest.mark.parametrize(("schedule", "updates", "name"), OWN, ids=[f"{name} {s!r}" for s, _, name in OWN])
def test_torch_has_a_name_for_it(schedule: Schedule, updates: int | None, name: str) -> None:
    context = {} if updates is None else {"updates": updates}
    written = write(schedule, to="torch", optimizer=sgd(momentum=0.5), **context)
    assert written.own
    assert type(written.value).__name__ == name
    assert written.says.startswith(f"torch.optim.lr_scheduler.{name}, exact ")
    agree(rates(written.value, updates or RUN), schedule)
    assert written.value.optimizer.param_groups[0]["momentum"] == 0.5
    source = write(schedule, to="torch", code=True, **context)
    assert source.splitlines()[0] == f"# {written.says}"
    assert source == written.code
    assert "learnrate" not in source
    agree(rates(printed(source)["scheduler"](sgd()), updates or RUN), schedule)


def test_what_is_exact_only_within_a_run_is_not_own_without_the_run() -> None:
    schedule = Cosine(0.1, 0.01, 40)
    written = write(schedule, to="torch", optimizer=sgd())
    assert not written.own
    assert written.says == (
        "LambdaLR with a printed formula: no scheduler of torch gives this schedule at every update "
        "(CosineAnnealingLR differs first at update 41: it bounces)"
    )
    agree(rates(written.value, 2 * RUN), schedule)
    own = write(schedule, to="torch", optimizer=sgd(), updates=41)
    assert own.says == "torch.optim.lr_scheduler.CosineAnnealingLR, exact for the 41 updates of the run"
    assert not write(schedule, to="torch", optimizer=sgd(), updates=42).own


def test_a_name_of_torch_is_written_as_itself() -> None:
    cosine = dialect("torch.CosineAnnealingLR")(T_max=5, eta_min=0.01, lr=0.1)
    written = write(cosine, to="torch", optimizer=sgd())
    assert written.own
    assert "at every update" in written.says
    agree(rates(written.value, 23), cosine)


UNREADABLE = ("LambdaLR", "MultiplicativeLR")  # functions of the user


@pytest.mark.parametrize("name", [name for name in names("torch") if f"torch.{name}" in DIALECTS])
def test_every_name_of_torch_is_built_runs_as_it_says_and_reads_back(name: str) -> None:
    cls = dialect(f"torch.{name}")
    for seed in range(12):
        drawn = draw(cls, random.Random(f"{name} {seed}"))
        schedule = drawn.replace(lr_lambda=abs) if "lr_lambda" in drawn.kinds else drawn
        written = write(schedule, to="torch", optimizer=sgd(momentum=0.5))
        assert written.own
        updates = min(int(1.5 * (schedule.horizon or 40)) + 3, 90)
        if name == "OneCycleLR" or schedule.length < updates:  # torch raises past the end of a OneCycleLR
            updates = min(updates, schedule.horizon)
        agree(rates(written.value, updates), schedule)
        if name not in UNREADABLE:
            fresh = write(schedule, to="torch", optimizer=sgd(momentum=0.5)).value
            hints = {"updates": schedule.updates} if schedule.parameters().get("updates") else {}
            back = read(fresh, **hints).schedule
            assert isinstance(back, Schedule)
            assert difference(back, schedule, updates) is None
            agree(rates(printed(written.code)["scheduler"](sgd(momentum=0.5)), updates), schedule)


def test_the_rate_of_the_optimizer_does_not_matter_not_even_one_that_an_earlier_scheduler_left() -> None:
    for schedule in (Step(0.1, 0.5, 7), Cosine(0.1, 0.0, 9)):
        optimizer = sgd(0.7, groups=2)
        optimizer.param_groups[1]["lr"] = torch.tensor(0.3)
        optimizer.param_groups[0]["initial_lr"] = 123.0
        held = optimizer.param_groups[1]["lr"]
        scheduler = write(schedule, to="torch", optimizer=optimizer).value
        assert optimizer.param_groups[1]["lr"] is held
        assert float(held) == pytest.approx(0.1, rel=1e-6)
        agree(rates(scheduler, 20), schedule)


OTHERS = {
    "0.5 * torch.StepLR(7, 0.5, lr=0.2)": "StepLR",
    "0.5 * (2.0 * torch.ExponentialLR(0.9, lr=0.2))": "ExponentialLR",
    "torch.LinearLR(0.25, 1.0, 4, lr=0.1).cut(4) >> torch.ExponentialLR(0.9, lr=0.1)": "SequentialLR",
    "torch.CosineAnnealingLR(7, lr=0.1).clip(0.01)": "LambdaLR",
    "timm.StepLRScheduler(7, 0.5, lr=0.1)": "StepLR",
    "timm.CosineLRScheduler(12, warmup_t=4, lr=0.1)": "LambdaLR",
    "transformers.get_scheduler('cosine', 4, 24, lr=0.1)": "LambdaLR",
    "deepspeed.WarmupLR(0.01, 0.1, 4)": "LambdaLR",
}


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_made_of_other_names_is_written_too(text: str) -> None:
    schedule = parse(text)
    written = write(schedule, to="torch", optimizer=sgd())
    assert type(written.value).__name__ == OTHERS[text]
    assert written.own == (OTHERS[text] != "LambdaLR")
    back = read(written.value).schedule
    assert isinstance(back, Schedule)
    assert difference(back, schedule) is None
    agree(rates(written.value, RUN), schedule)
    agree(rates(printed(written.code)["scheduler"](sgd()), RUN), schedule)


# --- the hook, where it is not ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", catalogue(), ids=repr)
def test_torch_gives_every_rate_of_the_catalogue_and_reads_it_back(schedule: Schedule) -> None:
    written = write(schedule, to="torch", optimizer=sgd())
    back = read(written.value)
    assert (back.update, back.notes) == (0, ())
    assert isinstance(back.schedule, Schedule)
    assert difference(back.schedule, schedule) is None
    if not written.own:
        assert back.schedule == schedule
    agree(rates(written.value, RUN), schedule)
    assert read(written.value).update == RUN


@pytest.mark.parametrize("schedule", catalogue(1), ids=repr)
def test_printed_torch_runs_without_this_library(schedule: Schedule) -> None:
    source = write(schedule, to="torch", code=True)
    assert source.startswith("# ")
    assert "learnrate" not in source
    agree(rates(printed(source)["scheduler"](sgd()), RUN), schedule)


@pytest.mark.parametrize("seed", range(25))
def test_torch_gives_every_rate_of_composites(seed: int) -> None:
    schedule = composite(random.Random(f"composite {seed}"))
    written = write(schedule, to="torch", optimizer=sgd())
    agree(rates(written.value, RUN), schedule)
    back = read(written.value).schedule
    assert isinstance(back, Schedule)
    assert difference(back, schedule) is None


@pytest.mark.parametrize("schedule", catalogue(1), ids=repr)
def test_python_is_the_schedule_and_its_printed_formula(schedule: Schedule) -> None:
    written = write(schedule, to="python")
    assert not written.own
    assert read(written.value).schedule == schedule == read(written).schedule
    function = printed(written.code)["schedule"]
    assert "learnrate" not in written.code
    agree([function(t) for t in range(RUN)], schedule)


def test_the_hook_is_plain_data_in_every_state() -> None:
    schedule = Linear(0, 0.1, 5) >> Cosine(0.1, 0.0, 35)
    scheduler = write(schedule, to="torch", optimizer=sgd()).value
    rates(scheduler, 12)
    file = io.BytesIO()
    torch.save(scheduler.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert state["lr_lambdas"] == [{"text": repr(schedule)}]
    other = write(Cosine(0.5, 0.0, 7), to="torch", optimizer=sgd()).value
    other.load_state_dict(state)
    assert read(other).schedule == schedule
    other.optimizer.step()
    other.step()
    assert other.get_last_lr() == [schedule(13)]


def test_the_hook_pickles_and_is_equal_by_value() -> None:
    hook = Hook(Cosine(0.1, 0.0, 10))
    copy = pickle.loads(pickle.dumps(hook))
    assert copy == hook
    assert hash(copy) == hash(hook)
    assert copy(5) == hook(5) == 0.05
    assert hook != Hook(Cosine(0.2, 0.0, 10))
    assert repr(hook) == "Hook(Cosine(0.1, updates=10))"


def test_a_schedule_too_long_to_be_read_as_text_still_runs() -> None:
    rng = np.random.default_rng(3)
    schedule = Interpolation(range(60_000), rng.random(60_000))
    written = write(schedule, to="torch", optimizer=sgd())
    agree(rates(written.value, 30), schedule)
    assert read(written.value).schedule == schedule


# --- what cannot be written -------------------------------------------------------------------------------------------


def test_an_unknown_target_lists_the_known() -> None:
    with pytest.raises(UnknownName, match="unknown target 'pytorch'; did you mean 'torch'"):
        write(Constant(0.1), to="pytorch")


@pytest.mark.parametrize("target", TARGETS)
def test_an_unbound_schedule_says_how_to_bind_it(target: str) -> None:
    with pytest.raises(UnboundError, match=r"bind it with \.over"):
        write(Linear(0, 1, "5%") >> Cosine(1.0), to=target)


def test_only_schedules_are_written() -> None:
    with pytest.raises(UsageError, match="write takes a schedule, got 0.1"):
        write(0.1, to="torch")  # type: ignore[arg-type]


@pytest.mark.parametrize("updates", [0, -1, 1.5, True])
def test_a_run_has_updates(updates: Any) -> None:
    with pytest.raises(ParameterError, match="updates"):
        write(Cosine(0.1, 0.0, 10), to="torch", code=True, updates=updates)


@pytest.mark.parametrize("target", ["torch", "python"])
@pytest.mark.parametrize("code", [False, True])
def test_a_function_of_your_own_is_offered_sampling(target: str, code: bool) -> None:
    schedule = Function(lambda t: 0.1 / (1 + t)) * Linear(1, 0, 10)
    if target == "python" and not code:
        assert write(schedule, to=target).value(3) == schedule(3)
        return
    with pytest.raises(UsageError, match=r"a function of your own.*Interpolation\(range\(n\), schedule.curve\(n\)\)"):
        write(schedule, to=target, code=code, optimizer=sgd())


def test_torch_needs_an_optimizer_but_its_source_does_not() -> None:
    for schedule in (Step(0.1, 0.5, 7), Cosine(0.1, 0.0, 9)):
        with pytest.raises(UsageError, match="live on an optimizer"):
            write(schedule, to="torch")
        assert write(schedule, to="torch", code=True)


def test_what_torch_itself_refuses_is_said_in_its_words() -> None:
    cycle = dialect("torch.OneCycleLR")(max_lr=0.1, total_steps=10)
    optimizer = torch.optim.Adagrad([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ParameterError, match="torch refuses .*momentum or beta1"):
        write(cycle, to="torch", optimizer=optimizer)


def test_a_library_that_is_not_there_says_what_to_install() -> None:
    with pytest.raises(ImportError, match="^no_such_library is not installed; run: pip install no_such_library$"):
        library("no_such_library.inner")


# --- the comparison ---------------------------------------------------------------------------------------------------


def test_candidates_are_compared_at_every_update() -> None:
    schedule = PiecewiseConstant([1.0, 0.5], [5000])
    assert difference(schedule, PiecewiseConstant([1.0, 0.5], [5001])) == 5000
    assert difference(schedule, PiecewiseConstant([1.0, 0.5 + 1e-11], [5000])) == 5000
    assert difference(schedule, PiecewiseConstant([1.0, 0.5 + 1e-14], [5000])) is None
    assert difference(schedule, PiecewiseConstant([1.0, 0.4], [5000]), updates=5000) is None
    assert difference(Linear(1, 0, 10**9), Linear(1, 0, 10**9)) is None
    assert difference(Linear(1, 0, 10**9), Linear(1, 0, 10**9 + 1000)) is not None
    far = 10**8
    assert difference(Constant(1.0, far) >> Constant(0.5), Constant(1.0, far + 1) >> Constant(0.5)) == far


# --- every target -----------------------------------------------------------------------------------------------------

CONFIGS = ("deepspeed", "megatron")


def expressible(target: str) -> list[Schedule]:
    """What every target that is no config takes; a config takes what it has a name for."""
    if target == "deepspeed":
        return [Linear(0.0, 0.1, 10).delay(1)]
    if target == "megatron":
        return [Linear(0.0, 0.1, 5) >> Cosine(0.1, 0.01, 35)]
    return [
        Linear(0.0, 0.1, 5) >> Cosine(0.1, 0.0, 35),
        Step(0.1, 0.5, 7),
        2 * Cosine(0.05, 0.005, 40),
        Linear(0, 0.1, 5) >> InverseSqrt(0.1, 5),
        Constant(0.1) * Exponential(1.0, 0.9).every(3),
    ]


def context(target: str) -> dict[str, Any]:
    return {"optimizer": sgd()} if target in ("torch", "transformers", "timm") else {}


@pytest.fixture
def _timm() -> Iterator[None]:
    """timm.scheduler, as it could be imported were torchvision here: its package is an empty one in the same folder."""
    before = {name: sys.modules.pop(name) for name in _timm_modules()}
    package = types.ModuleType("timm")
    package.__path__ = [str(importlib.metadata.distribution("timm").locate_file("timm"))]
    sys.modules["timm"] = package
    yield
    for name in _timm_modules():
        del sys.modules[name]
    sys.modules.update(before)


def _timm_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "timm"]


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_writes_and_what_it_writes_reads_back(target: str) -> None:
    for schedule in expressible(target):
        written = write(schedule, to=target, **context(target))
        assert isinstance(written, Written)
        assert "\n" not in written.says
        closure = target == "optax" and written.own  # optax's schedules are closures, which hold nothing to read
        again = read(written.value, **({"sample": RUN} if closure else {}))
        assert isinstance(again.schedule, Schedule)
        tolerance = 1e-6 if target in ("optax", "keras") else 1e-12
        times = np.arange(RUN)
        assert np.abs(again.schedule(times) - schedule(times)).max() <= tolerance * schedule.peak, (target, schedule)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_prints_source_that_does_not_need_this_library(target: str) -> None:
    for schedule in expressible(target):
        source = write(schedule, to=target, code=True)
        first, _, rest = ("# a config", "", source) if target in CONFIGS else source.partition("\n")
        assert first.startswith("# ")
        assert "learnrate" not in rest
        assert rest.strip()


@pytest.mark.parametrize("target", CONFIGS)
def test_a_config_that_cannot_say_it_names_what_it_lacks(target: str) -> None:
    with pytest.raises(UsageError, match=r"(?i)deepspeed|megatron"):
        write(SGDR(0.1, 0.0, 7), to=target)


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "python"])
def test_every_target_proposes_names_of_its_own(target: str) -> None:
    home = importlib.import_module(f"learnrate.interop.{target}")
    for schedule in [*expressible(target), *catalogue(1)]:
        for proposal in home.proposals(schedule):
            assert isinstance(proposal, Dialect)
            assert proposal.full_name().startswith(f"{target}.")
            assert math.isfinite(proposal(3))
