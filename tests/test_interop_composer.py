"""Composer: its schedulers compared with the real classes, stepped as its Trainer steps them."""

from __future__ import annotations

import enum
import importlib.metadata
import math
import random
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import learnrate as lr
from learnrate import Schedule
from learnrate.errors import ParameterError, UnboundError
from learnrate.interop import composer
from parity import DRAWS, FLOAT64, agree, draws, updates_for
from peers import load


class StringEnum(enum.Enum):
    """What the real file of times needs of `composer.utils`."""


STUBS = ["composer", "composer.core", "composer.core.serializable", "composer.utils"]
clock = load("mosaicml", "composer/core/time.py", STUBS, composer__utils={"StringEnum": StringEnum})
peer = load(
    "mosaicml", "composer/optim/scheduler.py", ["composer", "composer.core"],
    composer__core={"State": object, "Time": clock.Time, "TimeUnit": clock.TimeUnit},
)  # fmt: skip


class Trainer:
    """The parts of Composer's Trainer that a scheduler sees; `rates` are those that its updates use."""

    def __init__(self, duration: str, epoch: int, tokens: int, samples: int, ratio: float = 1.0) -> None:
        whole = clock.Time.from_timestring(duration) * ratio
        self.epoch, self.tokens, self.samples, self.ratio = epoch, tokens, samples, ratio
        self.state = SimpleNamespace(max_duration=whole, dataloader_len=epoch, timestamp=None)

    def at(self, scheduler: Any, batch: int) -> float:
        self.state.timestamp = clock.Timestamp(
            epoch=batch // self.epoch, batch=batch, sample=batch * self.samples, token=batch * self.tokens
        )
        return float(scheduler(self.state, self.ratio))

    def rates(self, scheduler: Any, updates: int) -> list[float]:
        """It steps its schedulers after a batch, before it counts it."""
        counted = [0, *range(updates - 1)]
        return [self.at(scheduler, batch) for batch in counted]


def moment(rng: random.Random, shares: bool = True) -> str:
    """A time of any unit, short enough to be over soon."""
    kind = rng.choice(["ba", "ba", "ep", "sp", "tok"] + ["dur"] * shares)
    if kind == "dur":
        return f"{rng.choice([0.1, 0.29, 0.5, 1, rng.uniform(0.05, 1.2)])}dur"
    scale = {"ba": 20, "ep": 4, "sp": 60, "tok": 300}[kind]
    return f"{rng.choice([1, 2, 3, rng.randint(1, scale)])}{kind}"


def warmup(rng: random.Random, arguments: dict[str, Any]) -> dict[str, Any]:
    """A warmup in the unit that the end has after conversion, shorter or longer than it."""
    return {"t_warmup": rng.choice(["0ba", f"{rng.randint(1, 30)}ba", "0.1dur", "0.29dur", "1ep", "4sp", "50tok"])} | {
        "scale_warmup": rng.random() < 0.5
    }


def arguments_of(name: str, rng: random.Random) -> dict[str, Any]:
    def milestones() -> list[str]:
        return [moment(rng) for _ in range(rng.randint(0, 4))]

    share = rng.choice([0.0, rng.uniform(0, 1)])
    base = name.replace("WithWarmup", "")
    end = {"t_max": rng.choice(["1dur", moment(rng)])}
    table: dict[str, dict[str, Any]] = {
        "StepScheduler": {"step_size": moment(rng), "gamma": rng.uniform(0.1, 1)},
        "MultiStepScheduler": {"milestones": milestones(), "gamma": rng.choice([0.1, 0.0, 2.0])},
        "ConstantScheduler": {"alpha": rng.uniform(0, 2)} | end,
        "LinearScheduler": {"alpha_i": rng.uniform(0, 1), "alpha_f": share} | end,
        "ExponentialScheduler": {"gamma": rng.uniform(0.1, 1), "decay_period": moment(rng)},
        "CosineAnnealingScheduler": {"alpha_f": share} | end,
        "CosineAnnealingWarmRestartsScheduler": {
            "t_0": moment(rng), "t_mult": rng.choice([1.0, 2.0, 1.05, 0.7, rng.uniform(0.3, 3)]), "alpha_f": share
        },
        "PolynomialScheduler": {"power": rng.uniform(0.3, 4), "alpha_f": share} | end,
    }  # fmt: skip
    own = table[base]
    return own | warmup(rng, own) if base != name else own


