"""`write`: a schedule as another library's own object or config, or as its most general hook."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..clock import FOREVER
from ..errors import (
    FormulaError,
    LearnrateError,
    MissingExtra,
    ParameterError,
    UnboundError,
    UnknownName,
    UsageError,
)
from ..formula import LATEST
from ..schedule import Schedule, first_difference
from ..spec import Number, shorten, unknown
from .dialect import Dialect, library_of

TARGETS = ("torch", "optax", "keras", "transformers", "timm", "deepspeed", "megatron", "python")

CONFIGS = ("deepspeed", "megatron")
"""Targets that are written as plain data: there is no hook, and a comment would make the source unreadable."""

HOOKS = {
    "torch": "LambdaLR with a printed formula",
    "optax": "a function of the count with a printed formula",
    "keras": "a LearningRateSchedule with a printed formula",
    "transformers": "LambdaLR with a printed formula",
    "timm": "a scheduler with timm's methods and a printed formula",
    "python": "a function of t with a printed formula",
}
"""What stands in where a library has no name for a schedule."""

PLACES = {
    "torch.SWALR": "torch.optim.swa_utils.SWALR",
    "torch": "torch.optim.lr_scheduler.",
    "keras": "keras.optimizers.schedules.",
    "timm": "timm.scheduler.",
    "deepspeed": "the DeepSpeed scheduler ",
    "megatron": "the Megatron arguments of ",
}
"""Where a library keeps its schedules, for the sentence that names one; by default right below the package."""

EXTRAS = {"torch": "torch", "keras": "keras", "jax": "jax", "optax": "jax", "transformers": "transformers"}
"""Which extra of ours brings a package; the others come by their own name."""

TOLERANCE = 1e-12

_BEYOND, _OPEN, _MOST = 64, 100_000, 2**21

_PAST = {
    "bounces": ": it bounces",
    "restarts": ": it restarts",
    "continues": ": it goes on",
    "negative": ": it falls below 0",
    "jumps": ": it jumps",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """What `write` made.

    `value` is the library's object, config or hook, `own` whether the library itself names the schedule, `says` one
    sentence that tells which of the two and why, `schedule` what was written. `code` is the same as source to paste.
    """

    value: Any
    own: bool
    says: str
    schedule: Schedule
    printed: Callable[[], str] = dataclasses.field(repr=False)

    @property
    def code(self) -> str:
        """Source that makes the same and depends on that library alone; printed when it is asked for."""
        return self.printed()


class _Miss(NamedTuple):
    """A name of the library that does not give the schedule, and the first update where it does not."""

    dialect: Dialect
    update: int


def write(schedule: Schedule, to: str, *, code: bool = False, **context: Any) -> Any:
    """The schedule for another library: its own object or config where that gives every rate, else its general hook.

    `to` is "torch", "optax", "keras", "transformers", "timm", "deepspeed", "megatron" or "python". Each name of the
    library that might fit is compared with the schedule at every update, also beyond both ends; `updates=N` compares
    the first N updates only, since some names are exact within a run and not after it. What agrees to 1e-12 of the peak
    is the library's own; otherwise comes a hook that carries the schedule. `Written.says` tells which of the two.
    The rest of `context` is what the library needs: torch an `optimizer=`, whose rate is set.

    It returns a `Written`; with `code=True` instead source to paste, which depends on that library alone and whose
    first line says which of the two it is.

    Raises `UnknownName` for a target that is none, `UnboundError` for a schedule without a length in updates,
    `UsageError` for a user's own function (it cannot be printed) and where a config format cannot say the schedule.

    >>> from learnrate import Cosine
    >>> print(write(Cosine(0.1, 0.0, 10), to="python", code=True))
    # a function of t with a printed formula
    import math
    <BLANKLINE>
    <BLANKLINE>
    def schedule(t):
        \"""Cosine(0.1, updates=10)\"""
        u = (t if t < 10 else 10) / 10
        w = (1 + math.cos(math.pi * u)) / 2
        return 0.1 * w
    <BLANKLINE>
    """
    if to not in TARGETS:
        raise UnknownName(unknown("target", to, list(TARGETS)))
    if not isinstance(schedule, Schedule):
        hint = "a live scheduler is read first, read(it).schedule; of several groups, each is written by itself"
        raise UsageError(f"write takes a schedule, got {shorten(schedule)}; {hint}")
    if not schedule.bound:
        raise UnboundError(f"{shorten(schedule, 200)} has no length in updates yet; bind it with .over(total)")
    _check_context(to, context)
    if to == "python":
        return _written(_plain(schedule), code)
    if not _is_name_of(schedule, to):
        require_printable(schedule)
    misses: list[_Miss] = []
    own = _own(schedule, to, context, misses)
    made = _hook(schedule, to, context, misses) if own is None else own
    return _written(made, code)


