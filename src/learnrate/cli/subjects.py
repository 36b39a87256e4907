"""What a person points at: an expression, a JSON config or a checkpoint, read into a schedule and where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import NotationError, UsageError
from ..interop import Reading, read
from ..notation import parse
from ..policy import Policy
from ..schedule import Schedule
from ..spec import shorten

CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".tar")
"""Endings of what torch saves; everything else that is a file is read as JSON."""

LONGEST = 100_000_000


def load(subject: str, **hints: Any) -> Reading:
    """The schedule in `FILE|EXPR`; `hints` that are None are left out.

    A file is a torch checkpoint by its ending, else JSON: a DeepSpeed config, training arguments, a trainer state, a
    Keras config, one of our own schedules. Raises `LearnrateError` that says where it went wrong.
    """
    given = {name: value for name, value in hints.items() if value is not None}
    path = Path(subject)
    if not _is_file(path):
        return _expression(subject)
    if path.suffix.lower() in CHECKPOINTS:
        from ..interop.torch import read_checkpoint  # torch itself is imported only to open the file

        return read_checkpoint(path, **given)
    data = _json(path)
    if isinstance(data, dict) and isinstance(data.get("type"), str) and "params" not in data and "begin" not in data:
        return _ours(path, data, given)
    return read(data, **given)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # an expression that is no legal path
        return False


def _expression(text: str) -> Reading:
    if "(" not in text and Path(text).suffix:
        raise UsageError(f"there is no file {text}, and it is no expression such as 'Cosine(0.1, 0.001, 500)'")
    value = parse(text)
    schedule = value.lr if isinstance(value, Policy) else value
    if not isinstance(schedule, Schedule):
        raise UsageError(f"{text} is a {type(value).__name__}, not a schedule")
    return Reading(schedule)


def _json(path: Path) -> Any:
    if path.stat().st_size > LONGEST:
        raise NotationError(f"{path} has {path.stat().st_size:,} bytes, at most {LONGEST:,} are read as JSON")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        known = ", ".join(CHECKPOINTS)
        raise NotationError(f"{path} is not text; checkpoints end in one of {known}") from None
    except json.JSONDecodeError as error:
        raise NotationError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise NotationError(f"{path}: nested too deep") from None


def _ours(path: Path, data: dict[str, Any], hints: dict[str, Any]) -> Reading:
    """One of our own schedules, or a config of a library that also says "type"."""
    try:
        return Reading(Schedule.from_json(data))
    except NotationError as ours:
        try:
            return read(data, **hints)
        except UsageError:
            raise NotationError(f"{path}: {ours}") from None


def only(reading: Reading, subject: str) -> Schedule:
    """The one schedule of all param groups; an error when they differ."""
    if isinstance(reading.schedule, Schedule):
        return reading.schedule
    groups = ", ".join(f"{index}: {shorten(schedule)}" for index, schedule in reading.schedule.items())
    raise UsageError(f"the param groups of {subject} follow different schedules ({groups}); name one as an expression")
