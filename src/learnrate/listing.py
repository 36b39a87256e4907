"""Source code to take elsewhere, printed from the one formula: it does not need this library."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from . import formula
from .clock import LengthKind
from .errors import FormulaError, UnknownName
from .schedule import Schedule, Shape
from .spec import Number, shorten, unknown


def _python(schedule: Schedule) -> str:
    return formula.python(schedule._symbolic(), doc=_title(schedule))


def _javascript(schedule: Schedule) -> str:
    return formula.javascript(schedule._symbolic(), doc=_title(schedule))


TORCH = """import torch
{source}

def scheduler(optimizer):
    \"\"\"The rate is the schedule's, whatever lr the optimizer was built with; step after every optimizer.step().\"\"\"
    for group in optimizer.param_groups:
        group["initial_lr"] = 1.0  # what LambdaLR multiplies by the schedule
    return torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
"""


def _torch(schedule: Schedule) -> str:
    return TORCH.format(source=_python(schedule))


TARGETS: dict[str, Callable[[Schedule], str]] = {"python": _python, "javascript": _javascript, "torch": _torch}


def schedule_code(schedule: Schedule, target: str = "python") -> str:
    """Source of a function of `t` in the target language: "python", "javascript" or "torch".

    >>> from learnrate.schedules import Linear
    >>> print(schedule_code(Linear(1, 0, 10)))
    def schedule(t):
        \"\"\"Linear(1.0, updates=10)\"\"\"
        u = (t if t < 10 else 10) / 10
        return 1 - u
    <BLANKLINE>
    """
    if target not in TARGETS:
        raise UnknownName(unknown("code target", target, list(TARGETS)))
    return TARGETS[target](schedule)


def class_latex(cls: type[Shape], name: str = "\\eta(t)") -> str:
    """The formula of a class of shapes as LaTeX, with its parameters as the symbols they are declared with.

    Raises `FormulaError` for a class that is given by lists or functions: only an instance of it has a formula.

    >>> from learnrate.schedules import Geometric
    >>> print(class_latex(Geometric))
    \\eta(t) = a^{1 - u} \\cdot b^{u},\\quad u = \\frac{t}{N}
    """
    symbols = formula.Symbols()
    parameters: dict[str, Any] = {}
    for key, kind in cls.kinds.items():
        if not isinstance(kind, (Number, LengthKind)):
            raise FormulaError(f"{cls.__name__}.{key} is no number; print the formula of an instance: .latex()")
        low, high = (kind.least, formula.LATEST) if isinstance(kind, LengthKind) else _interval(kind)
        parameters[key] = symbols.symbol(kind.symbol, (low, high))
    declared: Any = types.SimpleNamespace(**parameters)
    return formula.latex(symbols.node(cls.formula(declared, symbols.t, symbols)), name)


def _interval(kind: Number) -> tuple[float, float]:
    return max(kind.gt, kind.ge), min(kind.lt, kind.le)


def _title(schedule: Schedule) -> str:
    return shorten(schedule, 400)


__all__ = ["TARGETS", "class_latex", "schedule_code"]
