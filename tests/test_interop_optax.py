"""optax.schedules, exactly: every function against the real one in float64, on drawn arguments."""

from __future__ import annotations

import inspect
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnrate as lr
from drawn import PRINTABLE, instance
from learnrate import Schedule
from learnrate.errors import ParameterError, UnknownName, UsageError
from learnrate.interop import dialect, names, read, write
from learnrate.interop import optax as ours
from learnrate.spec import draw, signature
from parity import FLOAT64, agree, draws, every, updates_for

COUNTS = 160
"""All counts at once, in one shape: JAX compiles each operation once per shape."""


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def real(schedule: Schedule) -> Callable[[Any], Any]:
    """optax's own function, called with the arguments of ours."""
    given = {name: plain(value) for name, value in schedule.parameters().items()}
    if "schedules" in given:
        given["schedules"] = [real(part) for part in given["schedules"]]
    if given.get("boundaries_and_scales"):
        given["boundaries_and_scales"] = {int(key): item for key, item in given["boundaries_and_scales"].items()}
    return getattr(optax.schedules, type(schedule).__name__)(**given)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def rates(schedule: Schedule, horizon: int) -> list[float]:
    """What optax computes, in float64, at every update up to 1.5 times the horizon."""
    count = updates_for(horizon)
    assert count <= COUNTS
    with jax.enable_x64(True):
        function = real(schedule)
        values = jax.vmap(lambda t: jnp.asarray(function(t), dtype=float))(jnp.arange(COUNTS))
        return np.asarray(values).tolist()[:count]


# --- how legal arguments are drawn ------------------------------------------------------------------------------------


def steps(rng: random.Random, least: int = 1) -> int:
    return rng.choice([value for value in (0, 1, 2, 3) if value >= least] + [rng.randint(4, 40)] * 4)


def some(rng: random.Random, **options: Any) -> dict[str, Any]:
    """A random half of the optional arguments."""
    return {name: value for name, value in options.items() if rng.random() < 0.5}


def constant_schedule(rng: random.Random) -> Schedule:
    return ours.constant_schedule(rng.choice((0.0, rng.random())))


def linear_schedule(rng: random.Random) -> Schedule:
    begin = rng.choice((-2, 0, 1, rng.randint(0, 20)))
    return ours.linear_schedule(
        rng.random(), rng.random(), rng.choice((-1, steps(rng, 0))), **some(rng, transition_begin=begin)
    )


def polynomial_schedule(rng: random.Random) -> Schedule:
    begin = rng.choice((-2, 0, 1, rng.randint(0, 20)))
    power = rng.choice((0.0, 0.5, 1.0, 2.0, 4 * rng.random()))
    return ours.polynomial_schedule(
        rng.random(), rng.random(), power, steps(rng, 0), **some(rng, transition_begin=begin)
    )


def warmup_constant_schedule(rng: random.Random) -> Schedule:
    return ours.warmup_constant_schedule(rng.choice((0.0, rng.random())), rng.random(), rng.choice((-1, steps(rng, 0))))


def decay(rng: random.Random) -> dict[str, Any]:
    return some(
        rng,
        transition_begin=rng.choice((-1, 0, 1, rng.randint(0, 20))),
        staircase=True,
        end_value=rng.choice((None, rng.random(), 1.5)),
    )


def exponential_decay(rng: random.Random) -> Schedule:
    rate = rng.choice((0.0, 0.5, 1.0, 1.1, rng.uniform(0.1, 1.2)))
    return ours.exponential_decay(rng.random(), rng.choice((-1, steps(rng, 0))), rate, **decay(rng))


def warmup_exponential_decay_schedule(rng: random.Random) -> Schedule:
    rate = rng.choice((0.0, 0.5, 1.0, 1.1, rng.uniform(0.1, 1.2)))
    warmup = rng.choice((0, 1, rng.randint(0, 20)))
    given = (rng.random(), rng.random(), warmup, steps(rng, 0), rate)
    return ours.warmup_exponential_decay_schedule(*given, **decay(rng))


def cosine_decay_schedule(rng: random.Random) -> Schedule:
    optional = some(rng, alpha=rng.random(), exponent=rng.choice((0.0, 0.5, 2.0, 3 * rng.random())))
    return ours.cosine_decay_schedule(rng.random(), steps(rng), **optional)


