"""Writes fairseq.json: what fairseq's schedulers give, stepped as `fairseq/trainer.py` does.

Get the source with `pip download --no-deps --no-binary :all: fairseq==0.12.2` and unpack it. In the folder `tests`,
`python -m recorded.record_fairseq FOLDER` then records the schedulers of the unpacked FOLDER.
"""

from __future__ import annotations

import logging
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import peers
from parity import updates_for
from recorded.recording import Arguments, between, record, size, some

FOLDER = "fairseq/optim/lr_scheduler"
FILES = {
    "FixedLRSchedule": "fixed_schedule",
    "InverseSquareRootSchedule": "inverse_square_root_schedule",
    "CosineLRSchedule": "cosine_lr_scheduler",
    "PolynomialDecayLRSchedule": "polynomial_decay_schedule",
    "TriangularLRSchedule": "triangular_lr_scheduler",
    "TriStageLRSchedule": "tri_stage_lr_scheduler",
    "StepLRSchedule": "step_lr_scheduler",
    "ManualSchedule": "manual_lr_scheduler",
}
STUBS = (
    *("omegaconf", "fairseq", "fairseq.dataclass", "fairseq.dataclass.utils"),
    *("fairseq.optim", "fairseq.optim.lr_scheduler"),
)
RATE = 0.25
"""What fairseq's optimization.lr is when nobody says it."""
EPOCH = 5
"""The updates of an epoch where the epochs change nothing."""


# --- what is drawn


def one_rate(rng: random.Random) -> float:
    return between(rng, 0.1, 1)


def rates(rng: random.Random) -> float | list[float]:
    """A rate, or a list with one for each epoch."""
    several = [one_rate(rng) for _ in range(rng.randint(2, 3))]
    return rng.choice((several[0], several[:1], several))


def initial(rng: random.Random) -> float:
    return rng.choice((-1, 0, between(rng, 0, 0.1)))


def least_rate(rng: random.Random) -> float:
    return rng.choice((0, between(rng, 0, 0.09)))


def epoch(rng: random.Random) -> int:
    return rng.choice((1, 2, 5))


def fixed(rng: random.Random) -> tuple[Arguments, int]:
    width = epoch(rng)
    optional = some(
        rng,
        force_anneal=rng.choice((None, 1, 2, 4, 0, -1)),
        lr_shrink=between(rng, 0.1, 1),
        warmup_updates=size(rng, 0, 14),
        lr=rates(rng),
    )
    return optional | {"updates_per_epoch": width}, updates_for(3 * width)


def inverse_square_root(rng: random.Random) -> tuple[Arguments, int]:
    warmup = size(rng, 1, 14)
    return {"warmup_updates": warmup, **some(rng, warmup_init_lr=initial(rng), lr=one_rate(rng))}, updates_for(warmup)


def cosine(rng: random.Random) -> tuple[Arguments, int]:
    warmup, period = rng.choice((0, size(rng, 1, 6))), size(rng, 1, 10)
    given = {"warmup_updates": warmup, "max_update": warmup + period}
    given |= some(
        rng,
        warmup_init_lr=initial(rng),
        lr=one_rate(rng),
        min_lr=least_rate(rng),
        t_mult=rng.choice((1.0, 2.0, 1.5, 0.7, 3.0, between(rng, 0.6, 2.5))),
        lr_shrink=between(rng, 0.1, 1),
        lr_period_updates=rng.choice((-1, size(rng, 1, 10), between(rng, 1, 10))),
    )
    length, stretch = given.get("lr_period_updates", -1), given.get("t_mult", 1.0)
    length = length if length > 0 else period
    updates = updates_for(warmup + math.ceil(length))
    # Periods that shrink add up to this, where the library takes the logarithm of 0: nothing is recorded near it, and
    # the last update recorded is followed by one that is asked. It finds the period by that logarithm, in floats, which
    # miss a restart now and then, but none in runs this short.
    whole = length / (1 - stretch) if stretch < 1 else math.inf
    return given, min(updates, warmup + math.floor(0.9 * min(whole, updates)))


def polynomial(rng: random.Random) -> tuple[Arguments, int]:
    warmup, total = rng.choice((0, size(rng, 1, 8))), rng.choice((size(rng, 1, 14), between(rng, 1, 14)))
    optional = some(
        rng,
        warmup_updates=warmup,
        force_anneal=rng.choice((None, 1, 2, 3, 0)),
        end_learning_rate=rng.choice((0, between(rng, 0, 0.3))),
        power=between(rng, 0.3, 4),
        lr=rates(rng),
    )
    needed = {"total_num_update": total, "updates_per_epoch": epoch(rng)}
    return needed | optional, updates_for(max(math.ceil(total), warmup))


def triangular(rng: random.Random) -> tuple[Arguments, int]:
    rate, period = one_rate(rng), rng.choice((size(rng, 2, 14), between(rng, 2, 14)))
    needed = {"max_lr": round(rate + between(rng, 0.01, 1), 3), "lr": rate, "lr_period_updates": period}
    optional = some(rng, lr_shrink=between(rng, 0.1, 1), shrink_min=rng.random() < 0.5)
    return needed | optional, updates_for(math.ceil(period))


