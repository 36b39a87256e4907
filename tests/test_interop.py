"""What holds for every name of every library: found in the registry, so that a new one is tested at once."""

from __future__ import annotations

import importlib
import math
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import learnrate as lr
from learnrate import Schedule, interop
from learnrate.errors import LearnrateError, ParameterError, UnboundError, UnknownName
from learnrate.findings import SEVERITIES
from learnrate.interop import conventions
from learnrate.interop.dialect import DIALECTS, LISTENERS, Dialect
from learnrate.interop.fields import MaybeFunction
from learnrate.interop.reading import MAPPINGS, OBJECTS
from learnrate.interop.writing import TARGETS
from learnrate.schedules.points import FunctionKind
from learnrate.spec import Kind, draw

for _library in interop.LIBRARIES:
    importlib.import_module(f"learnrate.interop.{_library}")

NAMES = [name for name in DIALECTS if not name.startswith("test.")]
DRAWS = 3


def own_function(name: str) -> bool:
    """Whether it wraps a function of the user's own, which has no text and may return anything."""
    return any(isinstance(kind, FunctionKind) and not isinstance(kind, MaybeFunction) for kind in kinds(name))


def kinds(name: str) -> list[Kind]:
    return list(DIALECTS[name].kinds.values())


PRINTABLE = [name for name in NAMES if not own_function(name)]


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        yield


def drawn(name: str, count: int = DRAWS) -> list[Dialect]:
    """Legal instances, bound; none for a name that is made of other schedules, which its own tests build."""
    found = []
    for index in range(count):
        try:
            schedule = draw(DIALECTS[name], random.Random(f"{name} {index}"))
        except (NotImplementedError, ParameterError):
            continue
        found.append(schedule if schedule.bound else bound(schedule))
    return [schedule for schedule in found if schedule is not None]


def bound(schedule: Schedule) -> Schedule | None:
    try:
        return schedule.over(40, updates_per_epoch=4, tokens_per_update=8, samples_per_update=2)
    except LearnrateError:
        return None


def test_every_library_is_there_and_has_names() -> None:
    assert len(NAMES) > 200
    for library in interop.LIBRARIES:
        assert interop.names(library), library
        assert getattr(interop, library).__doc__, library
    assert {*OBJECTS.values(), *MAPPINGS, *TARGETS} <= {*interop.LIBRARIES, "python"}


def test_most_names_can_be_drawn() -> None:
    whole = [name for name in NAMES if not drawn(name, 3)]
    assert len(whole) < 25, whole


@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_the_conventions_are_in_the_tables(name: str) -> None:
    row = DIALECTS[name].conventions
    assert row.shape in conventions.SHAPE
    assert row.warmup in conventions.WARMUP
    assert row.boundary in conventions.BOUNDARY
    assert row.horizon in conventions.HORIZON
    assert row.floor in conventions.FLOOR
    assert row.past in conventions.PAST


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_docstring_with_an_example(name: str) -> None:
    assert ">>> " in (DIALECTS[name].__doc__ or "")


