"""OLMo-core's schedules: against the real file, asked from 0 on, and from 1 on as its trainer asks."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import learnrate as lr
import parity
import peers
from learnrate.errors import ParameterError, UnboundError
from learnrate.interop import olmo
from learnrate.spec import draw


class Registrable:
    """What the file takes from a package that is not here: classes register under a name."""

    @classmethod
    def register(cls, name: str) -> Callable[[type], type]:
        return lambda registered: registered


class ConfigurationError(Exception):
    """What the file raises."""


PEER = peers.load(
    "ai2-olmo-core",
    "olmo_core/optim/scheduler.py",
    (
        *("olmo_core", "olmo_core.config", "olmo_core.distributed", "olmo_core.distributed.utils"),
        *("olmo_core.exceptions", "olmo_core.optim", "olmo_core.optim.config"),
    ),
    module_name="olmo_core.optim.scheduler",
    olmo_core__config={"Config": type("Config", (), {}), "Registrable": Registrable, "StrEnum": enum.StrEnum},
    olmo_core__distributed__utils={"get_rank": lambda: 1},
    olmo_core__exceptions={"OLMoConfigurationError": ConfigurationError},
    olmo_core__optim__config={"LR_FIELD": "lr", "INITIAL_LR_FIELD": "initial_lr"},
)
OUTSIDE = ("max_steps", "first_step", "tokens_per_update", "lr")
OLDER = pytest.mark.filterwarnings("ignore:.*is deprecated, please use:DeprecationWarning")
PLAIN = [name for name in olmo.__all__ if name not in ("ComposableSchedulerStage", "OverrideDecay")]
ALONE = [name for name in PLAIN if name not in ("WSDS", "ComposableScheduler", "SequentialScheduler")]


def peer(name: str, arguments: dict[str, Any]) -> Any:
    """The library's own object from the arguments of ours."""
    own = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    own = {key: value for key, value in own.items() if key not in OUTSIDE}
    if "stages" in own:
        own["stages"] = [PEER.ComposableSchedulerStage(**stage) for stage in own["stages"]]
    if own.get("override_decay"):
        own["override_decay"] = PEER.OverrideDecay(**own["override_decay"])
    if "schedulers" in own:
        own["schedulers"] = [peer(part.full_name().partition(".")[2], part.parameters()) for part in own["schedulers"]]
    return getattr(PEER, name)(**own)


def theirs(name: str, arguments: dict[str, Any], updates: int) -> Iterable[float]:
    """What the file says for each update; the trainer counts first, and so asks from 1 on."""
    scheduler, whole = peer(name, arguments), arguments["max_steps"]
    each = arguments.get("tokens_per_update", 1)
    for update in range(updates):
        current = (update + arguments.get("first_step", 0)) * each
        yield scheduler.get_lr(arguments["lr"], min(current, whole) if "schedulers" in arguments else current, whole)


def span(rng: random.Random, noun: str, whole: int, known: Any) -> dict[str, Any]:
    """A length in units or as a share, 0 among them, sometimes by its older name."""
    if f"{noun}_fraction" not in known:
        return {}
    if rng.random() < 0.5:
        return {f"{noun}_fraction": rng.choice((0.0, rng.uniform(0, 0.7)))}
    older = f"{noun}_steps" in known and rng.random() < 0.1
    given = {f"{noun}_steps" if older else noun: rng.choice((0, 1, rng.randint(0, whole + 1)))}
    return given | ({f"{noun}_fraction": None} if noun == "decay" else {})


