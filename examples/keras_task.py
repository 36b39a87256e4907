"""A Keras 3 loop as a task: `learnrate tune examples/keras_task.py`. Runs on any backend; KERAS_BACKEND chooses.

What makes it a task: it yields the loss of every update, it evaluates when it is asked to, and the seed alone decides
on weights and batches. So every `train_on_batch` is one update, and Keras's own `fit` is not used.
"""

from __future__ import annotations

import keras
import numpy as np
from sklearn.datasets import load_digits

import learnrate as lr

BATCH = 32


@lr.task(updates=200, objective="val_loss", evaluation=2, packages=("keras", "scikit-learn"), batch_size=BATCH)
def digits_in_keras(policy: lr.Policy, seed: int, updates: int) -> lr.runs.Loop:
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    held_out = np.arange(len(labels)) % 4 == 0
    model = network(seed)
    # the schedule becomes a LearningRateSchedule of Keras, and the settings are those that Keras has
    config = {"learning_rate": lr.keras.schedule(policy.lr), **policy.settings}
    optimizer = keras.optimizers.get({"class_name": policy.optimizer, "config": config})
    model.compile(optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(seed)
    for _ in range(updates):
        rows = random.choice(np.flatnonzero(~held_out), BATCH, replace=False)
        model.reset_metrics()  # else the loss is a mean over all batches so far
        request = yield {"loss": model.train_on_batch(images[rows], labels[rows])}
        if request == "evaluate":
            yield {"val_loss": model.evaluate(images[held_out], labels[held_out], verbose=0)}


def network(seed: int) -> keras.Model:
    """Initial weights come from the seed, not from Keras's global random state."""
    start = [keras.initializers.GlorotUniform(seed=10 * seed + layer) for layer in range(2)]
    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu", kernel_initializer=start[0]),
            keras.layers.Dense(10, kernel_initializer=start[1]),
        ]
    )


if __name__ == "__main__":
    for rate in (1e-4, 1e-2):
        print(rate, lr.run(digits_in_keras, lr.Policy("adam", lr.Linear(rate, 0))))