def warmup_cosine_decay_schedule(rng: random.Random) -> Schedule:
    warmup = rng.choice((0, 1, rng.randint(0, 20)))
    optional = some(rng, end_value=rng.random(), exponent=rng.uniform(0.3, 3))
    given = (rng.random(), rng.choice((0.0, rng.random(), rng.random())), warmup, warmup + steps(rng))
    return ours.warmup_cosine_decay_schedule(*given, **optional)


def scales(rng: random.Random) -> dict[int, float] | None:
    places = rng.sample(range(rng.choice((0, 1)), 41), rng.randint(0, 4))
    return rng.choice((None, {place: rng.choice((0.0, 0.1, 1.5, rng.random())) for place in places}))


def piecewise_constant_schedule(rng: random.Random) -> Schedule:
    return ours.piecewise_constant_schedule(rng.random(), scales(rng))


def piecewise_interpolate_schedule(rng: random.Random) -> Schedule:
    return ours.piecewise_interpolate_schedule(rng.choice(("linear", "cosine")), rng.random(), scales(rng))


def cosine_onecycle_schedule(rng: random.Random) -> Schedule:
    optional = some(rng, pct_start=rng.random(), div_factor=rng.uniform(1, 40), final_div_factor=rng.uniform(1, 1e5))
    return ours.cosine_onecycle_schedule(steps(rng), rng.random(), **optional)


def linear_onecycle_schedule(rng: random.Random) -> Schedule:
    shares = {"pct_start": rng.random(), "pct_final": rng.random()}
    optional = some(rng, **shares, div_factor=rng.uniform(1, 40), final_div_factor=rng.uniform(1, 1e5))
    return ours.linear_onecycle_schedule(steps(rng), rng.random(), **optional)


def sgdr_schedule(rng: random.Random) -> Schedule:
    return draw(ours.sgdr_schedule, rng)


def join_schedules(rng: random.Random) -> Schedule:
    makers = (linear_schedule, cosine_decay_schedule, exponential_decay, piecewise_constant_schedule)
    parts = [rng.choice(makers)(rng) for _ in range(rng.randint(1, 4))]
    places = [rng.randint(0, 40) for _ in parts[1:]]
    return ours.join_schedules(parts, places if rng.random() < 0.3 else sorted(places))


CASES = [name for name in names("optax") if name != "reduce_on_plateau"]


def horizon_of(schedule: Schedule) -> int:
    return 60 if schedule.length == float("inf") else int(schedule.length)


# --- parity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_parity_with_the_real_optax(name: str) -> None:
    def case(rng: random.Random) -> tuple[Schedule, list[float]]:
        schedule = globals()[name](rng)
        return schedule, rates(schedule, horizon_of(schedule))

    every(name, case, FLOAT64)


def test_no_schedule_of_optax_is_missing_and_arguments_are_its_own() -> None:
    theirs = {name for name in dir(optax.schedules) if callable(getattr(optax.schedules, name)) and name[0].islower()}
    assert {name for name in theirs if not name.startswith("inject_")} == set(CASES)
    for name in CASES:
        wanted = inspect.signature(getattr(optax.schedules, name)).parameters
        cls = dialect(f"optax.{name}")
        assert list(cls.kinds) == list(wanted)
        defaults = {key: item.default for key, item in wanted.items() if item.default is not inspect.Parameter.empty}
        assert cls._defaults == defaults, signature(cls)


@pytest.mark.parametrize("settings", [{}, {"patience": 2}, {"patience": 1, "cooldown": 2, "min_scale": 0.05}])
def test_reduce_on_plateau_is_the_real_one(settings: dict[str, Any]) -> None:
    settings = {"factor": 0.5, "accumulation_size": 2, "rtol": 1e-3} | settings
    with jax.enable_x64(True):
        transform = optax.contrib.reduce_on_plateau(**settings)
        update = jax.jit(transform.update)
        rule, parameters = ours.reduce_on_plateau(**settings), jnp.zeros(1, dtype=jnp.float64)
        theirs, state = transform.init(parameters), rule.start()
        rng = random.Random(3)
        for index in range(40):
            metric = 1 / (1 + 0.1 * index) + 0.3 * rng.random()
            _, theirs = update(parameters, theirs, value=metric)
            state, factor = rule(state, metric)
            assert factor == pytest.approx(float(theirs.scale), rel=1e-12)


# --- the tables of the reference --------------------------------------------------------------------------------------