def drawn(name: str, rng: random.Random) -> dict[str, Any]:
    known = getattr(olmo, name).kinds
    whole = rng.choice((1, 2, 3, *(rng.randint(4, 60) for _ in range(4))))
    given: dict[str, Any] = {"max_steps": whole, "lr": rng.choice((1.0, rng.uniform(0.1, 2.0)))}
    if rng.random() < 0.5:
        given["first_step"] = 1
    if rng.random() < 0.3:
        given |= {"units": "tokens", "tokens_per_update": rng.randint(1, 7)}
    for noun in ("warmup", "decay"):
        given |= span(rng, noun, whole, known)
    optional = {
        "warmup_min_lr": rng.uniform(0, 0.05),
        "decay_min_lr": rng.uniform(0, 0.05),
        "alpha_f": rng.uniform(0, 0.6),
        "b": -rng.uniform(0.1, 2),
        "lr_min": 10 ** -rng.uniform(1, 9),
        "t_max": rng.randint(1, whole + 5),
    }
    given |= {key: value for key, value in optional.items() if key in known and rng.random() < 0.6}
    return given | SPECIAL.get(name, lambda rng, whole: {})(rng, whole)


def periods(rng: random.Random, whole: int) -> dict[str, Any]:
    lengths = [rng.randint(1, 15) for _ in range(rng.randint(1, 4))]
    multipliers = [rng.uniform(0.5, 1.5) for _ in lengths] if rng.random() < 0.5 else None
    return {"period_lengths": lengths, "period_lr_multipliers": multipliers}


def ends(rng: random.Random) -> dict[str, Any]:
    return {"end_lr": rng.random()} if rng.random() < 0.5 else {"end_lr_fraction": rng.uniform(0, 1.2)}


def override(rng: random.Random, whole: int) -> dict[str, Any]:
    if rng.random() < 0.6:
        return {}
    shape = rng.choice(("linear", "cosine"))
    return {"start": rng.randint(0, whole), "duration": rng.randint(1, 9), "shape": shape, **ends(rng)}


def stages(rng: random.Random, whole: int) -> dict[str, Any]:
    found = []
    for _ in range(rng.randint(1, 4)):
        start = rng.choice(({}, {}, {"start_lr": rng.random()}, {"start_lr_fraction": rng.random()}))
        found.append({"duration": rng.randint(1, 9), "shape": rng.choice(("linear", "cosine")), **start, **ends(rng)})
    return {"stages": found, "override_decay": override(rng, 30) or None}


def sequence(rng: random.Random, whole: int) -> dict[str, Any]:
    whole = rng.randint(2, 40)
    count = rng.randint(1, 4)
    parts = [legal(rng.choice([*ALONE, "WSDS", "ComposableScheduler"]), rng)[1] for _ in range(count)]
    limits = [rng.randint(1, 12) for _ in range(rng.choice((count, count - 1)))]
    return {
        "schedulers": parts,
        "schedulers_max": limits,
        "override_decay": override(rng, whole) or None,
        "max_steps": whole,
    }


SPECIAL = {"WSDS": periods, "ComposableScheduler": stages, "SequentialScheduler": sequence}


UNSEEN = {
    "PowerLR": r"PowerLR\.decay must be < max_steps",
    "WSDS": r"WSDS\.decay of period \d must be >= 1|decay_min_lr must be <",
    "SequentialScheduler": "SequentialScheduler: ",
}
"""What we refuse, and the library does not come to: the warmup hides it, or the run ends before that part."""


def legal(name: str, rng: random.Random) -> tuple[dict[str, Any], Any]:
    while True:
        arguments = drawn(name, rng)
        ours = parity.taken(
            lambda given=arguments: getattr(olmo, name)(**given),
            lambda given=arguments: theirs(name, given, 80),
            UNSEEN.get(name, "(?!)"),
        )
        if ours is not None:
            return arguments, ours


@OLDER
@pytest.mark.parametrize("name", PLAIN)
def test_parity_with_olmo(name: str) -> None:
    def case(rng: random.Random) -> tuple[Any, Iterable[float]]:
        arguments, ours = legal(name, rng)
        return ours, theirs(name, arguments, parity.updates_for(ours.horizon or 40))

    parity.every(name, case, parity.FLOAT64)


