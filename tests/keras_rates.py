"""Runs the real Keras on its NumPy backend, in a process of its own: a backend is chosen once per process.

Reads a JSON list of cases from standard input, writes their rates. A schedule is a class name, a config and how many
updates; a callback is its name, its arguments, the rate to begin with and what it sees every epoch.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["KERAS_BACKEND"] = "numpy"

import keras
import numpy as np


def by_rate(factor: float) -> Any:
    """A function of the epoch and of the rate before."""
    return lambda epoch, rate: rate * factor if epoch % 3 else rate


def by_epoch(factor: float) -> Any:
    """A function of the epoch alone."""
    return lambda epoch: factor / (1.0 + epoch)


FUNCTIONS = {"by_rate": by_rate, "by_epoch": by_epoch}


def schedule_rates(name: str, config: dict[str, Any], updates: int) -> list[float]:
    schedule = getattr(keras.optimizers.schedules, name)(**config)
    if config.get("warmup_target") is not None or name == "PiecewiseConstantDecay":  # these take one update at a time
        return [float(schedule(t)) for t in range(updates)]
    return np.broadcast_to(np.asarray(schedule(np.arange(updates)), dtype=np.float64), (updates,)).tolist()


class Model:
    """As much of a model as the callbacks look at."""

    def __init__(self, rate: float) -> None:
        self.optimizer = keras.optimizers.SGD(rate)


def scheduler_rates(function: list[Any], rate: float, epochs: int) -> list[float]:
    callback, model = keras.callbacks.LearningRateScheduler(FUNCTIONS[function[0]](function[1])), Model(rate)
    callback.set_model(model)
    rates = []
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        rates.append(float(model.optimizer.learning_rate))
    return rates


def plateau_rates(arguments: dict[str, Any], rate: float, metrics: list[float]) -> list[float]:
    callback, model = keras.callbacks.ReduceLROnPlateau(**arguments), Model(rate)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {arguments["monitor"]: metric})
        rates.append(float(model.optimizer.learning_rate))
    return rates


def main() -> None:
    kinds = {"schedule": schedule_rates, "scheduler": scheduler_rates, "plateau": plateau_rates}
    json.dump([kinds[kind](*given) for kind, *given in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