TABLES = [
    ("A", "warmup_cosine_decay_schedule(0.0, 1.0, 4, 12)", range(6), [0, 0.25, 0.5, 0.75, 1, 0.962]),
    ("B", "cosine_decay_schedule(1.0, 10, alpha=0.1)", [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    ("C", "polynomial_schedule(1.0, 0.1, 2.0, 10)", [5], [0.325]),
    ("D", "piecewise_constant_schedule(1.0, {'4': 0.1})", [2, 3, 4, 5], [1, 1, 0.1, 0.1]),
    ("F", "cosine_onecycle_schedule(10, 1.0)", [0, 1, 2, 3, 9, 10], [0.04, 0.28, 0.76, 1, 0.0495, 4e-6]),
    ("F", "linear_onecycle_schedule(10, 1.0)", [0, 1, 2, 3, 9, 10], [0.04, 0.36, 0.68, 1, 0.020, 4e-6]),
]


@pytest.mark.parametrize(("table", "text", "updates", "printed"), TABLES)
def test_tables_of_the_reference(table: str, text: str, updates: Any, printed: list[float]) -> None:
    schedule = lr.parse(f"optax:{text}")
    assert schedule(np.asarray(updates)) == pytest.approx(printed, abs=6e-4)
    agree(schedule, rates(schedule, 20))


def test_table_j_plateau() -> None:
    rule, factors = ours.reduce_on_plateau(patience=2), []
    state = rule.start()
    for _ in range(7):
        state, factor = rule(state, 1.0)
        factors.append(factor)
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001])


# --- what a dialect owes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_text_and_json_rebuild_it(name: str) -> None:
    for rng in draws(name, 20):
        for schedule in (
            globals()[name](rng),
            draw(dialect(f"optax.{name}"), rng) if name != "join_schedules" else None,
        ):
            if schedule is not None:
                assert lr.parse(repr(schedule)) == schedule
                assert Schedule.from_json(schedule.to_json()) == schedule
                assert bool(np.isfinite(schedule(np.arange(200))).all())


