"""Other libraries' schedules, exactly: their names and arguments in, our schedules out, and back.

`learnrate.interop.timm.CosineLRScheduler(t_initial=12, warmup_t=4)` is a schedule whose rates are those of that
library's documented loop. No framework is imported. `read` takes live objects and configs, `write` makes them.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import UnknownName, UsageError
from ..spec import shorten, unknown
from .dialect import DIALECTS, LISTENERS, Dialect
from .reading import Reading, read
from .writing import Written, write

LIBRARIES = (
    *("torch", "optax", "keras", "timm", "transformers", "paddle", "mmengine", "deepspeed", "megatron", "composer"),
    *("fairseq", "fastai", "torchtitan", "nemo", "olmo", "levanter", "fvcore", "detectron2", "ignite", "mlx"),
    *("pytorch_scheduler", "lrsched"),
)
"""One module each; importing it fills the registry with its names."""


def dialect(name: str) -> type[Dialect]:
    """The class behind `library.Name` (or `library:Name`); what the text and JSON forms look names up with.

    >>> dialect("optax:cosine_decay_schedule")(1.0, 10)(5)
    0.5
    """
    if not isinstance(name, str):
        raise UsageError(f"a name is text such as 'timm:CosineLRScheduler', got {shorten(name)}")
    library, _, inner = name.replace(":", ".", 1).partition(".")
    if library not in LIBRARIES:
        raise UnknownName(unknown("library", library, list(LIBRARIES)))
    importlib.import_module(f"{__name__}.{library}")
    full = f"{library}.{inner}"
    if full in LISTENERS:
        raise UnknownName(f"{full} listens to a metric: call learnrate.interop.{full}(...), which returns a rule")
    if full not in DIALECTS:
        raise UnknownName(unknown(f"name in {library}", inner, names(library)))
    return DIALECTS[full]


def names(library: str) -> list[str]:
    """What `learnrate.interop.<library>` has, schedules first, then the names that listen to a metric."""
    if library not in LIBRARIES:
        raise UnknownName(unknown("library", library, list(LIBRARIES)))
    importlib.import_module(f"{__name__}.{library}")
    return [
        full.partition(".")[2] for known in (DIALECTS, LISTENERS) for full in known if full.startswith(f"{library}.")
    ]


def __getattr__(name: str) -> Any:
    if name in LIBRARIES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {shorten(name)}; libraries: {', '.join(LIBRARIES)}")


def __dir__() -> list[str]:
    return sorted({*__all__, *LIBRARIES})


__all__ = ["LIBRARIES", "Reading", "Written", "dialect", "names", "read", "write"]
