"""What a person typed as an expression, read into values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from ..notation import parse
from ..policy import Policy
from ..schedule import Schedule
from .lineup import CONTENDERS

# A name may stand in front: "mine=Cosine(0.1)". The expression's own equals signs stand inside parentheses.
_NAMED = re.compile(r"\s*([^()='\"\[\]]+?)\s*=\s*(?!=)(.+)", re.DOTALL)


def schedules(texts: Sequence[str]) -> dict[str, Schedule]:
    """Name -> schedule for every `EXPR` or `NAME=EXPR`; of a policy, its learning-rate schedule."""
    found: dict[str, Schedule] = {}
    for text in texts:
        name, value = _read(text)
        schedule = value.lr if isinstance(value, Policy) else value
        if not isinstance(schedule, Schedule):
            raise UsageError(f"{text} is a {type(value).__name__}, not a schedule")
        _add(found, name or repr(schedule), schedule)
    return found


def policies(texts: Sequence[str], optimizers: Sequence[str]) -> dict[str, Policy]:
    """Name -> policy for every `EXPR` or `NAME=EXPR`; a bare schedule is run with each of `optimizers`."""
    found: dict[str, Policy] = {}
    for text in texts:
        name, value = _read(text)
        if isinstance(value, Policy):
            _add(found, name or f"{value.optimizer} {value.lr!r}", value)
            continue
        if not isinstance(value, Schedule):
            raise UsageError(f"{text} is a {type(value).__name__}, not a policy or a schedule")
        if not optimizers:
            raise UsageError(f"{text} names no optimizer; add --optimizer sgd, or write Policy('sgd', {value!r})")
        for optimizer in optimizers:
            known = CONTENDERS.get(optimizer.lower())
            policy = Policy(optimizer, value, known.settings if known else {})
            _add(found, f"{known.name if known else optimizer} {name or repr(value)}", policy)
    return found


def _read(text: str) -> tuple[str, object]:
    named = _NAMED.fullmatch(text)
    return (named[1], parse(named[2])) if named else ("", parse(text))


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if name in found:
        raise UsageError(f"{name!r} is given twice; put names in front: 'a=...', 'b=...'")
    found[name] = value
