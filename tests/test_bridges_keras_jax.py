"""The bridges to Keras and JAX: real schedules for their optimizers, exact at every boundary however late."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import learnrate as lr
import learnrate.keras
from drawn import PRINTABLE, instance
from keras_bridge import FAR, LATE, TRAINED
from learnrate import Schedule
from learnrate.errors import MissingExtra, NotationError, UnboundError, UsageError
from learnrate.interop import Reading, read
from parity import FLOAT32, FLOAT64

HERE = Path(__file__).parent


# --- Keras ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_keras_on_every_backend(backend: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "keras_bridge.py"), str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert max(report["late"]) <= FLOAT32
    assert max(report["shapes"].values()) <= FLOAT32, max(report["shapes"], key=report["shapes"].get)
    assert len(report["shapes"]) == len(PRINTABLE)
    assert report["dtype"] == "float32"
    assert report["before"] == 0.5
    if backend != "numpy":
        assert report["moved"] == pytest.approx(TRAINED(np.arange(12)), abs=3e-7)
        assert report["read"]
        assert report["deserialized"]
        assert report["loaded"]
        assert report["next"] == pytest.approx(TRAINED(12), abs=1e-7)


def test_keras_config_rebuilds_the_schedule() -> None:
    made = lr.keras.schedule(TRAINED)
    config = json.loads(json.dumps(made.get_config()))
    assert type(made).from_config(config) == made
    whole = keras.optimizers.schedules.serialize(made)
    again = keras.optimizers.schedules.deserialize(json.loads(json.dumps(whole)))
    assert again == made
    assert {again, made} == {made}
    assert again.schedule == TRAINED
    assert pickle.loads(pickle.dumps(made)) == made
    assert isinstance(made, keras.optimizers.schedules.LearningRateSchedule)
    assert "Cosine(0.1" in repr(made)


def test_keras_refuses_what_is_no_bound_schedule() -> None:
    with pytest.raises(UnboundError, match=r"\.over\(total\)"):
        lr.keras.schedule(lr.Cosine(0.1))
    with pytest.raises(UsageError, match=r"takes a schedule, got 0.1"):
        lr.keras.schedule(0.1)
    with pytest.raises(NotationError):
        learnrate.keras.Scheduled.from_config({"schedule": {"type": "Cosin"}})


def test_keras_trains_with_a_function_of_your_own() -> None:
    rate = lr.keras.schedule(lr.Function(lambda t: 0.1 / (1 + t)))
    assert float(rate(3)) == pytest.approx(0.025)


@pytest.mark.parametrize("name", ["keras", "jax"])
def test_a_bridge_without_its_framework_says_what_to_install(name: str) -> None:
    code = f"""
import sys
sys.modules[{name!r}] = None
import learnrate
try:
    learnrate.{name}
except learnrate.errors.MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'learnrate[{name}]'" in done.stdout, done.stderr
    assert issubclass(MissingExtra, ImportError)


# --- JAX --------------------------------------------------------------------------------------------------------------


def errors(schedule: Schedule, times: Any) -> float:
    values = np.asarray(jax.jit(jax.vmap(lr.jax.schedule(schedule)))(jnp.asarray(times)))
    wanted = schedule(times)
    return float(np.abs(values - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", PRINTABLE)
def test_jax_matches_in_float32_and_float64(name: str) -> None:
    for index in range(3):
        schedule = instance(PRINTABLE[name], random.Random(f"{name} {index}"))
        schedule = schedule if schedule.bound else schedule.over(40, updates_per_epoch=10)
        times = np.arange(100)
        assert errors(schedule, times.astype("int32")) <= FLOAT32
    with jax.enable_x64(True):
        assert errors(schedule, times) <= FLOAT64


@pytest.mark.parametrize("schedule", LATE, ids=lambda value: str(value)[:40])
def test_jax_does_not_lose_an_update_beyond_what_float32_counts(schedule: Schedule) -> None:
    times = np.r_[np.arange(30), FAR + np.arange(-20, 120), 2**31 - 5].astype("int32")
    assert errors(schedule, times) <= FLOAT32
    whole = np.asarray(lr.jax.schedule(schedule)(jnp.asarray(times)))
    assert np.abs(whole - schedule(times)).max() <= FLOAT32 * schedule(times).max()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int32"])
def test_jax_takes_every_integer_type(dtype: str) -> None:
    schedule = lr.Linear(0, 1, 4) >> lr.Cosine(1, 0, 9).repeat()
    assert errors(schedule, np.arange(100).astype(dtype)) <= FLOAT32
    assert float(lr.jax.schedule(schedule)(7)) == pytest.approx(schedule(7), rel=1e-6)
    assert float(jax.jit(lr.jax.schedule(schedule))(-3)) == 0.0


@pytest.mark.parametrize("schedule", [lr.Cosine(0.1, 0.01, 10), lr.Linear(0, 0.1, 3) >> lr.SGDR(0.1, 0.0, 4)], ids=str)
def test_jax_drives_adamw(schedule: Schedule) -> None:
    def path(rate: Any) -> list[float]:
        transform, weights, places = optax.adamw(rate), jnp.ones(3), []
        state, step = transform.init(weights), jax.jit(transform.update)
        for _ in range(20):
            change, state = step(weights, state, weights)
            weights = optax.apply_updates(weights, change)
            places.append(float(weights[0]))
        return places

    assert path(lr.jax.schedule(schedule)) == pytest.approx(
        path(lambda t: jnp.asarray(schedule(np.arange(25)))[t]), rel=1e-5
    )


def test_jax_gradients_flow_through_float_times() -> None:
    slope = jax.grad(lr.jax.schedule(lr.Linear(0, 1, 4)))(1.5)
    assert float(slope) == pytest.approx(0.25)


def test_jax_schedules_carry_the_schedule() -> None:
    made = lr.jax.schedule(TRAINED)
    assert read(made) == Reading(TRAINED)
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert {again, made} == {made}
    assert "Cosine(0.1" in repr(made)
    with pytest.raises(UnboundError, match=r"\.over\(total\)"):
        lr.jax.schedule(lr.Cosine(0.1))
    with pytest.raises(UsageError, match=r"takes a schedule, got 0.1"):
        lr.jax.schedule(0.1)