def _check_context(to: str, context: dict[str, Any]) -> None:
    known = ["code", "optimizer", "updates", *["config"] * (to == "transformers")]
    for name in context:
        if name not in known:
            raise UsageError(unknown("argument of write", name, known))
    if context.get("updates") is not None:
        try:
            context["updates"] = Number("", "updates", "", ge=1, whole=True, le=2**53).read(context["updates"])
        except ValueError as rule:
            raise ParameterError(f"updates must {rule}") from None


class _Plan(NamedTuple):
    """What is to be made: the object and the source, each made when it is asked for."""

    make: Callable[[], Any]
    source: Callable[[], str]
    own: bool
    says: str
    schedule: Schedule
    config: bool = False


def _written(plan: _Plan, code: bool) -> Written | str:
    def printed() -> str:
        return plan.source() if plan.config else f"# {plan.says}\n{plan.source()}"

    return printed() if code else Written(plan.make(), plan.own, plan.says, plan.schedule, printed)


def _plain(schedule: Schedule) -> _Plan:
    return _Plan(lambda: schedule, lambda: _printed(schedule), False, HOOKS["python"], schedule)


def _printed(schedule: Schedule) -> str:
    require_printable(schedule)
    return schedule.code("python")


def require_printable(schedule: Schedule) -> None:
    """A user's own function has no formula: say so, and how its values can be taken instead."""
    try:
        schedule._symbolic()
    except FormulaError as error:
        raise UsageError(
            f"{shorten(schedule, 200)} holds a function of your own, which cannot be printed or carried ({error}); "
            "take its values: Interpolation(range(n), schedule.curve(n))"
        ) from None


def _own(schedule: Schedule, to: str, context: dict[str, Any], misses: list[_Miss]) -> _Plan | None:
    """The library's own name for the schedule; those that were tried and do not give it go into `misses`."""
    library = _library_module(to)
    updates = context.get("updates")
    for candidate in _candidates(schedule, to):
        if candidate is not schedule:
            update = difference(schedule, candidate, updates)
            if update is not None:
                misses.append(_Miss(candidate, update))
                continue
        says = f"{place(candidate)}, exact {_when(updates, candidate)}"

        def build(found: Dialect = candidate) -> Any:
            return library.build(found, **context)

        def source(found: Dialect = candidate) -> str:
            return str(library.source(found, **context))

        return _Plan(build, source, True, says, schedule, to in CONFIGS)
    return None


def _candidates(schedule: Schedule, to: str) -> Iterator[Dialect]:
    """The schedule itself when it is a name of that library, else what the library proposes; a bad proposal is none."""
    if isinstance(schedule, Dialect) and _is_name_of(schedule, to):
        yield schedule
        return
    yield from proposals(schedule, to)


def _is_name_of(schedule: Schedule, to: str) -> bool:
    return isinstance(schedule, Dialect) and library_of(type(schedule).__module__) == to


