"""What the recorders share: how arguments are drawn, and the file that the tests compare with.

A draw knows the library's rules and nothing of ours: it makes legal arguments that end early, and says how many updates
are recorded.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import parity

CASES = 24

Arguments = dict[str, Any]
Draw = Callable[[random.Random], tuple[Arguments, int]]


def size(rng: random.Random, least: int, most: int) -> int:
    """A whole number; half of them and more are next to the least."""
    return rng.choice((least, least + 1, least + 2, rng.randint(least, most)))


def between(rng: random.Random, low: float, high: float) -> float:
    """A number of three digits, which text and JSON hold as it is."""
    return round(rng.uniform(low, high), 3)


def some(rng: random.Random, **given: Any) -> Arguments:
    """What is given, each with a chance to be left out."""
    return {key: value for key, value in given.items() if rng.random() < 0.7}


def record(
    library: str, source: str, draws: Mapping[str, Draw], run: Callable[[str, Arguments, int], Mapping[str, Any]]
) -> None:
    """Write `<library>.json` beside this file: each name's cases, with what `run` gets from the real library."""
    lines = []
    for name, draw in draws.items():
        for rng in parity.draws(name, CASES):
            arguments, updates = draw(rng)
            case = {"name": name, "arguments": arguments, **run(name, dict(arguments), updates)}
            lines.append(json.dumps(case, separators=(",", ":")))
    head = json.dumps(source)
    text = f'{{"source":{head},"cases":[\n' + ",\n".join(lines) + "\n]}\n"
    Path(__file__).with_name(f"{library}.json").write_text(text, encoding="utf-8")
