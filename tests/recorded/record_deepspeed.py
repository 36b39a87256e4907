"""Writes deepspeed.json: what DeepSpeed's schedulers give, stepped after each update as its engine does.

Get the source with `pip download --no-deps --no-binary :all: deepspeed==0.19.8` and unpack it. In the folder `tests`,
`python -m recorded.record_deepspeed FOLDER` then records the schedulers of the unpacked FOLDER.
"""

from __future__ import annotations

import logging
import random
import sys
import types
from pathlib import Path

import torch

import peers
from parity import updates_for
from recorded.recording import Arguments, between, record, size, some

FILE = "deepspeed/runtime/lr_schedules.py"
WARMUPS = ("log", "linear")


def range_test(rng: random.Random) -> tuple[Arguments, int]:
    period = size(rng, 1, 14)
    optional = some(
        rng,
        lr_range_test_min_lr=between(rng, 0.001, 1),
        lr_range_test_step_rate=between(rng, 0, 3),
        lr_range_test_staircase=rng.random() < 0.5,
    )
    return {"lr_range_test_step_size": period, **optional}, updates_for(period)


def one_cycle(rng: random.Random) -> tuple[Arguments, int]:
    low, first = between(rng, 0, 1), size(rng, 1, 8)
    halves = {"cycle_min_lr": low, "cycle_max_lr": between(rng, low, 2), "cycle_first_step_size": first}
    optional = some(
        rng,
        cycle_second_step_size=rng.choice((0, size(rng, 1, 8))),
        cycle_first_stair_count=rng.choice((0, -1, 1, 2, 5)),
        cycle_second_stair_count=rng.choice((0, 1, 3, 4)),
        decay_lr_rate=rng.choice((0, between(rng, 0, 3))),
        decay_step_size=rng.choice((0, 1, 5)),
        cycle_momentum=rng.random() < 0.7,
        cycle_min_mom=between(rng, 0.7, 0.85),
        cycle_max_mom=between(rng, 0.86, 0.99),
        decay_mom_rate=rng.choice((0, between(rng, 0, 0.5))),
    )
    return halves | optional, updates_for(first + optional.get("cycle_second_step_size", first))


def warmup(rng: random.Random) -> tuple[Arguments, int]:
    length = size(rng, 1, 14)
    optional = some(
        rng,
        warmup_min_lr=between(rng, 0, 1),
        warmup_max_lr=between(rng, 0, 1),
        warmup_type=rng.choice(WARMUPS),
    )
    return {"warmup_num_steps": length, "lr": between(rng, 0.1, 1), **optional}, updates_for(length)


def warmup_decay(rng: random.Random) -> tuple[Arguments, int]:
    total = size(rng, 1, 14)
    optional = some(
        rng,
        warmup_min_lr=between(rng, 0, 0.1),
        warmup_max_lr=between(rng, 0, 1),
        warmup_type=rng.choice(WARMUPS),
    )
    return {"total_num_steps": total, "warmup_num_steps": size(rng, 1, 8), **optional}, updates_for(total)


def warmup_cosine(rng: random.Random) -> tuple[Arguments, int]:
    total = size(rng, 1, 14)
    optional = some(
        rng,
        warmup_min_ratio=between(rng, 0, 1),
        cos_min_ratio=between(rng, 0, 1),
        warmup_type=rng.choice(WARMUPS),
    )
    needed = {"total_num_steps": total, "warmup_num_steps": size(rng, 1, 8), "lr": between(rng, 0.1, 1)}
    return needed | optional, updates_for(total)


DRAWS = {
    "LRRangeTest": range_test,
    "OneCycle": one_cycle,
    "WarmupLR": warmup,
    "WarmupDecayLR": warmup_decay,
    "WarmupCosineLR": warmup_cosine,
}


def play(file: types.ModuleType, name: str, arguments: Arguments, updates: int) -> dict[str, list[float]]:
    """The rate of every update, and beta1 where it is scheduled; `lr` is the optimizer's own rate."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=arguments.pop("lr", 1.0))
    scheduler = getattr(file, name)(optimizer, **arguments)
    (group,) = optimizer.param_groups
    rates, betas = [], []
    for _ in range(updates):
        rates.append(float(group["lr"]))
        betas.append(float(group["betas"][0]))
        scheduler.step()
    return {"rates": rates, "beta1": betas} if getattr(scheduler, "cycle_momentum", False) else {"rates": rates}


def main(folder: str) -> None:
    silent = logging.getLogger("recorded")
    silent.disabled = True
    file = peers.load_file(
        Path(folder) / FILE, ("deepspeed", "deepspeed.utils"), "recorded_deepspeed", deepspeed__utils={"logger": silent}
    )
    source = f"{Path(folder).resolve().name}, {FILE}, stepped after each update"
    record("deepspeed", source, DRAWS, lambda name, arguments, updates: play(file, name, arguments, updates))


if __name__ == "__main__":
    main(sys.argv[1])