BAD = [
    ("cosine_decay_schedule(1.0, 0)", r"cosine_decay_schedule.decay_steps must be >= 1 updates, got 0"),
    ("warmup_cosine_decay_schedule(0.0, 1.0, 4, 4)", r"decay_steps must be > warmup_steps=4 updates.* got 4"),
    ("piecewise_constant_schedule(1.0, {'4': -0.1})", r"scales that each be >= 0, got -0.1 at key '4'"),
    ("piecewise_constant_schedule(1.0, {'x': 0.1})", r"boundaries_and_scales must have keys that each be a whole"),
    ("piecewise_interpolate_schedule('cubic', 1.0)", r"must be one of 'linear', 'cosine', got 'cubic'"),
    ("linear_onecycle_schedule(0, 1.0)", r"transition_steps must be >= 1 updates, got 0"),
    ("exponential_decay(1.0, 5, -0.5)", r"decay_rate must be >= 0, got -0.5"),
    ("sgdr_schedule([])", r"at least one cycle"),
    ("sgdr_schedule([{'peak': 1}])", r"at index 0: .*'peak'"),
    ("join_schedules([optax.constant_schedule(1.0)], [3])", r"one entry fewer than there are schedules \(1\), got 1"),
    ("linear_schedule(1.0, 0.0, steps=3)", r"'steps'.*transition_begin, transition_steps"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_bad_arguments_name_the_argument_and_the_rule(text: str, says: str) -> None:
    with pytest.raises(lr.LearnrateError, match=says):
        lr.parse(f"optax.{text}")


def test_unknown_names_and_arguments_of_a_listener() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'cosine_decay_schedule'"):
        dialect("optax:cosine_decay_schedul")
    with pytest.raises(ParameterError, match=r"'threshold'.*accumulation_size"):
        ours.reduce_on_plateau(threshold=1.0)


QUIRKS = [
    ("warmup_constant_schedule(0.0, 1.0, 0)", "transition never starts"),
    ("linear_schedule(1.0, 0.0, 0)", "transition never starts"),
    ("polynomial_schedule(1.0, 0.0, 2.0, -1)", "transition never starts"),
    ("exponential_decay(1.0, 0, 0.5)", "transition never starts"),
    ("exponential_decay(1.0, 5, 0.0)", "transition never starts"),
    ("warmup_exponential_decay_schedule(0.0, 1.0, 3, 0, 0.5)", "transition never starts"),
    ("warmup_cosine_decay_schedule(1.0, 0.0, 3, 9, end_value=0.5)", "end value ignored"),
    ("linear_onecycle_schedule(1, 1.0)", "peak never reached"),
    (
        "join_schedules([optax.linear_schedule(1.0, 0.0, 0), optax.constant_schedule(1.0)], [5])",
        "transition never starts",
    ),
]


@pytest.mark.parametrize(("text", "name"), QUIRKS)
def test_quirks_are_said_where_they_show(text: str, name: str) -> None:
    schedule = lr.parse(f"optax.{text}")
    assert name in [finding.name for finding in schedule.quirks(60)]


@pytest.mark.parametrize(
    "text",
    [
        "warmup_constant_schedule(0.0, 1.0, 4)",
        "exponential_decay(1.0, 5, 0.5)",
        "warmup_cosine_decay_schedule(0.0, 1.0, 3, 9, end_value=0.5)",
        "linear_onecycle_schedule(10, 1.0)",
        "cosine_onecycle_schedule(10, 1.0)",
        "join_schedules([optax.linear_schedule(1.0, 0.0, 4), optax.constant_schedule(1.0)], [5])",
    ],
)
def test_quirks_are_not_said_where_they_do_not_show(text: str) -> None:
    assert list(lr.parse(f"optax.{text}").quirks(60)) == []


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_reading_what_a_closure_of_optax_holds(name: str) -> None:
    for rng in draws(name, 20):
        schedule = globals()[name](rng)
        found = read(real(schedule), update=7)
        assert found.update == 7
        assert found.schedule.full_name().startswith("optax.")
        times = np.arange(100)
        assert found.schedule(times) == pytest.approx(schedule(times), rel=1e-12, abs=1e-15)


def test_what_cannot_be_read_says_why_and_can_be_sampled() -> None:
    def mine(count: Any) -> Any:
        return 0.1 / (1 + count)

    mine.__module__ = "optax.mine"
    with pytest.raises(UsageError, match=r"not made by optax.schedules.*read\(it, sample=N\)"):
        read(mine)
    sampled = read(mine, sample=5).schedule
    assert sampled([0, 1, 4, 9]) == pytest.approx([0.1, 0.05, 0.02, 0.02])
    with pytest.raises(UsageError, match="sample must be >= 1 updates, got 0"):
        read(mine, sample=0)
    with pytest.raises(UsageError, match="inside its transformation"):
        read(optax.adamw(real(ours.linear_schedule(1.0, 0.0, 4))))


# --- writing ----------------------------------------------------------------------------------------------------------

OWN = [
    (lr.Constant(0.1), "constant_schedule"),
    (lr.Linear(0.0, 0.1, 10), "linear_schedule"),
    (3 * lr.Linear(0.0, 0.1, 10), "linear_schedule"),
    (lr.Linear(0.1, 0.0, 10).delay(5), "linear_schedule"),
    (lr.Polynomial(0.1, 0.01, 10, power=2.0), "polynomial_schedule"),
    (lr.Cosine(0.1, 0.01, 10, power=1.5), "cosine_decay_schedule"),
    (lr.Exponential(0.1, 0.9, period=4), "exponential_decay"),
    (lr.Exponential(0.1, 0.9), "exponential_decay"),
    (lr.Exponential(0.1, 0.9, period=2.5), "exponential_decay"),
    (lr.Exponential(0.1, 0.9).every(3), "exponential_decay"),
    (lr.Exponential(0.1, 0.9).clip(low=0.02), "exponential_decay"),
    (lr.NaturalExponential(0.1, 0.05), "exponential_decay"),
    (lr.Geometric(0.1, 0.001, 20), "exponential_decay"),
    (lr.Step(0.1, 0.5, 7), "exponential_decay"),
    (lr.MultiStep(0.1, [3, 7, 7, 20]), "piecewise_constant_schedule"),
    (lr.PiecewiseConstant([0.1, 0.2, 0.0], [3, 9]), "piecewise_constant_schedule"),
    (lr.Interpolation([0, 4, 9], [0.1, 0.2, 0.0]), "piecewise_interpolate_schedule"),
    (lr.CosineInterpolation([0, 4, 9], [0.1, 0.2, 0.0]), "piecewise_interpolate_schedule"),
    (lr.Linear(0, 0.1, 5) >> lr.Constant(0.1), "warmup_constant_schedule"),
    (lr.Linear(0, 0.1, 5) >> lr.Cosine(0.1, 0.01, 30), "warmup_cosine_decay_schedule"),
    (lr.Linear(0, 0.1, 5) >> lr.Exponential(0.1, 0.9), "warmup_exponential_decay_schedule"),
    (lr.Cosine(0.1, 0.01, 5).repeat(3, stretch=2.0, scale=0.5), "sgdr_schedule"),
    (lr.WSD(0.1, 0.0, 40, warmup=4, decay=10), "join_schedules"),
    (lr.Linear(0, 0.1, 5) >> lr.Constant(0.1, 5) >> lr.Cosine(0.1, 0.0, 9), "join_schedules"),
]


def computed(function: Callable[[Any], Any], updates: int) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(jax.vmap(lambda t: jnp.asarray(function(t), dtype=float))(jnp.arange(updates)))


def printed(source: str, updates: int) -> np.ndarray:
    """What the printed source computes, compiled."""
    assert "learnrate" not in source
    scope: dict[str, Any] = {}
    exec(compile(source, "<printed>", "exec"), scope)  # noqa: S102 - what was printed is what is tested
    return computed(scope["schedule"], updates)


@pytest.mark.parametrize(("schedule", "name"), OWN, ids=lambda value: str(value)[:40])
def test_what_optax_can_say_is_written_as_its_own_function(schedule: Schedule, name: str) -> None:
    written = write(schedule, to="optax")
    assert written.own
    assert type(written.value.schedule).__name__ == name
    for rates in (computed(written.value, 60), printed(written.code, 60)):
        assert rates == pytest.approx(schedule(np.arange(60)), rel=1e-11, abs=1e-13)
    assert read(written.value).schedule(np.arange(60)) == pytest.approx(schedule(np.arange(60)), rel=1e-11, abs=1e-13)
    assert pickle.loads(pickle.dumps(written.value)) == written.value
    assert len({written.value, pickle.loads(pickle.dumps(written.value))}) == 1


HOOKS = [
    lr.Linear(0, 0.1, 5) >> lr.InverseSqrt(0.1, 5),
    lr.SGDR(0.1, 0.001, 7),
    lr.Cosine(0.1, 0.0, 5).repeat(stretch=2.0, scale=0.5),
    lr.Tanh(0.1, 0.0, 30),
    lr.Interpolation([3.5, 4, 9], [0.1, 0.2, 0.0]),
    lr.Triangular(0.01, 0.1, 4, height="halved"),
    lr.Cosine(0.1, 0.0, 20) * lr.Noise(0.1, seed=3),
    lr.NaturalExponential(0.1, -0.01) + lr.Constant(0.1),
    0.5 * lr.Linear(1.0, 1.0, 5) * lr.Linear(1.0, 1.0, 5),
]


@pytest.mark.parametrize("schedule", HOOKS, ids=lambda value: str(value)[:40])
def test_what_optax_cannot_say_is_a_function_with_the_formula(schedule: Schedule) -> None:
    written = write(schedule, to="optax")
    assert not written.own
    assert read(written.value).schedule == schedule
    for rates in (computed(written.value, 60), printed(written.code, 60)):
        assert rates == pytest.approx(schedule(np.arange(60)), rel=1e-11, abs=1e-13)


def test_every_printable_shape_prints_as_a_function_that_jax_traces() -> None:
    for name, cls in PRINTABLE.items():
        schedule = instance(cls, random.Random(name))
        schedule = schedule if schedule.bound else schedule.over(40, updates_per_epoch=10)
        rates = printed(ours.hook_source(schedule), 60)
        assert rates == pytest.approx(schedule(np.arange(60)), rel=1e-11, abs=1e-13), name


def test_a_joined_schedule_of_ours_is_built_and_printed_too() -> None:
    mixed = ours.join_schedules([ours.linear_schedule(0.0, 1.0, 4), lr.InverseSqrt(1, 4)], [4])
    written = write(mixed, to="optax")
    for rates in (computed(written.value, 30), printed(written.code, 30)):
        assert rates == pytest.approx(mixed(np.arange(30)), rel=1e-11)


def test_optimizers_of_optax_take_what_was_written() -> None:
    for schedule in (lr.Cosine(0.1, 0.01, 10), lr.SGDR(0.1, 0.001, 7)):
        transform = optax.sgd(write(schedule, to="optax").value)
        weights = jnp.zeros(1)
        state, step = transform.init(weights), jax.jit(transform.update)
        for t in range(12):
            change, state = step(jnp.ones(1), state)
            assert -float(change[0]) == pytest.approx(schedule(t), abs=1e-7)


def test_functions_are_joined_too() -> None:
    joined = ours.join_schedules([lambda _: 3, lambda t: 4 + t, ours.linear_schedule(0.0, 1.0, 4)], [2, 4])
    assert joined([0, 1, 2, 3, 4, 6, 8]).tolist() == [3, 3, 4, 5, 0, 0.5, 1]