def tri_stage(rng: random.Random) -> tuple[Arguments, int]:
    if rng.random() < 0.3:
        whole = rng.choice((size(rng, 4, 14), 13.5))
        lengths = {"phase_ratio": rng.choice(([0.25, 0.25, 0.5], [0.1, 0.4, 0.5], [0, 0, 1])), "max_update": whole}
    else:
        warmup, hold, decay = size(rng, 0, 5), size(rng, 0, 5), size(rng, 1, 5)
        whole = warmup + hold + decay
        lengths = {"decay_steps": decay, **some(rng, warmup_steps=warmup, hold_steps=hold)}
    optional = some(
        rng,
        init_lr_scale=rng.choice((0, between(rng, 0, 1))),
        final_lr_scale=between(rng, 0.01, 1.5),
        lr=one_rate(rng),
    )
    return lengths | optional, updates_for(math.ceil(whole))


def step(rng: random.Random) -> tuple[Arguments, int]:
    warmup, period = size(rng, 0, 6), size(rng, 1, 10)
    optional = some(
        rng,
        warmup_init_lr=initial(rng),
        lr=rates(rng),
        min_lr=least_rate(rng),
        lr_decay=between(rng, 0.1, 1),
    )
    return {"warmup_updates": warmup, "lr_deacy_period": period, **optional}, updates_for(warmup + period)


def plan(rng: random.Random, last: int) -> str:
    def key() -> str:
        first, second = rng.randint(0, last), rng.randint(0, last)
        return rng.choice((str(first), f"{first}-{second}", f"{first},{second}"))

    return repr({key(): one_rate(rng) for _ in range(rng.randint(0, 4))})


def manual(rng: random.Random) -> tuple[Arguments, int]:
    width = epoch(rng)
    optional = some(rng, epoch2lr=plan(rng, 4), update2lr=plan(rng, 14), lr=rates(rng))
    return optional | {"updates_per_epoch": width}, updates_for(14)


DRAWS = {
    "FixedLRSchedule": fixed,
    "InverseSquareRootSchedule": inverse_square_root,
    "CosineLRSchedule": cosine,
    "PolynomialDecayLRSchedule": polynomial,
    "TriangularLRSchedule": triangular,
    "TriStageLRSchedule": tri_stage,
    "StepLRSchedule": step,
    "ManualSchedule": manual,
}


# --- what is run


class Optimizer:
    """What a scheduler knows of its optimizer."""

    rate = math.nan

    def set_lr(self, rate: float) -> None:
        self.rate = rate

    def get_lr(self) -> float:
        return self.rate


def register(name: str, dataclass: type | None = None) -> Callable[[Any], Any]:
    """What the files register their classes with; here a class keeps the dataclass of its arguments."""

    def keep(cls: Any) -> Any:
        cls.arguments = dataclass or (lambda **given: SimpleNamespace(**{"epoch2lr": "{}", "update2lr": "{}"} | given))
        return cls

    return keep


def load(folder: Path, name: str) -> ModuleType:
    """One file, with what it takes from the rest of the package."""
    known = {"register_lr_scheduler": register}
    base = "fairseq_lr_scheduler"
    if name != base:
        bases = load(folder, base)
        known |= {each: getattr(bases, each) for each in ("FairseqLRScheduler", "LegacyFairseqLRScheduler")}
    return peers.load_file(
        folder / f"{name}.py",
        STUBS,
        f"fairseq.optim.lr_scheduler.{name}",
        fairseq__optim={"FairseqOptimizer": Optimizer},
        fairseq__optim__lr_scheduler=known,
    )


def play(cls: Any, arguments: Arguments, updates: int) -> list[float]:
    """The rate of every update: fairseq's trainer sets it before each update and around each epoch."""
    width, rate = arguments.pop("updates_per_epoch", EPOCH), arguments.pop("lr", RATE)
    optimizer = Optimizer()
    scheduler = cls(cls.arguments(**arguments, lr=rate if isinstance(rate, list) else [rate]), optimizer)
    scheduler.step_update(0)
    rates = []
    for update in range(updates):
        if update % width == 0:
            if update:
                scheduler.step(update // width, 1.0)
                scheduler.step_update(update)
            scheduler.step_begin_epoch(update // width + 1)
            scheduler.step_update(update)
        rates.append(float(optimizer.get_lr()))
        scheduler.step_update(update + 1)
    return rates


def main(folder: str) -> None:
    logging.disable(logging.CRITICAL)
    classes = {name: getattr(load(Path(folder) / FOLDER, file), name) for name, file in FILES.items()}

    record(
        "fairseq",
        f"{Path(folder).resolve().name}, {FOLDER}, stepped as fairseq/trainer.py does",
        DRAWS,
        lambda name, arguments, updates: {"rates": play(classes[name], arguments, updates)},
    )


if __name__ == "__main__":
    main(sys.argv[1])