def optional(rng: random.Random, cls: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Without some of those that have a default."""
    return {key: value for key, value in arguments.items() if key not in cls._defaults or rng.random() < 0.8}


def refuses(trainer: Trainer, real: Any) -> bool:
    """Whether the real library raises: the Trainer when its duration is 0, a scheduler when it is called."""
    try:
        trainer.at(real, 0)
    except (ValueError, ZeroDivisionError):
        return True
    return not trainer.state.max_duration.value


def compare(cls: Any, rng: random.Random) -> bool:
    """Whether a legal set of arguments was drawn; what the real one refuses, ours refuses as well."""
    arguments = optional(rng, cls, arguments_of(cls.__name__, rng))
    duration = rng.choice([f"{rng.randint(1, 40)}ba", f"{rng.randint(1, 4)}ep", "300tok", "60sp"])
    epoch, tokens, samples = rng.randint(1, 9), rng.randint(1, 20), rng.randint(1, 5)
    ratio = rng.choice([1.0, 1.0, 0.5, 1.5, rng.uniform(0.3, 3)])
    late = rng.random() < 0.8
    trainer = Trainer(duration, epoch, tokens, samples, ratio)
    real = getattr(peer, cls.__name__)(**arguments)
    context = {"scale_schedule_ratio": ratio, "max_duration": duration, "updates_per_epoch": epoch}
    context |= {"tokens_per_update": tokens, "samples_per_update": samples, "trainer": late, "lr": 0.5}
    if refuses(trainer, real):
        with pytest.raises(ParameterError):
            cls(**arguments, **context)
        return False
    ours = cls(**arguments, **context)
    updates = min(updates_for(ours.horizon or 20), 120)
    agree(ours, [0.5 * rate for rate in held(trainer, real, updates, late)], FLOAT64)
    return True


def held(trainer: Trainer, real: Any, updates: int, late: bool) -> list[float]:
    """The real rates; where restarts that shrink to nothing raise, the last one before that."""
    rates: list[float] = []
    for update in range(updates):
        try:
            rates.append(trainer.at(real, max(update - 1, 0) if late else update))
        except ValueError:
            assert isinstance(real, peer.CosineAnnealingWarmRestartsScheduler)
            rates.append(rates[-1])
    return rates


@pytest.mark.parametrize("name", composer.__all__)
def test_parity(name: str) -> None:
    legal = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warmup of 0 is legal
        for rng in draws(name, 20 * DRAWS):
            legal += compare(getattr(composer, name), rng)
            if legal == DRAWS:
                return
    pytest.fail(f"only {legal} legal draws")


def test_the_trainer_counts_after_it_steps() -> None:
    file = importlib.metadata.distribution("mosaicml").locate_file("composer/trainer/trainer.py")
    code = Path(str(file)).read_text()
    stepped = code.index("if self._scheduler_step_frequency == TimeUnit.BATCH:")
    counted = code.index("self.state.timestamp = self.state.timestamp.to_next_batch(")
    assert stepped < code.index("scheduler.step()", stepped) < counted
    real = peer.LinearScheduler(t_max="4ba")
    ours = composer.LinearScheduler(t_max="4ba", trainer=True)
    assert Trainer("4ba", 2, 1, 1).rates(real, 6) == ours(range(6)).tolist() == [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]


def of(name: str, *args: Any, **kwargs: Any) -> Schedule:
    return getattr(composer, name)(*args, **kwargs)  # type: ignore[no-any-return]


ROWS: dict[str, tuple[Schedule, list[int], list[float]]] = {
    "A": (of("ConstantWithWarmupScheduler", "4ba", t_max="12ba"), [0, 1, 2, 3, 4, 5], [0, 0.25, 0.5, 0.75, 1, 1]),
    "B": (of("CosineAnnealingScheduler", "10ba", 0.1), [0, 5, 9, 10, 11, 15, 20], [1, 0.55, 0.122, 0.1, 0.1, 0.1, 0.1]),
    "C": (of("PolynomialScheduler", 2.0, "10ba", 0.1), [5], [0.325]),
    "D": (of("MultiStepScheduler", ["4ba"], 0.1), [2, 3, 4, 5], [1, 1, 0.1, 0.1]),
    "E": (
        of("CosineAnnealingWarmRestartsScheduler", "4ba", 2.0),
        [3, 4, 5, 11, 12, 13],
        [0.146, 1, 0.962, 0.038, 1, 0.99],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_tables(row: str) -> None:
    schedule, updates, values = ROWS[row]
    assert schedule(updates).round(3).tolist() == pytest.approx(values, abs=1e-12)


def test_units() -> None:
    at = {"ba": "20ba", "ep": "4ep", "sp": "200sp", "tok": "2e3tok", "dur": "0.5dur"}
    run = {"updates_per_epoch": 5, "tokens_per_update": 100, "samples_per_update": 10}
    for text in at.values():
        schedule = composer.CosineAnnealingScheduler(text).over(40, **run)
        assert schedule.horizon == 20
        assert lr.schedule.first_difference(schedule, composer.CosineAnnealingScheduler("20ba"), 60) is None


def test_binding() -> None:
    free = composer.LinearScheduler(t_max="1dur")
    assert not free.bound
    with pytest.raises(UnboundError):
        free(0)
    assert free.over(10).bound
    assert free.over(10)(9) == pytest.approx(0.1)
    assert free.over(10)(10) == 0.0
    with pytest.raises(UnboundError, match="tokens per update; bind it with .over\\(total, tokens_per_update=...\\)"):
        composer.LinearScheduler(t_max="100tok").over(10)
    with pytest.raises(ParameterError, match="ends at update 20, after the total of 10 updates"):
        composer.LinearScheduler(t_max="100tok").over(10, tokens_per_update=5)
    chained = (composer.LinearScheduler() >> lr.Constant(0.5, 4)).over(10)
    assert chained.length == 10
    assert chained([0, 5, 6, 9]).tolist() == pytest.approx([1, 1 - 5 / 6, 0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: composer.LinearScheduler(t_end="1dur"), "unknown parameter of LinearScheduler 't_end'"),
        (lambda: composer.LinearScheduler(t_max="1 epoch"), "t_max must be a time such as '10ep'"),
        (lambda: composer.LinearScheduler(t_max="1.5ep"), "t_max must be a whole number of ep"),
        (lambda: composer.LinearScheduler(t_max=10), "t_max must be a time such as"),
        (lambda: composer.LinearScheduler(t_max="1h"), "t_max must be a time such as"),
        (lambda: composer.LinearScheduler(t_max="0ba"), "t_max must be at least one ba when truncated, got '0ba'"),
        (lambda: composer.StepScheduler("1ba", scale_schedule_ratio=0.5), "step_size must be at least one ba"),
        (lambda: composer.MultiStepScheduler("4ba"), "milestones must be a list of times"),
        (
            lambda: composer.LinearWithWarmupScheduler("2tok", t_max="9ba", tokens_per_update=1),
            "t_warmup and t_max must have one unit, got 2tok and 9ba",
        ),
        (
            lambda: composer.LinearWithWarmupScheduler("2ba", t_max="9ba", max_duration="10ba"),
            "t_max must be >= the duration of 10ba, got 9ba",
        ),
        (
            lambda: composer.LinearScheduler(max_duration="1ba", scale_schedule_ratio=0.5),
            "max_duration must be at least one ep, ba, sp or tok after stretching",
        ),
    ],
)
def test_bad_values(make: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make()


@pytest.mark.parametrize("name", composer.__all__)
def test_text_and_json(name: str) -> None:
    cls = getattr(composer, name)
    for index in range(30):
        schedule = lr.spec.draw(cls, random.Random(f"{name} {index}"))
        assert lr.parse(repr(schedule)) == schedule
        assert Schedule.from_json(schedule.to_json()) == schedule
        if schedule.bound:
            assert all(math.isfinite(rate) for rate in schedule(range(90)))
    free = lr.spec.draw(cls, random.Random(name))
    assert lr.parse(repr(free)) == free


def names(schedule: Any, run: int = 40) -> list[str]:
    """What is said besides the lag of the Trainer, which all of them have."""
    lag = "one update late" if schedule.trainer else "one update late in the Trainer"
    found = [finding.name for finding in schedule.quirks(run)]
    assert found[0] == lag
    return found[1:]


def test_quirks() -> None:
    assert names(composer.LinearScheduler(trainer=True).over(10)) == []
    assert names(composer.LinearScheduler().over(10)) == []
    assert names(composer.CosineAnnealingScheduler("0.29dur").over(100)) == ["time cut off"]
    assert names(composer.ConstantScheduler(0.5, "10ba")) == ["rises past the end"]
    assert names(composer.ConstantScheduler(0.5, "10ba"), 10) == []
    stretched = composer.LinearWithWarmupScheduler("4ba", t_max="20ba", scale_warmup=True, scale_schedule_ratio=2.0)
    assert names(stretched) == ["warmup stops halfway"]
    assert names(stretched.replace(scale_warmup=False)) == []
