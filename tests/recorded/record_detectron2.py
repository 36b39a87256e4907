"""Writes detectron2.json: what the schedulers of detectron2, which no registry has, give in a torch loop.

Get `detectron2/solver/lr_scheduler.py` at 606437e6008b from facebookresearch/detectron2. In the folder `tests`,
`python -m recorded.record_detectron2 FILE` then records its classes.
"""

from __future__ import annotations

import importlib.util
import logging
import random
import sys
from typing import Any

import fvcore.common.param_scheduler as fvcore
import torch

from parity import updates_for
from recorded.recording import Arguments, between, record, size, some


def warmup(rng: random.Random) -> Arguments:
    return some(
        rng,
        warmup_factor=rng.choice((0.0, between(rng, 0, 1))),
        warmup_method=rng.choice(("linear", "constant")),
    )


def multi_step(rng: random.Random) -> tuple[Arguments, int]:
    places = rng.choice(([], [0, 3, 3], sorted(rng.sample(range(20), 3))))
    length = size(rng, 0, 14)
    given = {"milestones": places, "warmup_iters": length, **warmup(rng)}
    return given | some(rng, gamma=between(rng, 0.1, 0.9), lr=between(rng, 0.1, 1)), updates_for(max((length, *places)))


def cosine(rng: random.Random) -> tuple[Arguments, int]:
    whole = size(rng, 1, 20)
    given = {"max_iters": whole, "warmup_iters": size(rng, 0, 14), **warmup(rng)}
    return given | some(rng, lr=between(rng, 0.1, 1)), updates_for(whole)


def multiplier(rng: random.Random) -> tuple[Arguments, int]:
    """A cosine behind a warmup, times the base rate."""
    length = rng.choice((0.0, 0.25, 1.0, between(rng, 0, 1)))
    given = {
        "start_value": between(rng, 0.1, 1),
        "end_value": between(rng, 0, 1),
        "warmup_factor": between(rng, 0, 1),
        "warmup_length": length,
        "warmup_method": rng.choice(("linear", "constant")),
        "rescale_interval": length < 1 and rng.random() < 0.5,
        "max_iter": size(rng, 1, 20),
    }
    return given | some(rng, lr=between(rng, 0.1, 1)), updates_for(given["max_iter"])


DRAWS = {"WarmupMultiStepLR": multi_step, "WarmupCosineLR": cosine, "LRMultiplier": multiplier}


def play(module: Any, name: str, arguments: Arguments, updates: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=arguments.pop("lr", 1.0))
    if name == "LRMultiplier":
        curve = fvcore.CosineParamScheduler(arguments.pop("start_value"), arguments.pop("end_value"))
        whole = arguments.pop("max_iter")
        scheduler = module.LRMultiplier(optimizer, module.WarmupParamScheduler(curve, **arguments), whole)
    else:
        scheduler = getattr(module, name)(optimizer, **arguments)
    rates = []
    for _ in range(updates):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def main(file: str) -> None:
    logging.disable(logging.CRITICAL)
    spec = importlib.util.spec_from_file_location("detectron2_lr_scheduler", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    record(
        "detectron2",
        "facebookresearch/detectron2 at 606437e6008b, detectron2/solver/lr_scheduler.py, in a torch loop",
        DRAWS,
        lambda name, arguments, updates: {"rates": play(module, name, arguments, updates)},
    )


if __name__ == "__main__":
    main(sys.argv[1])
