"""What a study keeps of a run: its parameters as Optuna knows them, and its trace as text.

A trace is stored in its written form, as compressed JSON text. So that a row stays small, a long one is thinned: at
most 1000 updates are kept and at most 4000 numbers besides, spread evenly, the first and the last among them.
`meta["thinned"]` then holds how many updates were made. Objective, evaluations and everything else stay as they are.
The search has to see the stored form whether the run was made here or before, so `stored` is what it is given.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import LearnrateError, StudyError
from ..finder.asking import Answer, Ask
from ..schedule import Schedule
from ..schedule.composites import Scaled
from ..trace import Trace

UPDATES, NUMBERS = 1000, 4000
"""A stored trace has at most so many updates, and so many numbers in the columns beside `update`."""

STEPS = 8
"""At most so many evaluations of a run are shown as Optuna's intermediate values; all are in the trace."""

PIECE = 60_000  # characters: MySQL's text columns hold 65,535 bytes

Value = float | int | bool | str
Parameters = Mapping[str, Mapping[str, Any]]

PARAMETERS: Parameters = {
    "rate": {"low": 1e-9, "high": 1e3, "log": True},
    "share": {"low": 1e-6, "high": 1.0, "log": True},
    "weight_decay": {"low": 0.0, "high": 10.0},
    "warmup": {"low": 0.0, "high": 1.0},
    "momentum": {"low": 0.0, "high": 1.0},
    "beta1": {"low": 0.0, "high": 1.0},
    "beta2": {"low": 0.0, "high": 1.0},
}
"""The ranges of the parameters that a question says nothing about."""


def described(ask: Ask, full: int) -> dict[str, Value]:
    """What decides the run, by name: optimizer, schedule, rate, the share of the full run it has, and its settings.

    The schedule is told with its peak at 1, and as it was before it was bound if the ask holds it so.

    >>> from learnrate import Cosine, Policy
    >>> described(Ask(Policy("adamw", 0.002 * Cosine(1, 0), {"weight_decay": 0.1}), 0, 50), 200)
    {'optimizer': 'adamw', 'schedule': 'Cosine(1.0)', 'rate': 0.002, 'share': 0.25, 'weight_decay': 0.1}
    """
    policy = ask.policy
    rate, shape = _taken_apart(policy.lr, ask.updates)
    settings: dict[str, Value] = {
        name: repr(item) if isinstance(item, Schedule) else item for name, item in policy.settings.items()
    }
    share = ask.goal / full
    values: dict[str, Value] = {"optimizer": policy.optimizer, "schedule": shape, "rate": rate, "share": share}
    return {**values, **settings}


def _taken_apart(schedule: Schedule, updates: int) -> tuple[float, str]:
    """The peak of a schedule, and the text of what it multiplies."""
    if isinstance(schedule, Scaled):
        return float(schedule.factor), repr(schedule.body)
    try:
        bound = schedule if schedule.bound else schedule.over(updates)
        return float(bound.peak), repr(schedule)
    except (LearnrateError, ArithmeticError):  # its units are the task's, or it is a user's own function
        return math.nan, repr(schedule)


def parted(values: Mapping[str, Value], parameters: Parameters) -> tuple[dict[str, Any], dict[str, Value]]:
    """Values with a range or choices, which Optuna can plot and rank, with these; and all others, which become attrs.

    Optuna wants one range per name for a whole study, so a value outside its own is an attr too.
    """
    inside, outside = {}, {}
    for name, value in values.items():
        about = parameters.get(name)
        if about is not None and _fits(value, about):
            inside[name] = value, about
        else:
            outside[name] = value
    return inside, outside


def _fits(value: Value, about: Mapping[str, Any]) -> bool:
    if "choices" in about:
        return any(value == choice and type(value) is type(choice) for choice in about["choices"])
    if isinstance(value, (bool, str)):
        return False
    return bool(about["low"] <= value <= about["high"])


def steps(trace: Trace, objective: str) -> dict[int, float]:
    """The objective after so many updates, a few of its measurements and the last one among them."""
    values = trace.evaluations.get(objective)
    if values is None:
        return {}
    seen = {int(t): float(value) for t, value in zip(trace.evaluations["update"], values, strict=True)}
    kept = [(t, value) for t, value in seen.items() if not math.isnan(value)]
    return dict(kept[index] for index in _even(len(kept), STEPS))


def stored(trace: Trace) -> Trace:
    """The trace as a study keeps it."""
    columns = 2 + len(trace.signals)
    most = max(2, min(UPDATES, NUMBERS // columns))
    if len(trace) > most:
        kept = _even(len(trace), most)
        trace = trace.replace(
            update=trace.update[kept],
            rate=trace.rate[kept],
            loss=trace.loss[kept],
            signals={name: column[kept] for name, column in trace.signals.items()},
            meta={**trace.meta, "thinned": len(trace)},
        )
    return trace.written()


def _even(count: int, most: int) -> list[int]:
    """At most so many of `count` indices, evenly spread, both ends included."""
    if count <= most:
        return list(range(count))
    return [int(index) for index in np.unique(np.linspace(0, count - 1, most).round().astype(int))]


def packed(trace: Trace) -> dict[str, str]:
    """A stored trace as text under one or more names."""
    plain = json.dumps(trace.to_json(), allow_nan=False, separators=(",", ":")).encode()
    text = base64.b64encode(zlib.compress(plain, 1)).decode("ascii")  # level 1: 4 % larger than 6, 5 times as fast
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    return {"trace" if not index else f"trace {index}": piece for index, piece in enumerate(pieces)}


def unpacked(attrs: Mapping[str, Any], where: str) -> Answer:
    """The answer that a row holds; `StudyError` for a damaged one."""
    try:
        text, index = str(attrs["trace"]), 1
        while f"trace {index}" in attrs:
            text += str(attrs[f"trace {index}"])
            index += 1
        trace = Trace.from_json(json.loads(zlib.decompress(base64.b64decode(text, validate=True))))
        return Answer(trace, float(attrs["cost"]), float(attrs.get("again", 0.0)))
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error, LearnrateError) as reason:
        raise StudyError(f"{where} is damaged ({reason}); delete that trial, and it is run again") from None