def test_every_scheduler_of_the_file_is_here() -> None:
    found = {
        name for name, value in vars(PEER).items() if isinstance(value, type) and issubclass(value, PEER.Scheduler)
    }
    assert found - {"Scheduler"} == set(PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_text_and_json(name: str) -> None:
    for rng in parity.draws(f"{name} text", 20):
        _, schedule = legal(name, rng)
        assert lr.parse(repr(schedule)) == schedule
        assert lr.Schedule.from_json(schedule.to_json()) == schedule


def test_the_fields_of_the_param_groups_change_no_rate() -> None:
    assert olmo.WSD(warmup=2, lr_field="lr", initial_lr_field="initial_lr") == olmo.WSD(warmup=2)


@OLDER
def test_the_older_name_of_the_lengths_of_a_sequence() -> None:
    parts = [olmo.ConstantScheduler(), olmo.LinearWithWarmup(warmup=0)]
    ours = olmo.SequentialScheduler(parts, schedulers_max_steps=[3], max_steps=9)
    assert ours == olmo.SequentialScheduler(parts, [3], max_steps=9)
    assert ours == olmo.SequentialScheduler(parts, [3], max_steps=9, schedulers_max_steps=[5])
    real_parts = [peer("ConstantScheduler", {}), peer("LinearWithWarmup", {"warmup": 0})]
    real = PEER.SequentialScheduler(schedulers=real_parts, schedulers_max_steps=[3])
    parity.agree(ours, [real.get_lr(1.0, update, 9) for update in range(10)])


@pytest.mark.parametrize("name", [*ALONE, "WSDS", "ComposableScheduler"])
def test_what_is_drawn_is_legal(name: str) -> None:
    for seed in range(300):
        draw(getattr(olmo, name), random.Random(seed))


WSD = {"warmup": 2, "decay": 4, "decay_fraction": None, "decay_min_lr": 0.1, "max_steps": 10}
GOLDEN = [
    # table A
    (olmo.ConstantWithWarmup(warmup=4), [0, 1, 2, 3, 4, 5], [0, 0.25, 0.5, 0.75, 1, 1]),
    (
        olmo.HalfCosWithWarmup(warmup=4, max_steps=12),
        [0, 1, 2, 3, 4, 5],
        [0, 0.1375, 0.275, 0.4125, 0.55, 0.4622],
    ),
    # table G
    (
        olmo.InvSqrtWithWarmup(warmup=4),
        [0, 1, 3, 4, 5, 16, 100],
        [0, 0.25, 0.75, 1, 0.905, 0.55, 0.28],
    ),
    # table H
    (olmo.WSD(**WSD), [0, 1, 5, 6, 7, 9, 10, 11], [0, 0.5, 1, 1, 0.775, 0.325, 0.1, -0.125]),
]


@pytest.mark.parametrize(("schedule", "updates", "values"), GOLDEN, ids=["A", "A half", "G", "H"])
def test_rows_of_the_tables(schedule: Any, updates: list[int], values: list[float]) -> None:
    assert np.abs(schedule(updates) - values).max() < 5e-4


def test_the_trainer_is_one_ahead() -> None:
    counted = olmo.WSD(**WSD, first_step=1)
    asked = olmo.WSD(**WSD)
    assert counted(range(12)).tolist() == asked(range(1, 13)).tolist()


def test_left_out_it_waits_for_the_run() -> None:
    waiting = olmo.WSD(warmup_fraction=0.1)
    assert not waiting.bound
    assert waiting.over(50) == olmo.WSD(warmup_fraction=0.1, max_steps=50)
    with pytest.raises(UnboundError, match="max_steps is not known"):
        waiting(3)
    tokens = olmo.CosWithWarmup(warmup=400, units="tokens")
    assert tokens.over(50, tokens_per_update=100) == tokens.replace(max_steps=5000, tokens_per_update=100)
    with pytest.raises(UnboundError, match="tokens_per_update=..."):
        tokens.over(50)
    chained = (olmo.WSD(warmup=2) >> lr.Linear(1.0, 0.0, 10)).over(50)
    assert chained.length == 50
    assert olmo.ConstantWithWarmup(warmup=4).bound


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("WSD", {"warmup": 2, "decay": 4, "max_steps": 10}, "takes decay or decay_fraction: give one, and None"),
        ("WSD", {"max_steps": 10}, "takes warmup or warmup_fraction"),
        ("WSD", {"warmup": 2, "decay_fraction": 0.0, "max_steps": 10}, "decay must be >= 1 steps, got 0"),
        ("WSD", {"warmup": 0, "max_steps": 10}, "warmup must be >= 1 steps, got 0; .* at the count 0; first_step=1"),
        ("PowerLR", {"warmup": 0, "max_steps": 10}, "warmup must be >= 1 steps, got 0; the library divides by it$"),
        ("WSD", {"warmup": 2, "max_steps": 10, "warmup_min_lr": 1.0}, "warmup_min_lr must be < its peak of 1.0 rate"),
        ("WSD", {"warmup": 2, "max_steps": 10, "decay_min_lr": 1.0}, "decay_min_lr must be < 1.0 rate"),
        ("WSD", {"warmup": 2, "alpha_f": 0.1}, "unknown parameter of WSD 'alpha_f'"),
        ("WSD", {"warmup": 2, "tokens_per_update": 8}, "belongs to units='tokens'"),
        ("WSD", {"warmup": 2, "units": "updates"}, "units must be one of 'steps', 'tokens', got 'updates'"),
        ("PowerLR", {"warmup": 2, "b": 0.5, "max_steps": 10}, "b must be < 0"),
        (
            "PowerLR",
            {"warmup": 2, "decay_fraction": 1.0, "max_steps": 10},
            "decay must be < max_steps, here 10, got",
        ),
        ("ExponentialScheduler", {"lr_min": 0.0, "max_steps": 10}, "lr_min must be > 0 rate"),
        (
            "WSDS",
            {"period_lengths": [5], "warmup": 3, "decay": 3},
            "decay of period 0 must be <= its 5 steps",
        ),
        ("WSDS", {"period_lengths": [5, 5], "warmup": 3, "decay": 0}, "decay of period 0 must be >= 1 steps, got 0"),
        ("WSDS", {"period_lengths": [5], "warmup": 3}, "takes decay or decay_fraction"),
        (
            "WSDS",
            {"period_lengths": [5], "period_lr_multipliers": [1, 2], "warmup": 1, "decay": 1},
            "one entry per period, here 1, got 2",
        ),
        ("ComposableScheduler", {"stages": []}, "be a list of mappings"),
        ("ComposableScheduler", {"stages": [{"duration": 0, "end_lr": 1.0}]}, "duration must be >= 1 updates, got 0"),
        ("ComposableScheduler", {"stages": [{"duration": 1}]}, "takes one of end_lr and end_lr_fraction"),
        ("ComposableScheduler", {"stages": [{"length": 1}]}, "unknown parameter of ComposableSchedulerStage 'length'"),
        ("SequentialScheduler", {"schedulers": [lr.Constant(1.0)]}, "must hold schedulers of OLMo-core"),
        ("SequentialScheduler", {"schedulers": [olmo.ConstantScheduler()] * 3}, "schedulers_max must have an entry"),
    ],
)
def test_bad_arguments(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        getattr(olmo, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("WSD", {"warmup": 2, "decay": 4, "max_steps": 10}),
        ("WSD", {"warmup": 2, "decay_fraction": 0.0, "max_steps": 10}),
        ("ConstantWithWarmup", {"warmup": 0, "max_steps": 10}),
        ("WSD", {"warmup": 0, "max_steps": 10}),
        ("WSD", {"warmup": 2, "max_steps": 10, "decay_min_lr": 1.0}),
        ("PowerLR", {"warmup": 2, "decay_fraction": 1.0, "max_steps": 10}),
        ("PowerLR", {"warmup": 0, "max_steps": 10, "first_step": 1}),
        ("InvSqrtWithWarmup", {"warmup": 0, "max_steps": 10}),
        ("WSDS", {"period_lengths": [5, 5], "warmup": 3, "decay": 0, "max_steps": 10}),
    ],
)
def test_what_is_refused_the_library_cannot_run_either(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        getattr(olmo, name)(**arguments)
    with pytest.raises((ZeroDivisionError, AssertionError, ConfigurationError)):
        list(theirs(name, {"lr": 1.0} | arguments, 11))


AHEAD = "one update ahead in the trainer"


def found(schedule: Any, run: int) -> list[str]:
    return [finding.name for finding in schedule.quirks(run)]


TRAINED = {"first_step": 1}


def test_quirks_are_said_where_they_show() -> None:
    assert found(olmo.WSD(**WSD, **TRAINED), 10) == []
    assert found(olmo.WSD(**WSD, **TRAINED), 11) == ["negative past the end"]
    assert found(olmo.WSD(**WSD), 10) == [AHEAD]
    assert found(olmo.WSD(**WSD), 12) == [AHEAD, "negative past the end"]
    assert found(olmo.PowerLR(warmup=2, max_steps=20, **TRAINED), 30) == ["negative past the end"]
    assert found(olmo.CosWithWarmupAndLinearDecay(warmup=2, max_steps=20, **TRAINED), 30) == ["negative past the end"]
    assert found(olmo.HalfCosWithWarmup(warmup=4, max_steps=12, **TRAINED), 12) == ["peak never reached"]
    assert found(olmo.InvSqrtWithWarmup(warmup=0, **TRAINED), 12) == ["peak never reached"]
    assert found(olmo.InvSqrtWithWarmup(warmup=4, **TRAINED), 12) == []
    assert found(olmo.CosWithWarmup(warmup=4, max_steps=12, **TRAINED), 30) == []
    assert found(olmo.HalfCosWithWarmup(warmup=4, max_steps=12, **TRAINED), 2) == ["peak never reached"]


HALF, WARM = olmo.HalfCosWithWarmup(warmup=4, max_steps=12, **TRAINED), olmo.ConstantWithWarmup(warmup=2)


def sequence_of(*parts: Any, **given: Any) -> Any:
    return olmo.SequentialScheduler(list(parts), **{"schedulers_max": [4], "max_steps": 16, **given})


def test_a_sequence_says_what_its_parts_do() -> None:
    assert found(sequence_of(WARM, WARM), 16) == [AHEAD]
    assert found(sequence_of(WARM, WARM, **TRAINED), 16) == []
    assert found(sequence_of(WARM, WARM, **TRAINED), 17) == ["raises past the end"]
    assert found(sequence_of(WARM, HALF), 17) == [AHEAD, "peak never reached"]
    assert found(sequence_of(WARM, HALF, **TRAINED), 4) == []
    assert (
        found(sequence_of(WARM, HALF, override_decay={"start": 4, "duration": 2, "end_lr": 0.0}, **TRAINED), 16) == []
    )
    (alone,) = HALF.quirks(12)
    (inside,) = sequence_of(WARM, HALF, **TRAINED).quirks(16)
    assert dict(inside.evidence) == {**alone.evidence, "counted from": 4}
    tokens = sequence_of(WARM, HALF, schedulers_max=[8], max_steps=32, units="tokens", tokens_per_update=2, **TRAINED)
    assert found(tokens, 16) == ["peak never reached"]
    assert found(tokens, 17) == ["peak never reached", "raises past the end"]


@OLDER
@pytest.mark.parametrize("name", PLAIN)
def test_the_trainer_s_lead_is_said(name: str) -> None:
    for rng in parity.draws(f"{name} lead", 20):
        arguments, schedule = legal(name, rng)
        leads = [finding for finding in schedule.quirks(2) if finding.name == AHEAD]
        assert len(leads) == 1 - schedule.first_step
        for finding in leads:
            (trained,) = theirs(name, arguments | TRAINED, 1)
            assert finding.evidence["rate at 0"] == schedule(0)
            assert finding.evidence["in the trainer"] == pytest.approx(trained, rel=1e-12, abs=1e-12)
            assert finding.severity == "note"
            assert "first_step=1" in finding.advice
        assert AHEAD not in found(schedule, 1)