def _hook(schedule: Schedule, to: str, context: dict[str, Any], misses: list[_Miss]) -> _Plan:
    library = _library_module(to)
    why = _reason(to, misses, _when(context.get("updates")))

    def make() -> Any:
        return library.hook(schedule, **context)

    def source() -> str:
        return str(library.hook_source(schedule, **context))

    return _Plan(make, source, False, f"{HOOKS.get(to, 'a hook')}: {why}", schedule)


def _when(updates: int | None, named: Dialect | None = None) -> str:
    """How far what is written was compared; a recording, and what the library ends with an error, goes to its end."""
    if updates is not None:
        return f"for the {updates} updates of the run"
    recorded = not getattr(named, "closed", True)
    if named is not None and (recorded or named.conventions.past == "raises"):
        return f"for {'the' if recorded else 'its'} {named.horizon} updates{' that are recorded' * recorded}"
    return "at every update"


def _reason(to: str, misses: list[_Miss], when: str) -> str:
    """Why it is a hook: nothing fits, and how far the best try came."""
    text = f"no scheduler of {to} gives this schedule {when}"
    best = max(misses, key=lambda miss: miss.update, default=None)
    if best is None or best.update == 0:
        return text
    horizon = best.dialect.horizon
    ended = horizon is not None and best.update >= horizon
    because = _PAST.get(best.dialect.conventions.past, "") if ended else ""
    return f"{text} ({type(best.dialect).__name__} differs first at update {best.update}{because})"


def place(dialect: Dialect) -> str:
    """Where the library keeps it: `torch.optim.lr_scheduler.StepLR`."""
    full = dialect.full_name()
    library, _, name = full.partition(".")
    return PLACES.get(full) or f"{PLACES.get(library, f'{library}.')}{name}"


def difference(a: Schedule, b: Schedule, updates: int | None = None) -> int | None:
    """The first update at which two schedules differ by more than 1e-12 of the peak, or None.

    Without `updates` it looks at every update to half as far again as the later end; beyond two million, where nobody
    can look at all, at every corner of both and ever sparser.
    """
    ends = [end for schedule in (a, b) for end in _ends(schedule)]
    wanted = updates if updates is not None else int(1.5 * max(ends, default=0)) + _BEYOND
    if updates is None and FOREVER in (a.length, b.length):
        wanted = max(wanted, _OPEN)
    for part in (min(wanted, 256), min(wanted, _MOST)):  # most candidates differ early
        found = first_difference(a, b, part, TOLERANCE)
        if found is not None:
            return found
    return _sparse_difference(a, b, wanted) if wanted > _MOST else None


def _ends(schedule: Schedule) -> Iterator[int]:
    """The update that it calls its end, also where it goes on after it, and its last corner."""
    if isinstance(schedule, Dialect) and schedule.horizon is not None:
        yield schedule.horizon
    if schedule.length < FOREVER:
        yield int(schedule.length)
    yield from (int(corner) for corner in schedule._corners() if corner < LATEST)


def _sparse_difference(a: Schedule, b: Schedule, wanted: int) -> int | None:
    times = np.concatenate([a._grid(), b._grid(), np.floor(np.linspace(_MOST, wanted - 1, _OPEN))])
    times = np.unique(times[times < wanted])
    x, y = a(times), b(times)
    scale = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    differs = np.flatnonzero(np.abs(x - y) > TOLERANCE * scale)
    return int(times[differs[0]]) if differs.size else None


def library(name: str) -> Any:
    """The module of another library that an object is built of; the only import of a framework here, when asked for."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise MissingExtra(missing, EXTRAS.get(missing)) from error


def _library_module(to: str) -> Any:
    return importlib.import_module(f"{__package__}.{to}")


def proposals(schedule: Schedule, to: str) -> Iterator[Dialect]:
    """What the library's own names suggest for this schedule; each must still be compared, update by update.

    A name whose own rules refuse the arguments is no suggestion: it ends that library's list, not the writing.
    """
    found = _library_module(to).proposals(schedule)
    while True:
        try:
            yield next(found)
        except (StopIteration, LearnrateError):
            return


__all__ = ["CONFIGS", "TARGETS", "Written", "library", "write"]
