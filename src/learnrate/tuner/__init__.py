"""The joint search over policies, the engines that run it, and the study that remembers it.

`space` says what may be chosen and `search` chooses; `processes` is the engine of worker processes; `studies` opens the
Optuna study that `study` keeps the runs in; `tuning` puts them together.
"""

from __future__ import annotations

from .space import Space
from .tuning import load_result, tune

__all__ = ["Space", "list_studies", "load_result", "tune"]


def __getattr__(name: str) -> object:
    if name == "list_studies":  # it stands on Optuna, and `tune` works without
        from .studies import list_studies

        return list_studies
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
