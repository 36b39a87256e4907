"""Every scheduler of mmengine.optim.scheduler, alone and in lists, against the installed library."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, UsageError
from learnrate.interop import mmengine as ours
from learnrate.interop import read
from learnrate.interop.dialect import DIALECTS
from learnrate.interop.mmengine.stacking import INF
from learnrate.spec import draw
from parity import DRAWS, FLOAT64, agree, draws, every, updates_for

with warnings.catch_warnings():  # what torch says about the code of others while it is imported
    warnings.simplefilter("ignore")
    import mmengine.optim.scheduler as theirs

Arguments = dict[str, Any]


def optimizer(*rates: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, momentum=momentum)


def rates(
    optim: torch.optim.Optimizer, schedulers: list[Any], count: int, pace: int = 1, key: str = "lr"
) -> list[float]:
    """The documented loop: the optimizer's value, its step, then every scheduler, as ParamSchedulerHook does.

    Those by epoch step after those by update, at the end of every `pace` updates. One that raises past its end stays.
    """
    found = []
    for t in range(1, count + 1):
        found.append(optim.param_groups[0][key])
        optim.step()
        ordered = schedulers if pace == 1 else sorted(schedulers, key=lambda one: one.by_epoch)
        for scheduler in ordered:
            if t % pace == 0 or not scheduler.by_epoch:
                try:
                    scheduler.step()
                except (ValueError, ZeroDivisionError):
                    assert "OneCycle" in type(scheduler).__name__
    return found


def size(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, rng.randint(4, 40), rng.randint(4, 40)))


def rate(rng: random.Random) -> float:
    return 10 ** rng.uniform(-3, 0)


def some(rng: random.Random, **options: Any) -> Arguments:
    """Optional arguments: each is given, or left out."""
    return {key: value for key, value in options.items() if rng.random() < 0.7}


def window(rng: random.Random) -> Arguments:
    begin = rng.choice((0, 0, 1, rng.randint(2, 10)))
    return some(rng, begin=begin, end=begin + size(rng))


def floors(rng: random.Random, required: bool) -> Arguments:
    kind = rng.choice(("eta_min", "eta_min_ratio") if required else ("eta_min", "eta_min_ratio", ""))
    return {kind: rng.choice((0.0, rng.uniform(0.001, 0.3)))} if kind else {}


def restarts(rng: random.Random) -> Arguments:
    periods = [size(rng) for _ in range(rng.randint(1, 4))]
    weights = {"restart_weights": [rng.uniform(0.2, 1.2) for _ in periods]}
    return {"periods": periods, **(weights if len(periods) > 1 else some(rng, **weights)), **floors(rng, True)}


def one_cycle(rng: random.Random) -> Arguments:
    given = some(rng, three_phase=True, anneal_strategy="linear", div_factor=rng.uniform(2, 30))
    given |= some(rng, final_div_factor=rng.uniform(10, 1e4), total_steps=size(rng))
    return {"eta_max": rate(rng), "pct_start": rng.choice((0.3, 0.0, 0.37, rng.uniform(0, 0.49))), **given}


CASES: dict[str, Callable[[random.Random], Arguments]] = {
    "ConstantLR": lambda r: some(r, factor=r.uniform(0.01, 1)),
    "LinearLR": lambda r: some(r, start_factor=r.uniform(0.01, 1), end_factor=r.choice((0.0, 1.0, r.random()))),
    "PolyLR": lambda r: some(r, eta_min=rate(r) / 10, power=r.uniform(0.3, 3)),
    "ExponentialLR": lambda r: {"gamma": r.uniform(0.5, 1.1)},
    "StepLR": lambda r: {"step_size": size(r), **some(r, gamma=r.uniform(0.1, 1.5))},
    "MultiStepLR": lambda r: {
        "milestones": [r.randint(0, 30) for _ in range(r.randint(1, 5))],
        **some(r, gamma=r.uniform(0.1, 1.5)),
    },
    "CosineAnnealingLR": lambda r: {**some(r, T_max=size(r)), **floors(r, False)},
    "CosineRestartLR": restarts,
    "OneCycleLR": one_cycle,
}
ALONE = sorted(CASES)
MOMENTUM = [name.removesuffix("LR") + "Momentum" for name in ALONE if name != "OneCycleLR"]


def drawn(name: str, rng: random.Random) -> Arguments:
    """Arguments that the real class takes; what divides by 0 there is drawn again."""
    for _ in range(50):
        given = {**CASES[name](rng), **window(rng)}
        total = given.get("total_steps", given.get("end", INF) - given.get("begin", 0))
        if total == 1 and name == "OneCycleLR":  # only the end is used: what is lost against the peak shows in it
            given["final_div_factor"] = 20.0
        if name != "OneCycleLR" or all(given["pct_start"] * total * times != 1 for times in range(1, 5)):
            return given
    raise AssertionError(name)


def test_every_class_of_the_library_is_ours():
    public = {name for name in theirs.__all__ if name.endswith(("LR", "Momentum"))}
    assert set(ours.__all__) - {"param_scheduler", "read_mapping", "read_object"} == public
    assert sorted({*ALONE, *MOMENTUM, "ReduceOnPlateauLR", "ReduceOnPlateauMomentum"}) == sorted(public)


@pytest.mark.parametrize("name", ALONE)
def test_the_rates_are_mmengines(name):
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        given, base, kind = drawn(name, rng), rate(rng), rng.choice(("update", "epoch", "converted"))
        pace = rng.randint(1, 4) if kind != "update" else 1
        optim, cls = optimizer(base), getattr(theirs, name)
        if kind == "converted":
            real = cls.build_iter_from_epoch(optim, **given, epoch_length=pace)
            mine = getattr(ours, name)(**given, epoch_length=pace, lr=base)
        else:
            by_epoch = kind == "epoch"
            real = cls(optim, **given, by_epoch=by_epoch)
            mine = getattr(ours, name)(**given, by_epoch=by_epoch, updates_per_epoch=pace, lr=base)
        count = updates_for(min(mine.horizon or 60, 150))
        return mine, rates(optim, [real], count, pace if kind == "epoch" else 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every(f"mmengine.{name}", case, FLOAT64)


@pytest.mark.parametrize("name", MOMENTUM)
def test_the_momenta_are_mmengines(name):
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        given, base = drawn(name.removesuffix("Momentum") + "LR", rng), rng.uniform(0.5, 0.99)
        optim = optimizer(0.1, momentum=base)
        real = getattr(theirs, name)(optim, **given, by_epoch=False)
        mine = getattr(ours, name)(**given, by_epoch=False, momentum=base)
        return mine, rates(optim, [real], updates_for(min(mine.horizon or 60, 60)), key="momentum")

    every(f"mmengine.{name}", case, FLOAT64)


def stack(rng: random.Random, names: list[str], base: float) -> tuple[Schedule, list[float]]:
    """A list of schedulers of one optimizer, ours and theirs; some step per epoch."""
    pace = rng.choice((1, 1, 2, 3))
    optim, mine, real = optimizer(base), [], []
    for name in names:
        given = drawn(name, rng)
        by_epoch = pace > 1 and rng.random() < 0.5
        real.append(getattr(theirs, name)(optim, **given, by_epoch=by_epoch))
        mine.append(getattr(ours, name)(**given, by_epoch=by_epoch, updates_per_epoch=pace if by_epoch else 1))
    schedule = ours.param_scheduler(mine, record=60, lr=base)
    return schedule, rates(optim, real, 60, pace)


def test_lists_are_mmengines():
    count = recorded = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rng in draws("mmengine lists", 2 * DRAWS):
            names = [rng.choice(ALONE) for _ in range(rng.randint(2, 4))]
            if names.count("OneCycleLR") > 1:
                names = ["OneCycleLR", *sorted({*names} - {"OneCycleLR"}), "StepLR"]
            mine, values = stack(rng, names, rate(rng))
            agree(mine, values)
            recorded += any(finding.name == "recorded curve" for finding in mine.quirks(60))
            count += 1
    assert count > DRAWS
    assert DRAWS / 10 < recorded < count


@pytest.mark.parametrize("second", ALONE)
@pytest.mark.parametrize("apart", [True, False])
def test_a_warmup_and_what_follows_are_mmengines(second, apart):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rng in draws(f"warmup {second} {apart}", 30):
            warm, base = rng.randint(1, 8), rate(rng)
            given = drawn(second, rng) | {"begin": warm if apart else rng.randint(0, warm - 1)}
            given["end"] = given["begin"] + rng.randint(2, 40)
            if second == "OneCycleLR":
                given["pct_start"] = 0.31
            optim = optimizer(base)
            real = [
                theirs.LinearLR(optim, 0.1, end=warm, by_epoch=False),
                getattr(theirs, second)(optim, **given, by_epoch=False),
            ]
            mine = ours.param_scheduler(
                [ours.LinearLR(0.1, end=warm, by_epoch=False), getattr(ours, second)(**given, by_epoch=False)], lr=base
            )
            assert not apart or "recorded curve" not in [finding.name for finding in mine.quirks(99)]
            agree(mine, rates(optim, real, 70))


def test_a_real_list_goes_through_a_real_recipe():
    """A detection recipe: warmup per update, milestones per epoch of 7 updates; the cosine bounces to the base rate."""
    optim = optimizer(0.02)
    real = [
        theirs.LinearLR(optim, 0.001, begin=0, end=10, by_epoch=False),
        theirs.MultiStepLR(optim, [8, 11], 0.1, begin=0, end=12, by_epoch=True),
    ]
    mine = ours.param_scheduler(
        [
            ours.LinearLR(0.001, begin=0, end=10, by_epoch=False),
            ours.MultiStepLR([8, 11], 0.1, begin=0, end=12, updates_per_epoch=7),
        ],
        lr=0.02,
    )
    agree(mine, rates(optim, real, 100, pace=7))
    assert mine.horizon == 84

    optim = optimizer(1.0)
    real = [
        theirs.ConstantLR(optim, 0.5, end=1, by_epoch=False),
        theirs.CosineAnnealingLR(optim, 5, 0.1, begin=1, by_epoch=False),
    ]
    mine = ours.param_scheduler(
        [ours.ConstantLR(0.5, end=1, by_epoch=False), ours.CosineAnnealingLR(5, 0.1, begin=1, by_epoch=False)]
    )
    agree(mine, rates(optim, real, 40))
    assert (mine(1), mine(6), mine(11)) == pytest.approx((0.5, 0.1, 1.0))


def test_what_never_closes_must_say_how_far_it_is_replayed():
    parts = [ours.ExponentialLR(0.9, by_epoch=False), ours.PolyLR(0.1, by_epoch=False)]
    with pytest.raises(ParameterError, match=r"param_scheduler\.record must say how many updates are replayed"):
        ours.param_scheduler(parts)
    schedule = ours.param_scheduler(parts, 20)
    assert schedule(30) == schedule(19)
    assert [finding.severity for finding in schedule.quirks(20)] == ["note"]
    assert [finding.severity for finding in schedule.quirks(21)] == ["warning"]


COSINE = ours.CosineAnnealingLR(10, 0.1, end=10)
TABLES = [
    ("A", ours.LinearLR(0.25, end=4), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 4: 1, 5: 1}, 4),
    ("B", COSINE, {0: 1, 5: 0.55, 9: 0.122, 10: 0.122, 11: 0.122, 15: 0.122, 20: 0.122}, 3),
    ("C", ours.PolyLR(0.1, 2.0, end=10), {5: 0.2778}, 4),
    ("C linear", ours.PolyLR(end=10), {9: 0, 10: 0, 11: 0, 15: 0}, 4),
    ("D", ours.ConstantLR(0.1, end=4), {2: 0.1, 3: 1, 4: 1, 5: 1}, 4),
    ("F", ours.OneCycleLR(1.0, end=10), {0: 0.04, 1: 0.52, 2: 1, 9: 0.000004, 10: 0.000004}, 6),
    ("F, after the peak", ours.OneCycleLR(1.0, end=10), {3: 0.950}, 3),
]


@pytest.mark.parametrize(("table", "schedule", "row", "digits"), TABLES, ids=[table for table, *_ in TABLES])
def test_the_tables_of_the_reference(table, schedule, row, digits):
    assert {t: round(schedule(t), digits) for t in row} == row


def test_plateau_of_table_j():
    rule = ours.ReduceOnPlateauLR(patience=2)
    state, factors = rule.start(), []
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(round(factor, 12))
    assert factors == [1, 1, 1, 0.1, 0.1, 0.1, 0.01]


@pytest.mark.parametrize("name", ["ReduceOnPlateauLR", "ReduceOnPlateauMomentum"])
def test_plateau_is_mmengines_on_drawn_metrics(name):
    key = "lr" if name.endswith("LR") else "momentum"
    for rng in draws(name):
        base = rng.uniform(0.1, 0.9)
        given = some(
            rng, rule=rng.choice(("less", "greater")), factor=rng.uniform(0.05, 0.9), patience=rng.randint(0, 4)
        )
        given |= some(rng, threshold=rng.uniform(0, 0.2), threshold_rule=rng.choice(("rel", "abs")))
        given |= some(rng, cooldown=rng.randint(0, 4), min_value=rng.choice((base / 20, 2 * base)), eps=base * 1e-4)
        optim = optimizer(base, momentum=base)
        real = getattr(theirs, name)(optim, **given)
        rule = getattr(ours, name)(**given, **{key: base})
        state = rule.start()
        for _ in range(40):
            metric = rng.choice((1.0, rng.uniform(0.5, 1.5)))
            real.step()
            real.step({"loss": metric})
            state, factor = rule(state, metric)
            assert base * factor == pytest.approx(optim.param_groups[0][key], rel=1e-12)


WARM = ours.LinearLR(0.25, end=4)
LATER = ours.CosineAnnealingLR(10, begin=4, end=19)


def listed(*parts):
    return ours.param_scheduler(list(parts), lr=0.1)


def test_a_part_of_a_list_says_what_it_says_alone():
    alone = [*WARM.replace(lr=0.1).quirks(30), *LATER.replace(lr=0.1).quirks(30)]
    assert list(listed(WARM, LATER).quirks(30)) == alone


@pytest.mark.parametrize(
    ("schedule", "run", "names"),
    [
        (ours.LinearLR(0.25, end=4), 10, ["one step early"]),
        (ours.LinearLR(0.25, end=4), 3, []),
        (ours.LinearLR(0.25, end=1), 3, ["window of one step"]),
        (COSINE, 10, []),
        (COSINE, 20, ["ends above its floor"]),
        (ours.CosineAnnealingLR(10, end=11), 20, []),
        (ours.CosineAnnealingLR(10, end=30), 20, ["rises past the end"]),
        (ours.CosineRestartLR([4, 4], [1, 0.5], 0.0), 20, ["ends above its floor"]),
        (ours.ExponentialLR(0.9, epoch_length=10), 20, ["gamma per update"]),
        (ours.ExponentialLR(0.9), 20, []),
        (ours.OneCycleLR(1.0, end=10), 20, []),
        (ours.OneCycleLR(1.0, end=10, pct_start=0.25), 20, ["peak never reached"]),
        (ours.OneCycleLR(1.0, 10), 20, ["rises past the end"]),
        (ours.OneCycleLR(1.0, end=10), 2, []),
        (listed(WARM), 10, ["one step early"]),
        (listed(WARM, COSINE), 10, ["one step early", "recorded curve"]),
        (listed(WARM, ours.CosineAnnealingLR(10)), 20, ["one step early", "rises past the end", "recorded curve"]),
        (listed(WARM, LATER), 12, ["one step early"]),
        (listed(WARM, LATER), 30, ["one step early", "rises past the end"]),
        (listed(LATER, ours.MultiStepLR([20], begin=19)), 30, ["rises past the end"]),
        (listed(LATER, ours.MultiStepLR([20], begin=9)), 30, ["recorded curve"]),
    ],
)
def test_quirks_are_said_where_they_show(schedule, run, names):
    assert [finding.name for finding in schedule.quirks(run)] == names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.StepLR(0), "StepLR.step_size must be >= 1 updates, got 0"),
        (lambda: ours.StepLR(3, gama=0.5), "did you mean 'gamma'"),
        (lambda: ours.LinearLR(0.0), "LinearLR.start_factor must be > 0, got 0.0"),
        (lambda: ours.LinearLR(begin=4, end=4), "LinearLR.end must be > begin (updates), got 4 and 4"),
        (
            lambda: ours.LinearLR(begin=0.5),
            "LinearLR.begin must be a whole number unless epoch_length is given, got 0.5",
        ),
        (lambda: ours.LinearLR(by_epoch=False, epoch_length=5), "epoch_length converts from epochs"),
        (lambda: ours.LinearLR(by_epoch=False, updates_per_epoch=5), "updates_per_epoch needs by_epoch=True"),
        (lambda: ours.CosineAnnealingLR(4, 0.1, eta_min_ratio=0.1), "needs one of eta_min and eta_min_ratio"),
        (lambda: ours.CosineRestartLR([4]), "needs one of eta_min and eta_min_ratio, got None and None"),
        (
            lambda: ours.CosineRestartLR([4, 4], eta_min=0),
            "restart_weights must have one entry per period, got 1 for 2",
        ),
        (lambda: ours.OneCycleLR(1.0, 10, 0.1), "pct_start * total_steps must not be 1 step"),
        (lambda: ours.param_scheduler([lr.Constant(1)]), "must be mmengine schedulers, got Constant(1.0) at 0"),
        (lambda: ours.param_scheduler([ours.StepLR(3, lr=0.5)], lr=0.1), "must leave the base rate to param_scheduler"),
        (
            lambda: ours.param_scheduler([ours.StepLR(3), ours.StepMomentum(3)]),
            "must all be of the rate or all of the momentum",
        ),
        (lambda: ours.param_scheduler([ours.OneCycleLR(1.0, 9)] * 2), "must have at most one OneCycleLR"),
        (
            lambda: ours.param_scheduler([ours.StepLR(3, updates_per_epoch=n) for n in (2, 3)]),
            "must agree on updates_per_epoch, got [2, 3]",
        ),
        (lambda: ours.ReduceOnPlateauLR(rule="min"), "rule must be one of 'less', 'greater', got 'min'"),
        (lambda: ours.ReduceOnPlateauLR(begin=3), "begin and end must be left out"),
        (lambda: ours.ReduceOnPlateauLR(patient=3), "did you mean 'patience'"),
    ],
)
def test_bad_arguments_say_the_rule(call, message):
    with pytest.raises(ParameterError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", [*ALONE, *MOMENTUM])
def test_text_and_json_round_trips(name):
    for index in range(15):
        schedule = draw(DIALECTS[f"mmengine.{name}"], random.Random(f"{name} {index}"), attempts=2000)
        several = ours.param_scheduler([schedule.replace(**{schedule.parameter: 1.0})], record=20)
        for value in (schedule, several):
            assert lr.parse(repr(value)) == value
            assert Schedule.from_json(value.to_json()) == value


def config(name: str, given: Arguments, **more: Any) -> Arguments:
    return {"type": name, **given, **more}


@pytest.mark.parametrize("name", ALONE)
def test_a_live_scheduler_and_its_config_are_read(name):
    for rng in draws(f"read {name}", 15):
        given = drawn(name, rng)
        optim = optimizer(0.1, 0.2) if name != "OneCycleLR" else optimizer(0.1)
        real = getattr(theirs, name)(optim, **given, by_epoch=False)
        from_config = ours.read_mapping(config(name, given, by_epoch=False), lr=0.1)
        found = read(real)
        live = found.schedule[0] if isinstance(found.schedule, dict) else found.schedule
        if name != "OneCycleLR" or not given.get("begin"):  # its own start replaces the rate before its window
            agree(live, from_config.schedule(range(60)).tolist())
        agree(from_config.schedule, getattr(ours, name)(**given, by_epoch=False, lr=0.1)(range(60)).tolist())
        optim.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                real.step()
            except (ValueError, ZeroDivisionError):
                assert name == "OneCycleLR"
        assert (found.update, read(real).update) == (0, 1)


def test_a_config_with_several_is_read():
    data = {
        "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.25, "end": 4, "by_epoch": False, "verbose": True},
            {"type": "MultiStepLR", "milestones": [2], "convert_to_iter_based": True},
            {"type": "StepMomentum", "step_size": 2, "by_epoch": True},
            {"type": "ReduceOnPlateauLR", "monitor": "loss", "patience": 2, "min_value": 0.01},
        ]
    }
    found = ours.read_mapping(data, lr=0.1, momentum=0.9, epoch_length=5, total=3)
    assert found.schedule == ours.param_scheduler(
        [ours.LinearLR(0.25, end=4, by_epoch=False), ours.MultiStepLR([2], end=3, epoch_length=5)], lr=0.1
    )
    assert found.settings == {
        "momentum": ours.param_scheduler([ours.StepMomentum(2, end=3, updates_per_epoch=5)], lr=0.9)
    }
    assert found.feedback == ours.ReduceOnPlateauLR(patience=2, min_value=0.01, lr=0.1)
    assert found.schedule([0, 3, 9, 10]) == pytest.approx([0.025, 0.1, 0.1, 0.01])


def test_a_live_momentum_and_a_live_rule_are_read():
    optim = optimizer(0.1)
    found = read(theirs.StepMomentum(optim, 3, by_epoch=True), epoch_length=4)
    assert found.settings == {"momentum": ours.StepMomentum(3, updates_per_epoch=4, momentum=0.9)}
    assert found.schedule == lr.Constant(0.1)
    found = read(theirs.ReduceOnPlateauLR(optimizer(0.1), patience=3, min_value=0.01))
    assert found.feedback == ours.ReduceOnPlateauLR(patience=3, min_value=0.01, lr=0.1)


def test_a_live_list_is_read_per_group():
    optim = optimizer(0.1, 0.2)
    stack = [
        theirs.LinearLR(optim, 0.25, end=4, by_epoch=False),
        theirs.CosineAnnealingLR(optim, 10, 0.01, begin=4, by_epoch=False),
        theirs.StepMomentum(optim, 3, by_epoch=True),
        theirs.ReduceOnPlateauLR(optim, patience=3),
    ]
    found = read(stack[0], stack=stack, epoch_length=5)
    rules, several = found.feedback, found.schedule
    agree(several[0], rates(optim, stack[:2], 20))
    assert several[1].skip(20)(0) == pytest.approx(optim.param_groups[1]["lr"], rel=1e-12)
    assert found.settings == {"momentum": ours.StepMomentum(3, updates_per_epoch=5, momentum=0.9)}
    assert (rules.patience, found.update) == (3, 0)
    assert read(stack[0], stack=stack[:2]).update == 20


def test_epochs_in_parts_are_converted_as_mmengine_does():
    optim = optimizer(1.0)
    real = theirs.LinearLR.build_iter_from_epoch(optim, start_factor=0.1, begin=0.5, end=2.75, epoch_length=5)
    mine = ours.LinearLR(0.1, begin=0.5, end=2.75, epoch_length=5)
    assert mine.window[:2] == (2, 13)
    agree(mine, rates(optim, [real], 20))


@pytest.mark.parametrize(
    ("data", "hints", "error", "message"),
    [
        (
            {"type": "StepLR", "step_sise": 3},
            {"epoch_length": 2},
            ParameterError,
            "did you mean 'step_size'? known: begin",
        ),
        ({"type": "StepLR", "step_size": 3}, {}, UsageError, "counts epochs: say how many updates one has"),
        (
            {"type": "StepLR", "step_size": 3},
            {"epochs": 3},
            UsageError,
            "unknown hint for mmengine schedulers 'epochs'",
        ),
        ({"param_scheduler": []}, {}, ParameterError, "must be a mapping or a list of mappings, got []"),
        (
            {"param_scheduler": [{"step_size": 3}]},
            {},
            ParameterError,
            "param_scheduler[0] must be a mapping with a type",
        ),
        (
            {"param_scheduler": {"type": "StepLt"}},
            {},
            ParameterError,
            "unknown type in param_scheduler[0] 'StepLt'; did you",
        ),
        ({"type": "Adam"}, {}, UsageError, "no reader knows"),
    ],
)
def test_what_cannot_be_read_is_an_error(data, hints, error, message):
    if message == "no reader knows":
        assert ours.read_mapping(data) is None
        return
    with pytest.raises(error) as caught:
        ours.read_mapping(data, **hints)
    assert message in str(caught.value)


def test_a_live_scheduler_by_epoch_needs_its_length():
    with pytest.raises(UsageError, match=r"this StepLR steps per epoch: .* epoch_length=\.\.\."):
        read(theirs.StepLR(optimizer(0.1), 3))
    with pytest.raises(UsageError, match="unknown hint for a live mmengine scheduler 'lr'"):
        read(theirs.StepLR(optimizer(0.1), 3), lr=0.1)


FLAT = [
    ("MultiStepLR", {"milestones": [3], "gamma": 0.0}),
    ("MultiStepLR", {"milestones": [0, 3], "gamma": 0.0}),
    ("MultiStepLR", {"milestones": []}),
    ("StepLR", {"step_size": 3, "gamma": 0.0}),
    ("ExponentialLR", {"gamma": 0.0}),
    ("PolyLR", {"power": 0.0, "end": 6}),
    ("PolyLR", {"power": 0.0, "eta_min": 0.1, "end": 6}),
]


@pytest.mark.parametrize(("name", "given"), FLAT)
@pytest.mark.parametrize("begin", [0, 2])
def test_powers_and_factors_of_zero_and_no_milestones_are_mmengines(name, given, begin):
    given = given | {"begin": begin}
    optim = optimizer(0.5)
    mine = getattr(ours, name)(**given, lr=0.5, by_epoch=False)
    agree(mine, rates(optim, [getattr(theirs, name)(optim, **given, by_epoch=False)], 20))
    optim = optimizer(0.5)
    real = [
        theirs.LinearLR(optim, 0.1, end=4, by_epoch=False), getattr(theirs, name)(optim, **given, by_epoch=False)
    ]  # fmt: skip
    mine = [ours.LinearLR(0.1, end=4, by_epoch=False), getattr(ours, name)(**given, by_epoch=False)]
    agree(ours.param_scheduler(mine, record=20, lr=0.5), rates(optim, real, 20))


@pytest.mark.parametrize("name", [*ALONE, *MOMENTUM])
def test_positions_are_mmengines(name):
    real = list(inspect.signature(getattr(theirs, name)).parameters)
    real = [key for key in real if key not in ("optimizer", "args", "kwargs", "param_name")]
    if not {"begin", "end"} <= set(real):  # the momenta take whatever the mixin takes
        mixin = getattr(theirs, name).__mro__[2]
        real = [key for key in inspect.signature(mixin).parameters if key not in ("optimizer", "param_name")]
    mine = [key for key in getattr(ours, name).kinds if key in real]
    assert mine == [key for key in real if key not in ("last_step", "verbose")]
    values = {"begin": 1, "end": 9, "last_step": -1, "by_epoch": True, "verbose": True, "periods": [4]}
    values |= {
        "milestones": [3],
        "step_size": 3,
        "restart_weights": [1.0],
        "eta_min": 0.1,
        "total_steps": 8,
        "anneal_strategy": "cos",
    }
    values |= {"three_phase": False, "eta_min_ratio": None, "T_max": 5, "pct_start": 0.5}
    given = {key: values.get(key, 0.5) for key in real}
    cls = getattr(ours, name)
    assert cls(*given.values()) == cls(**given)
    given["last_step"] = 3
    with pytest.raises(ParameterError, match=r"last_step must be -1, got 3"):
        cls(*given.values())
    with pytest.raises(ParameterError, match=r"last_step is given twice"):
        cls(*given.values(), last_step=-1)


def test_the_flag_of_the_conversion_is_taken():
    assert ours.StepLR(3, convert_to_iter_based=True, epoch_length=4) == ours.StepLR(3, epoch_length=4)
    assert ours.StepLR(3, convert_to_iter_based=False) == ours.StepLR(3)
    for given in ({"convert_to_iter_based": True}, {"convert_to_iter_based": False, "epoch_length": 4}):
        with pytest.raises(ParameterError, match=r"StepLR\.convert_to_iter_based must be True with epoch_length"):
            ours.StepLR(3, **given)


def test_arguments_that_change_no_rate_are_taken():
    assert ours.StepLR(3, verbose=True, last_step=-1) == ours.StepLR(3)
    assert ours.ReduceOnPlateauLR(verbose=True) == ours.ReduceOnPlateauLR()
    with pytest.raises(ParameterError, match=r"StepLR\.last_step must be -1, got 3"):
        ours.StepLR(3, last_step=3)
