"""A JAX loop with optax as a task: `learnrate tune examples/jax_task.py`.

The schedule goes into the optimizer as it is and is computed inside the compiled update.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import learnrate as lr

BATCH = 32


@lr.task(updates=300, objective="val_loss", evaluation=1, packages=("jax", "optax", "scikit-learn"), batch_size=BATCH)
def digits_in_jax(policy: lr.Policy, seed: int, updates: int) -> lr.runs.Loop:
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32")
    held_out = np.arange(len(labels)) % 4 == 0
    optimizer = getattr(optax, policy.optimizer)(lr.jax.schedule(policy.lr), **policy.settings)
    weights = start(jax.random.key(seed))
    state = optimizer.init(weights)

    @jax.jit
    def update(weights, state, x, y):
        loss, gradient = jax.value_and_grad(mean_loss)(weights, x, y)
        change, state = optimizer.update(gradient, state, weights)
        return optax.apply_updates(weights, change), state, loss

    random = np.random.default_rng(seed)
    for _ in range(updates):
        rows = random.choice(np.flatnonzero(~held_out), BATCH, replace=False)
        weights, state, loss = update(weights, state, images[rows], labels[rows])
        request = yield {"loss": loss}
        if request == "evaluate":
            yield {"val_loss": jax.jit(mean_loss)(weights, images[held_out], labels[held_out])}


def start(key):
    """Initial weights, from the key alone."""
    first, second = jax.random.split(key)
    return {
        "in": jax.random.normal(first, (64, 64)) / 8,
        "bias": jnp.zeros(64),
        "out": jax.random.normal(second, (64, 10)) / 8,
    }


def mean_loss(weights, images, labels):
    hidden = jax.nn.relu(images @ weights["in"] + weights["bias"])
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ weights["out"], labels).mean()


if __name__ == "__main__":
    for rate in (1e-4, 1e-2):
        print(rate, lr.run(digits_in_jax, lr.Policy("adamw", lr.Linear(rate, 0))))
