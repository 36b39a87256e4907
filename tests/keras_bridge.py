"""Trains with `learnrate.keras.schedule` on the backend that KERAS_BACKEND names; a backend is chosen once per process.

Prints JSON: rates at many updates, the largest error by kind of time, and what a saved and loaded model says.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import learnrate as lr
from drawn import PRINTABLE, instance
from learnrate.interop import Reading, read

FAR = 2**25
LATE = [
    lr.Cosine(1, 0, 7).repeat(),
    lr.Constant(1.0, FAR) >> lr.Linear(1, 0, 100),
    (lr.Constant(1.0, FAR) >> lr.Cosine(1, 0, 10)).every(3),
    lr.Linear(0, 1, 50).delay(FAR),
    lr.MultiStep(1.0, [FAR, FAR + 1, FAR + 3]),
    lr.Interpolation([0, FAR, FAR + 10], [0, 1, 0]),
    lr.Cosine(1, 0, 9).mirror().repeat(),
    lr.interop.keras.PolynomialDecay(1.0, 10, 0.1, power=2.0, cycle=True),
]
TRAINED = lr.Linear(0, 0.1, 3) >> lr.Cosine(0.1, 0, 4).repeat()


@keras.saving.register_keras_serializable(package="tests")
def output(wanted: Any, given: Any) -> Any:
    """A loss whose gradient is 1, so that every update moves the weight by the rate."""
    return keras.ops.mean(given)


def error(schedule: lr.Schedule, times: Any) -> float:
    values = keras.ops.convert_to_numpy(lr.keras.schedule(schedule)(times))
    wanted = schedule(times)
    return float(np.abs(np.asarray(values, dtype=float) - wanted).max() / np.abs(wanted).max())


def shapes() -> dict[str, float]:
    worst = {}
    for name, cls in PRINTABLE.items():
        schedule = instance(cls, random.Random(name))
        schedule = schedule if schedule.bound else schedule.over(40, updates_per_epoch=10)
        times = np.arange(100, dtype="int32")
        worst[name] = max(error(schedule, times), error(schedule, times.astype("float32")))
    return worst


def trained(folder: Path) -> dict[str, Any]:
    """One epoch of single updates of a model with one weight: what each moved it by; then saved and loaded."""
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=keras.optimizers.SGD(lr.keras.schedule(TRAINED)), loss=output)
    moved, x = [], np.ones((1, 1), dtype="float32")
    for _ in range(12):
        before = model.get_weights()[0].item()
        model.train_on_batch(x, x)
        moved.append(before - model.get_weights()[0].item())
    model.save(folder / "model.keras")
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
    loaded = keras.models.load_model(folder / "model.keras").optimizer
    return {
        "moved": moved,
        "read": read(model.optimizer) == Reading(TRAINED, 12),
        "deserialized": read(optimizer).schedule == TRAINED,
        "loaded": read(loaded) == Reading(TRAINED, 12),
        "next": float(keras.ops.convert_to_numpy(loaded.learning_rate)),
    }


def main() -> None:
    times = np.r_[np.arange(30), FAR + np.arange(-20, 120), 2**31 - 5].astype("int32")
    report = {
        "late": [error(schedule, times) for schedule in LATE],
        "shapes": shapes(),
        "dtype": str(keras.ops.convert_to_numpy(lr.keras.schedule(TRAINED)(3)).dtype),
        "before": float(keras.ops.convert_to_numpy(lr.keras.schedule(lr.Linear(0.5, 1, 4))(-3))),
    }
    if keras.backend.backend() != "numpy":  # which cannot train
        report |= trained(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
