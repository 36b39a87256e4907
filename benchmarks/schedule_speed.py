"""How fast a schedule is: a whole curve of 1,000,000 updates, and one scalar call, beside the same formula by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import transformers

import record
from learnrate import Cosine, Linear

UPDATES, WARMUP, PEAK, FLOOR = 1_000_000, 50_000, 3e-4, 3e-5
CURVE_BAR, SCALAR_BAR = 1.3, 4.0
SCALARS = range(0, UPDATES, 50)
SLOW = range(0, UPDATES, 5000)


def by_hand(t: float) -> float:
    """Warmup and cosine in plain Python, as people write it in a training loop."""
    if t < WARMUP:
        return PEAK * t / WARMUP
    if t > UPDATES:
        return FLOOR
    return FLOOR + (PEAK - FLOOR) * 0.5 * (1 + math.cos(math.pi * (t - WARMUP) / (UPDATES - WARMUP)))


def hand_numpy(t: np.ndarray) -> np.ndarray:
    """The same in NumPy, each side computed where it speaks."""
    values = np.empty(t.shape)
    rising = t < WARMUP
    values[rising] = PEAK * t[rising] / WARMUP
    u = np.minimum((t[~rising] - WARMUP) / (UPDATES - WARMUP), 1.0)
    values[~rising] = FLOOR + (PEAK - FLOOR) * 0.5 * (1 + np.cos(np.pi * u))
    return values


def torch_loop(updates: int) -> None:
    """The whole curve from torch: an optimizer, two schedulers, and a step for every update."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    schedulers = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 1e-6, 1.0, WARMUP),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES - WARMUP, FLOOR),
    ]
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, schedulers, [WARMUP])
    for _ in range(updates):
        scheduler.step()


def our_curves(rounds: int) -> list[tuple[object, ...]]:
    """Every shape by hand and from the library, a pair at a time."""
    t = np.arange(UPDATES)
    ours = (Linear(0, PEAK, WARMUP) >> Cosine(PEAK, FLOOR)).over(UPDATES)
    cosine, linear = Cosine(PEAK, FLOOR, UPDATES), Linear(PEAK, FLOOR, UPDATES)
    shapes: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "warmup + cosine": (lambda: hand_numpy(t), lambda: ours(t)),
        "cosine": (
            lambda: FLOOR + (PEAK - FLOOR) * 0.5 * (1 + np.cos(np.pi * np.minimum(t / UPDATES, 1))),
            lambda: cosine(t),
        ),
        "linear": (lambda: PEAK + (FLOOR - PEAK) * np.minimum(t / UPDATES, 1), lambda: linear(t)),
    }
    rows: list[tuple[object, ...]] = []
    for name, (by_hand_, from_library) in shapes.items():
        seconds = record.interleaved({"hand": by_hand_, "library": from_library}, rounds)
        rows.append((f"{name}, NumPy by hand", 1000 * seconds["hand"], 1.0, ""))
        ratio = seconds["library"] / seconds["hand"]
        rows.append((f"{name}, learnrate", 1000 * seconds["library"], ratio, CURVE_BAR))
    return rows


def peer_curves(rounds: int) -> list[tuple[object, ...]]:
    """Warmup and cosine as the peers compute a whole curve."""
    t, few = np.arange(UPDATES), UPDATES // 10
    eager = optax.warmup_cosine_decay_schedule(0.0, PEAK, WARMUP, UPDATES, FLOOR)
    jitted, steps = jax.jit(eager), jnp.arange(UPDATES)
    thunks: dict[str, Callable[[], object]] = {
        "hand": lambda: hand_numpy(t),
        "optax, eager, on an array (float32)": lambda: eager(steps).block_until_ready(),
        "optax, jit, on an array (float32)": lambda: jitted(steps).block_until_ready(),
        "torch SequentialLR, a step per update": lambda: torch_loop(few),
    }
    seconds = record.interleaved(thunks, max(3, rounds // 4))
    seconds["torch SequentialLR, a step per update"] *= UPDATES / few
    return [
        (f"warmup + cosine, {name}", 1000 * value, value / seconds["hand"], "")
        for name, value in seconds.items()
        if name != "hand"
    ]


def curves(rounds: int) -> str:
    return record.table(
        "A whole curve of 1,000,000 updates",
        ("candidate", "median CPU ms", "ratio to NumPy by hand", "bar"),
        our_curves(rounds) + peer_curves(rounds),
        ["torch: measured on a tenth of the updates and multiplied. CPU time counts every thread."],
    )


def scalars(rounds: int) -> str:
    ours = (Linear(0, PEAK, WARMUP) >> Cosine(PEAK, FLOOR)).over(UPDATES)
    eager = optax.warmup_cosine_decay_schedule(0.0, PEAK, WARMUP, UPDATES, FLOOR)
    jitted = jax.jit(eager)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    hf = transformers.get_scheduler(
        "cosine", optimizer, num_warmup_steps=WARMUP, num_training_steps=UPDATES
    ).lr_lambdas[0]

    def each(function: Callable[[int], object], times: range) -> Callable[[], None]:
        def call() -> None:
            for t in times:
                function(t)

        return call

    calls: dict[str, tuple[Callable[[int], object], range]] = {
        "plain Python by hand": (by_hand, SCALARS),
        "learnrate": (ours, SCALARS),
        "transformers, its lambda called directly": (hf, SCALARS),
        "optax, jit": (jitted, SLOW),
        "optax, eager": (eager, SLOW),
    }
    seconds = record.interleaved({name: each(*call) for name, call in calls.items()}, rounds)
    per = {name: seconds[name] / len(calls[name][1]) for name in calls}
    hand = per["plain Python by hand"]
    rows = [(name, 1e6 * value, value / hand, SCALAR_BAR if name == "learnrate" else "") for name, value in per.items()]
    return record.table(
        "One scalar call of warmup + cosine",
        ("candidate", "median CPU microseconds", "ratio to plain Python", "bar"),
        rows,
    )


def main() -> None:
    warnings.simplefilter("ignore")
    options = record.parser(__doc__, rounds=15).parse_args()
    text = curves(options.rounds) + "\n" + scalars(options.rounds)
    packages = ("torch", "optax", "jax", "transformers")
    record.publish("schedule_speed", text, save_it=options.save, packages=packages)


if __name__ == "__main__":
    main()
