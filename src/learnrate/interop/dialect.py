"""A schedule as another library names it: its name, its arguments, and what they mean in our algebra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from inspect import signature
from typing import Any, ClassVar, TypeVar, cast

from ..clock import FOREVER
from ..errors import LearnrateError, ParameterError, UnboundError
from ..feedback import Rule
from ..findings import Finding
from ..schedule import Chain, Composite, Cut, Delayed, Recipe, Schedule, Shape, Skipped
from ..spec import Registry, arguments, shorten, unknown
from .conventions import Conventions

DIALECTS: Registry[type[Dialect]] = Registry("library schedule", form="text")
"""Every class, under `library.Name`."""

LISTENERS: dict[str, Callable[..., Rule]] = {}
"""The names that listen to a metric, under `library.Name`; they return a rule of `learnrate.feedback`."""


def library_of(module: str) -> str:
    """`learnrate.interop.timm` and `learnrate.interop.timm.x` are "timm"."""
    return module.partition("interop.")[2].partition(".")[0] or "test"


_RESUMED = ("last_batch_iteration", "last_epoch", "last_iter", "last_step")
"""Where a scheduler that is made again goes on, -1 for one that begins."""

_WITHOUT_EFFECT = {
    "deepspeed": _RESUMED,
    "detectron2": _RESUMED,
    "fastai": ("cbs", "reset_opt", "show_plot", "stop_div", "suggest_funcs", "wd"),
    "ignite": ("create_new", "output_simulated_values", "param_group_index", "save_history", "trainer"),
    "mmengine": (*_RESUMED, "verbose"),
    "nemo": _RESUMED,
    "olmo": ("initial_lr_field", "lr_field"),
    "paddle": (*_RESUMED, "verbose"),
    "pytorch_scheduler": _RESUMED,
    "timm": ("initialize",),
    "torch": (*_RESUMED, "verbose"),
    "transformers": _RESUMED,
}
"""What the schedulers of a library take by name that changes no rate; it is taken here as well, and forgotten."""


def effective(name: str, given: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The arguments that `library.Name` has (`known`), and those it does not; what has no effect is left out."""
    library, _, short = name.partition(".")
    idle = [key for key in given if key in _WITHOUT_EFFECT.get(library, ()) and key not in known]
    for key in idle:
        if key in _RESUMED and given[key] != -1:
            raise ParameterError(
                f"{short}.{key} must be -1, got {shorten(given[key])}: a schedule begins at update 0; "
                ".skip(n) is what is left of it after n updates"
            )
    return {key: value for key, value in given.items() if key not in idle}


def only_entry(name: str, value: Any) -> Any:
    """The entry of a list that has one, for a library that takes one entry per param group; all else as it is."""
    if not isinstance(value, (list, tuple)):
        return value
    if len(value) != 1:
        raise ParameterError(
            f"{name} must have one entry when it is a list, got {len(value)}: a schedule is for one param group; "
            "make one for each"
        )
    return value[0]


class Dialect(Recipe):
    """One schedule of one library: the library's own name and arguments; `meaning()` says it in the algebra.

    `schedule(t)` is the rate that update t uses in the library's documented loop, past the end too. Where the library
    scales the optimizer's rate, that is the last parameter, `lr`; left at 1, the schedule is the multiplier.

    A class declares its `conventions`, and where the library does something that surprises, `quirks`, one finding each.
    """

    conventions: ClassVar[Conventions]
    per_group: ClassVar[tuple[str, ...]] = ()
    """What the library also takes as a list with one entry per param group; a schedule is for one of them."""

    @classmethod
    def _register(cls) -> None:
        if cls.__module__ != __name__:  # this class itself has no name in any library
            DIALECTS.add(cls.full_name(), cls)

    @classmethod
    def full_name(cls) -> str:
        """`timm.CosineLRScheduler`."""
        return f"{library_of(cls.__module__)}.{cls.__name__}"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except UnboundError:
            raise
        except LearnrateError as error:
            name = self.full_name()
            if name in str(error) or str(error).startswith(f"{type(self).__name__}."):
                raise
            raise ParameterError(f"{name}: {error}") from None

    @classmethod
    def _assigned(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        values = super()._assigned(args, effective(cls.full_name(), kwargs, cls.kinds))
        given = [name for name in cls.per_group if name in values]
        return values | {name: only_entry(f"{cls.__name__}.{name}", values[name]) for name in given}

    def _differs(self, **words: str) -> None:
        """What these arguments change of the conventions of the class; to be called by `check`."""
        self.__dict__["conventions"] = type(self).conventions._replace(**words)

    @property
    def horizon(self) -> int | None:
        """The update that its arguments call the end; None when they name none."""
        return None if self.length == FOREVER else int(self.length)

    def quirks(self, run: int) -> Iterator[Finding]:
        """What this library does that people do not expect, in a run of `run` updates."""
        return iter(())

    def _horizon(self, updates: int | None) -> int:
        if updates is None and self.bound and self.horizon is not None:
            return self.horizon
        return super()._horizon(updates)

    def __repr__(self) -> str:
        return f"{self.full_name()}({arguments(self)})"


class Curve(Shape):
    """A formula that only a dialect needs, outside the catalogue. `horizon` parameters are its own: it never ends."""

    open_ended = True

    @classmethod
    def _register(cls) -> None:
        """It has no name of its own: the dialect that means it has."""


Listener = TypeVar("Listener", bound="Callable[..., Rule]")


def listener(function: Listener) -> Listener:
    """Register a name that listens to a metric; arguments that it does not have are an error that lists its own."""
    name = f"{library_of(function.__module__)}.{function.__name__}"
    known = list(signature(function).parameters)

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Rule:
        kwargs = effective(name, kwargs, known)
        for key in kwargs:
            if key not in known:
                raise ParameterError(unknown(f"parameter of {name}", key, known))
        if len(args) > len(known):
            raise ParameterError(f"{name} takes at most {len(known)} values, got {len(args)}: {', '.join(known)}")
        return function(*args, **kwargs)

    LISTENERS[name] = checked
    return cast(Listener, checked)


def speaking(schedule: Schedule, run: int) -> Iterator[tuple[Dialect, int]]:
    """The dialects that speak for themselves in a run of `run` updates, each with how many of its own updates it runs.

    One that is made of others speaks for them; in a chain, each part has its own time.
    """
    if isinstance(schedule, Dialect):
        yield schedule, run
    elif isinstance(schedule, Chain):
        for start, part in schedule._layout:
            if start < run:
                yield from speaking(part, int(min(run - start, part.length)))
    elif isinstance(schedule, Cut):
        yield from speaking(schedule.body, min(run, cast(int, schedule.updates)))
    elif isinstance(schedule, (Delayed, Skipped)):
        shift = cast(int, schedule.updates)
        yield from speaking(schedule.body, max(run - shift, 1) if isinstance(schedule, Delayed) else run + shift)
    elif isinstance(schedule, Composite) and schedule.keeps_time:
        for value in schedule.parameters().values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Schedule):
                    yield from speaking(part, run)


__all__ = [
    "DIALECTS",
    "LISTENERS",
    "Curve",
    "Dialect",
    "effective",
    "library_of",
    "listener",
    "only_entry",
    "speaking",
]
