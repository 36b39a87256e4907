"""What a person points at: an expression, a JSON config or a checkpoint, read into a schedule and where it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import NotationError, UsageError
from ..interop import Reading, read
from ..interop.hints import UnknownHint
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
    Keras config, one of our own schedules. `name` is the class of a scheduler and `key` the place of its state in a
    checkpoint, other hints what a config leaves open; `updates`, the length of the run, is told to what asks for it.
    Raises `LearnrateError` that says where it went wrong.
    """
    given = {name: value for name, value in hints.items() if value is not None}
    path = Path(subject)
    if _is(Path.is_dir, path):
        raise UsageError(f"{subject} is a directory, not a file; name the file in it")
    if not _is(Path.is_file, path):
        _only_updates(given, "an expression")
        return _expression(subject)
    if path.suffix.lower() in CHECKPOINTS:
        from ..interop.torch import read_checkpoint  # torch itself is imported only to open the file

        return _willing(lambda told: read_checkpoint(path, **told), given)
    data = _json(path)
    if isinstance(data, dict) and isinstance(data.get("type"), str) and "params" not in data and "begin" not in data:
        return _ours(path, data, given)
    return _willing(lambda told: read(data, **told), given)


def _willing(reader: Callable[[dict[str, Any]], Reading], given: dict[str, Any]) -> Reading:
    """What it reads; the length of the run, which everything is told, is kept from what does not ask for it."""
    try:
        return reader(given)
    except UnknownHint as error:
        if error.hint != "updates":
            raise
        return reader({name: value for name, value in given.items() if name != "updates"})


def _only_updates(given: dict[str, Any], what: str) -> None:
    """Refuse the other hints where everything is said already."""
    for hint in given:
        if hint != "updates":
            raise UsageError(f"{hint} is a hint for a config or a checkpoint; {what} takes none")


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
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
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        known = ", ".join(CHECKPOINTS)
        raise NotationError(f"{path} is not text in UTF-8; checkpoints end in one of {known}") from None
    except json.JSONDecodeError as error:
        raise NotationError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise NotationError(f"{path}: nested too deep") from None


def _ours(path: Path, data: dict[str, Any], hints: dict[str, Any]) -> Reading:
    """One of our own schedules, or a config of a library that also says "type"."""
    try:
        schedule = Schedule.from_json(data)
        _only_updates(hints, "a schedule of learnrate")
        return Reading(schedule)
    except NotationError as ours:
        try:
            return _willing(lambda told: read(data, **told), hints)
        except UsageError:
            raise NotationError(f"{path}: {ours}") from None


def only(reading: Reading, subject: str) -> Schedule:
    """The one schedule of all param groups; an error when they differ."""
    if isinstance(reading.schedule, Schedule):
        return reading.schedule
    groups = ", ".join(f"{index}: {shorten(schedule)}" for index, schedule in reading.schedule.items())
    raise UsageError(f"the param groups of {subject} follow different schedules ({groups}); name one as an expression")
