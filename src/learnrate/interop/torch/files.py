"""The files that `torch.save` wrote: the schedulers whose states they hold."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import StateError, UsageError
from ...spec import shorten, unknown
from ..reading import Reading
from ..writing import library
from .reading import is_ours, is_state, read_mapping


def read_checkpoint(path: str | Path, *, key: str | None = None, **hints: Any) -> Reading:
    """The scheduler in a file that `torch.save` wrote: a state alone, or somewhere inside a checkpoint.

    It is loaded with `weights_only=True`: a file that would run code is refused. Where it holds several schedulers,
    `key` says which (the error lists them). Raises `StateError` for a file that is none, or holds no scheduler.
    """
    loaded = _loaded(Path(path))
    found = dict(_states(loaded, ""))
    if not found:
        keys = f"it has the keys {shorten(sorted(map(str, loaded)), 300)}" if isinstance(loaded, Mapping) else ""
        raise StateError(f"{path} holds no scheduler's state; {keys or f'it holds a {type(loaded).__name__}'}")
    if key is None and len(found) > 1:
        raise UsageError(f"{path} holds several schedulers; say which with key=...: {', '.join(found)}")
    chosen = key if key is not None else next(iter(found))
    if chosen not in found:
        raise UsageError(unknown(f"scheduler in {path}", chosen, list(found)))
    optimizers = list(_optimizers(loaded))
    if len(optimizers) == 1 and not is_ours(found[chosen]):
        hints = {"optimizer": optimizers[0]} | hints
    reading = read_mapping(found[chosen], **hints)
    assert reading is not None
    return reading


def _loaded(path: Path) -> Any:
    torch = library("torch")
    if not path.is_file():
        raise StateError(f"there is no file {path}")
    try:
        with warnings.catch_warnings():  # torch's own words about a pickle that it then refuses
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # what a damaged or foreign file raises is up to pickle
        raise StateError(f"{path} {_refusal(path, str(error))}") from None


_NOT_ADMITTED = re.compile(r"(?:GLOBAL|unrecognized function|Unsupported class) ([\w.]+)")
"""Where torch's safe loader names what it refuses."""

_ALONE = "save the scheduler's state alone: torch.save(scheduler.state_dict(), 'scheduler.pt')"


def _refusal(path: Path, said: str) -> str:
    """Why a file is not read, in our words: torch's advise to load it with weights_only=False."""
    named = _NOT_ADMITTED.search(said)
    if named is not None:
        return (
            f"is not safe to load: it holds {shorten(named.group(1))}, which torch's safe loader (weights_only=True) "
            f"does not admit, since loading it could run code; {_ALONE}"
        )
    with path.open("rb") as file:
        head = file.read(2)
    if not head:
        return "is no checkpoint of torch: it is an empty file"
    if head == b"PK":
        return "is no checkpoint of torch: it is a damaged zip, or one that torch.save did not write"
    if head[:1] != b"\x80":
        return "is no checkpoint of torch: it is neither a zip nor a pickle of torch"
    if "Unsupported" in said:
        return (
            "is not safe to load: it is a pickle that torch.save did not write, and torch's safe loader "
            f"(weights_only=True) does not admit it, since loading it could run code; {_ALONE}"
        )
    return f"is no checkpoint of torch: it is a damaged pickle, or one that torch.save did not write; {_ALONE}"


def _states(value: Any, path: str, depth: int = 4) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every scheduler's state in a checkpoint, with the way to it: `lr_schedulers[0]`."""
    if is_state(value) or is_ours(value):
        yield path or "the file", value
    elif depth and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _states(item, f"{path}.{name}" if path else str(name), depth - 1)
    elif depth and isinstance(value, (list, tuple)) and len(value) < 100:
        for index, item in enumerate(value):
            yield from _states(item, f"{path}[{index}]", depth - 1)


def _optimizers(value: Any, depth: int = 3) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("param_groups"), list):
            yield value
        elif depth:
            for item in value.values():
                yield from _optimizers(item, depth - 1)
    elif isinstance(value, (list, tuple)) and depth and len(value) < 100:
        for item in value:
            yield from _optimizers(item, depth - 1)


__all__ = ["read_checkpoint"]