@pytest.mark.parametrize("name", PRINTABLE)
def test_every_name_behaves_like_a_schedule(name: str) -> None:
    times = np.array([0, 1, 2, 3, 7, 20, 41, 100, 1000, 10**9, 2**53])
    for schedule in drawn(name):
        rates = schedule(times)
        assert np.all(np.isfinite(rates))
        assert [schedule(int(t)) for t in times] == pytest.approx(rates.tolist(), rel=1e-12, abs=1e-15)
        assert lr.parse(repr(schedule)) == schedule
        assert lr.parse(repr(schedule).replace(".", ":", 1)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        assert pickle.loads(pickle.dumps(schedule)) == schedule
        half = 0.5 * schedule
        assert half(7) == 0.5 * schedule(7)
        for finding in lr.lint(schedule, updates=60):
            assert finding.severity in SEVERITIES
            assert finding.advice.endswith("."), finding
            assert all(math.isfinite(value) for value in finding.evidence.values()), finding


@pytest.mark.parametrize("name", PRINTABLE)
def test_what_a_name_prints_computes_the_same(name: str) -> None:
    for schedule in drawn(name, 2):
        space: dict[str, object] = {}
        exec(compile(schedule.code("python"), name, "exec"), space)  # noqa: S102 - what we printed ourselves
        printed = [space["schedule"](t) for t in range(45)]  # type: ignore[operator]
        assert printed == pytest.approx(schedule(range(45)).tolist(), rel=1e-12, abs=1e-15)
        assert schedule.latex()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_about_the_end_is_true(name: str) -> None:
    """`holds` is measured. One draw must show it: others have `cycle=True`, or a warmup longer than the run."""
    if DIALECTS[name].conventions.past != "holds":
        return
    ended = [schedule for schedule in drawn(name, 12) if schedule.horizon is not None]
    assert any(map(holds, ended)) or not ended


def holds(schedule: Dialect) -> bool:
    """Whether nothing changes after the end; what the library steps late, it ends one update late."""
    end = schedule.horizon or 0
    after = schedule(np.arange(end + 1, 3 * end + 20))
    return bool(np.ptp(after) <= 1e-9 * np.abs(schedule(np.arange(end + 1))).max())


CHANGED = {
    "paddle.PolynomialDecay(1.0, 10)": ("polynomial", "holds"),
    "paddle.PolynomialDecay(1.0, 10, cycle=True)": ("polynomial", "restarts"),
    "keras.PolynomialDecay(1.0, 10)": ("polynomial", "holds"),
    "keras.PolynomialDecay(1.0, 10, cycle=True)": ("polynomial", "restarts"),
    "keras.PolynomialDecay(1.0, 10, power=0.0, cycle=True)": ("polynomial", "holds"),
    "pytorch_scheduler.PolynomialScheduler(10)": ("polynomial", "holds"),
    "pytorch_scheduler.PolynomialScheduler(10, cycle=True)": ("polynomial", "restarts"),
    "detectron2.build_lr_scheduler(MAX_ITER=10, STEPS=[4], WARMUP_ITERS=2)": ("multi-step", "raises"),
    "detectron2.build_lr_scheduler('WarmupCosineLR', 10, WARMUP_ITERS=2)": ("cosine", "bounces"),
}


@pytest.mark.parametrize("text", CHANGED)
def test_arguments_change_the_conventions(text: str) -> None:
    schedule = lr.parse(text)
    assert isinstance(schedule, Dialect)
    assert (schedule.conventions.shape, schedule.conventions.past) == CHANGED[text]
    assert holds(schedule) == (schedule.conventions.past in ("holds", "raises"))
    assert Schedule.from_json(schedule.to_json()).conventions == schedule.conventions  # type: ignore[attr-defined]


IDLE = {
    "detectron2.WarmupCosineLR(10)": {"last_epoch": -1},
    "detectron2.LRMultiplier(fvcore.ConstantParamScheduler(1.0), 10)": {"last_iter": -1},
    "fastai.lr_find()": {"stop_div": False, "show_plot": False, "suggest_funcs": ()},
    "ignite.create_lr_scheduler_with_warmup(torch.StepLR(3), 0.1, 4)": {"output_simulated_values": []},
    "olmo.ConstantScheduler()": {"lr_field": "lr", "initial_lr_field": "initial_lr"},
}


@pytest.mark.parametrize("text", IDLE)
def test_arguments_that_change_no_rate_are_taken(text: str) -> None:
    schedule = lr.parse(text)
    assert type(schedule)(**schedule.parameters(), **IDLE[text]) == schedule
    for name in ("last_epoch", "last_iter"):
        if name in IDLE[text]:
            with pytest.raises(ParameterError, match=rf"{name} must be -1, got 3"):
                type(schedule)(**schedule.parameters(), **{name: 3})


@pytest.mark.parametrize("name", NAMES)
def test_arguments_that_a_library_does_not_have_are_named(name: str) -> None:
    with pytest.raises(ParameterError, match=r"unknown parameter of .* 'colour'; .*known: "):
        DIALECTS[name](colour=1)


@pytest.mark.parametrize("name", LISTENERS)
def test_listeners_return_rules_and_name_wrong_arguments(name: str) -> None:
    library, _, inner = name.partition(".")
    listener = getattr(getattr(interop, library), inner)
    with pytest.raises(ParameterError, match=r"unknown parameter of .* 'colour'; .*known: "):
        listener(colour=1)
    with pytest.raises(LearnrateError, match="listens to a metric"):
        interop.dialect(name)


def test_unknown_libraries_and_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown library 'tim'; did you mean 'timm'\? known: composer, "):
        interop.dialect("tim:CosineLRScheduler")
    with pytest.raises(
        UnknownName, match=r"unknown name in timm 'CosinLRScheduler'; did you mean 'CosineLRScheduler'\?"
    ):
        interop.dialect("timm:CosinLRScheduler")
    with pytest.raises(UnknownName, match="unknown library 'tensorflow'"):
        interop.names("tensorflow")
    with pytest.raises(AttributeError, match="libraries: torch, optax"):
        _ = interop.tensorflow


def test_a_library_schedule_without_an_end_says_how_to_get_a_curve() -> None:
    with pytest.raises(UnboundError, match="updates="):
        interop.torch.ExponentialLR(0.9).curve()
    assert len(interop.torch.CosineAnnealingLR(10).curve()) == 10, "the arguments name an end"


def test_no_library_is_imported() -> None:
    code = (
        "import sys, learnrate.interop as i, importlib\n"
        "for name in i.LIBRARIES: importlib.import_module('learnrate.interop.' + name)\n"
        "i.torch.CosineAnnealingLR(10)(3); i.timm.CosineLRScheduler(10)(3)\n"
        "print([m for m in ('torch', 'jax', 'keras', 'optax', 'timm', 'transformers', 'paddle') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
