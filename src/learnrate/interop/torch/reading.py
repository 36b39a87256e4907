"""Torch's schedulers read back: live ones, and the states they save."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import LearnrateError, NotationError, StateError, UsageError
from ...feedback import Plateau, State
from ...findings import Finding
from ...notation import parse
from ...schedule import Schedule
from ...schedules import Constant, Interpolation
from ...spec import shorten, unknown
from ..dialect import Dialect
from ..hints import only
from ..reading import Reading
from ..sampling import sample_size
from . import composition, schedulers
from .replay import LONGEST
from .writing import Hook

PLAIN = {
    "StepLR": ("step_size", "gamma"),
    "ConstantLR": ("factor", "total_iters"),
    "LinearLR": ("start_factor", "end_factor", "total_iters"),
    "ExponentialLR": ("gamma",),
    "PolynomialLR": ("total_iters", "power"),
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
}
"""Schedulers whose attributes are their arguments."""

MARKS = {
    "ReduceLROnPlateau": {"num_bad_epochs", "patience"},
    "SequentialLR": {"_schedulers", "_milestones"},
    "ChainedScheduler": {"_schedulers"},
    "OneCycleLR": {"_schedule_phases"},
    "CyclicLR": {"step_ratio", "max_lrs"},
    "SWALR": {"anneal_epochs"},
    "LambdaLR": {"lr_lambdas"},
    "MultiStepLR": {"milestones", "gamma"},
    "StepLR": {"step_size"},
    "LinearLR": {"start_factor"},
    "PolynomialLR": {"total_iters", "power"},
    "ConstantLR": {"total_iters", "factor"},
    "CosineAnnealingWarmRestarts": {"T_0"},
    "CosineAnnealingLR": {"T_max"},
    "ExponentialLR": {"gamma"},
}
"""What only the state of that scheduler holds, asked in this order: a state does not say its class."""

SAMPLE = "sample=N takes the rates of N updates instead, as Interpolation points"


class _Saved(NamedTuple):
    """A scheduler as plain data: its class, its attributes, the groups of its optimizer, and its children."""

    name: str
    state: Mapping[str, Any]
    groups: list[Mapping[str, Any]]
    children: tuple[_Saved, ...] = ()
    rate: float | None = None
    updates: int | None = None

    def get(self, key: str) -> Any:
        """One attribute; its absence is an error that names it."""
        if key not in self.state:
            raise StateError(f"the state of {self.name} lacks {key!r}; it has {', '.join(map(str, self.state))}")
        return self.state[key]

    def group(self, index: int, key: str) -> Any:
        """What the optimizer's group holds under a key that this scheduler writes there."""
        if index >= len(self.groups) or key not in self.groups[index]:
            raise UsageError(
                f"{self.name} keeps {key!r} in the optimizer's param groups: give its state too, "
                "read(state, optimizer=optimizer.state_dict())"
            )
        return self.groups[index][key]

    @property
    def bases(self) -> list[float]:
        """The base rate of every group."""
        if "base_lrs" in self.state:
            return [float(base) for base in self.state["base_lrs"]]
        for child in self.children:
            return child.bases
        if self.rate is None:
            raise UsageError(f"the state of {self.name} has no base rates; say the optimizer's: read(state, lr=...)")
        return [self.rate]

    @property
    def update(self) -> int:
        """How often it was stepped."""
        return int(self.state["last_epoch"] if "last_epoch" in self.state else self.children[0].update)


# -- what is asked from outside


def read_object(obj: Any, *, sample: int | None = None, updates: int | None = None, **hints: Any) -> Reading:
    """A live scheduler: torch's own, Accelerate's around one, or ours. Nothing of it is changed.

    `sample=N` takes the rates of N updates of a scheduler whose formula cannot be read; `updates=N` is how far a
    composition without a closed form is recorded, where nothing in it names an end.
    """
    only(hints, "a live scheduler", ["sample", "updates"])
    given = {name: value for name, value in (("sample", sample), ("updates", updates)) if value is not None}
    scheduler, notes = _inner(obj)
    if hasattr(scheduler, "optimizer") and type(scheduler).__module__.startswith("learnrate."):
        only(given, "a live scheduler of learnrate", [])
        return _ours(scheduler)
    carried = _carried(scheduler)
    if carried is not None:
        only(given, "a hook of learnrate", [])
        return Reading(carried)
    if hasattr(scheduler, "param_groups"):
        raise UsageError(f"{type(scheduler).__name__} is an optimizer: it knows no schedule; read its scheduler")
    if not hasattr(scheduler, "optimizer") or not hasattr(scheduler, "state_dict"):
        raise UsageError(f"{shorten(scheduler)} of torch is no scheduler; {_known()}")
    if sample is not None:
        return _sampled(scheduler, sample, notes)
    saved = _living(scheduler)._replace(updates=updates)
    reading = _reading(saved)
    if reading.feedback is None:
        notes += tuple(_disagreements(saved, reading))
    notes += reading.notes
    return dataclasses.replace(reading, notes=notes)


def read_mapping(data: Mapping[str, Any], **hints: Any) -> Reading | None:
    """The state that a scheduler of torch, or ours, saved; None for other data.

    A state does not say its class: it is known by what it holds, and `name="CosineAnnealingLR"` confirms it. `lr=` is
    the base rate where the state has none; `optimizer=` the optimizer's state, whose param groups hold what OneCycleLR
    and SWALR keep there; `updates=` is as for a live scheduler.
    """
    if is_ours(data):
        only(hints, "a state of learnrate", ["sample"])
        return _ours_saved(data, hints.get("sample"))
    if {"param_groups", "state"} <= set(data):
        raise UsageError("this is the state of an optimizer, which knows no schedule; read its scheduler's state")
    if not is_state(data):
        return None
    only(hints, "a state", ["name", "lr", "optimizer", "updates"])
    saved = _stored(data, hints.get("name"), _groups(hints.get("optimizer")), hints.get("lr"))
    reading: Reading = _sound(lambda: _reading(saved._replace(updates=hints.get("updates"))))
    return reading


def _groups(optimizer: Any) -> list[Any]:
    """The param groups of the hint `optimizer`."""
    if optimizer is None:
        return []
    given = optimizer.get("param_groups") if isinstance(optimizer, Mapping) else None
    groups = getattr(optimizer, "param_groups", given)
    if not isinstance(groups, (list, tuple)) or not all(isinstance(group, Mapping) for group in groups):
        raise UsageError(
            f"optimizer must be the optimizer or the state it saved, optimizer.state_dict(), got {shorten(optimizer)}"
        )
    return list(groups)


def is_state(data: Any) -> bool:
    """Whether this mapping is the state of one of torch's schedulers."""
    if not isinstance(data, Mapping):
        return False
    if "_schedulers" in data:
        return isinstance(data["_schedulers"], (list, tuple)) and all(map(is_state, data["_schedulers"]))
    return isinstance(data.get("last_epoch"), int) and (
        "base_lrs" in data or "_last_lr" in data or MARKS["ReduceLROnPlateau"] <= set(data)
    )


def _known() -> str:
    return f"schedulers of torch that can be read: {', '.join(sorted(MARKS))}"


# -- from a live scheduler or a state to plain data


def _inner(obj: Any) -> tuple[Any, tuple[Finding, ...]]:
    """The scheduler inside Accelerate's, which steps it once per process and update unless it splits batches."""
    notes: tuple[Finding, ...] = ()
    while type(obj).__module__.startswith("accelerate."):
        if not hasattr(obj, "scheduler"):
            raise UsageError(f"{type(obj).__name__} of accelerate is no scheduler; read what prepare(scheduler) gave")
        if not getattr(obj, "split_batches", True):
            advice = "Accelerate steps it once per process: with n processes, each update moves it n updates on."
            notes = (Finding("stepped once per process", "note", {}, advice),)
        obj = obj.scheduler
    return obj, notes


def _living(scheduler: Any) -> _Saved:
    name = _class_name(scheduler)
    children = tuple(map(_living, vars(scheduler).get("_schedulers", ())))
    return _Saved(name, vars(scheduler), list(scheduler.optimizer.param_groups), children)


def _class_name(scheduler: Any) -> str:
    """The class of torch that it is, or that a subclass leaves as it is."""
    for cls in type(scheduler).__mro__:
        if cls.__module__.partition(".")[0] == "torch":
            if cls.__name__ in MARKS or cls.__name__ == "MultiplicativeLR":
                return str(cls.__name__)
            break
        changed = [name for name in ("get_lr", "step", "_update_lr", "_get_closed_form_lr") if name in vars(cls)]
        if changed:
            raise UsageError(f"{cls.__name__} has a {changed[0]} of its own, whose formula cannot be read; {SAMPLE}")
    raise UsageError(f"{type(scheduler).__name__} is not known; {_known()}; {SAMPLE}")


def _stored(data: Mapping[str, Any], name: str | None, groups: list[Any], rate: float | None) -> _Saved:
    fitting = [known for known, marks in MARKS.items() if marks <= set(data)]
    if name is not None and (not isinstance(name, str) or (name not in MARKS and name != "MultiplicativeLR")):
        raise UsageError(unknown("scheduler of torch", name, [*MARKS, "MultiplicativeLR"]))
    if name is not None and not (MARKS.get(name, {"lr_lambdas"}) <= set(data)):
        looks = f"; it looks like one of {fitting[0]}" if fitting else ""
        raise StateError(f"this is no state of {name}: it has the keys {', '.join(map(str, data))}{looks}")
    if name is None and not fitting:
        raise StateError(f"a state of torch with the keys {', '.join(map(str, data))} is of no known class; {_known()}")
    if name is None:
        _refuse_foreign(fitting[0], data)
    children = tuple(_stored(child, None, groups, rate) for child in data.get("_schedulers", ()))
    return _Saved(name or fitting[0], data, groups, children, rate)


def _refuse_foreign(name: str, data: Mapping[str, Any]) -> None:
    """Other libraries' schedulers have a gamma or a power too, and more: their state is not torch's."""
    if name not in PLAIN and name != "MultiStepLR":
        return
    own = {*PLAIN.get(name, ("milestones", "gamma")), "base_lrs", "last_epoch", "verbose", "T_cur", "T_i"}
    foreign = [str(key) for key in data if str(key)[0] != "_" and key not in own]
    if foreign:
        raise StateError(
            f"this state looks like one of {name}, but torch's does not hold {', '.join(foreign)}: it is another "
            f"library's, or a subclass; if its formula is torch's, say name={name!r}"
        )


# -- from plain data to schedules


def _reading(saved: _Saved) -> Reading:
    if saved.name == "ReduceLROnPlateau":
        return _plateau(saved)
    bases = saved.bases
    if not bases or saved.update < 0:
        raise StateError(f"the state of {saved.name} is damaged: {len(bases)} base rates, last_epoch {saved.update}")
    found = _found(saved, bases) if saved.name == "SWALR" else bases
    each = [_schedule(saved, index, base) for index, base in enumerate(found)]
    if not each[0].bound:
        raise UsageError(
            f"this {saved.name} has no closed form, and nothing in it names an end: say how many updates to record, "
            "read(..., updates=N)"
        )
    settings = _settings(saved, each)
    notes = (*_late(saved, len(bases)), *_recorded(each[0]), *_between(saved), *_moved(bases, found))
    return Reading(_merged(each), saved.update, settings, notes=notes)


def _merged(each: list[Schedule]) -> Schedule | dict[int, Schedule]:
    return each[0] if all(other == each[0] for other in each) else dict(enumerate(each))


def _late(saved: _Saved, known: int) -> Iterator[Finding]:
    if len(saved.groups) > known > 0:
        advice = "Groups that were added after the scheduler was made follow no schedule."
        yield Finding("late groups", "warning", {"groups": len(saved.groups), "scheduled": known}, advice)


def _found(saved: _Saved, bases: list[float]) -> list[float]:
    """The rate each group had when SWALR was first stepped: it anneals from there, whatever the base rate is.

    It follows from the present rate, unless the end is reached or the steps were not counted from 0.
    """
    made = int(saved.state.get("_step_count", 0)) - 1
    if made != saved.update or any("lr" not in group for group in saved.groups) or len(saved.groups) < len(bases):
        return bases
    rates = []
    for index, base in enumerate(bases):
        left = schedulers.SWALR(**(_swa(saved, index, base) | {"swa_lr": 0.0}), lr=1.0)(made)
        end, present = float(saved.group(index, "swa_lr")), float(saved.groups[index]["lr"])
        expected = end + (base - end) * left
        same = abs(present - expected) <= _slack(saved.groups[index]["lr"]) * max(base, end, abs(present))
        rates.append(base if same or left < _FAINT else end + (present - end) / left)
    return rates


_FAINT = 1e-9
"""Of so small a share of the way, no rate can be worked back."""


def _moved(bases: list[float], found: list[float]) -> Iterator[Finding]:
    """SWALR was built before another scheduler moved the rate that it then found."""
    for index, (base, rate) in enumerate(zip(bases, found, strict=True)):
        if rate != base:
            advice = "SWALR anneals from the rate it finds when it is stepped, not from the base rate."
            yield Finding("begins at another rate", "note", {"group": index, "base rate": base, "rate": rate}, advice)


def _position(saved: _Saved) -> float:
    """The update, with the fraction that CosineAnnealingWarmRestarts may be stepped by."""
    inside, length = saved.state.get("T_cur"), saved.state.get("T_i")
    if saved.name != "CosineAnnealingWarmRestarts" or inside is None or not length:
        return saved.update
    first, stretch = saved.get("T_0"), saved.get("T_mult")
    before = (length - first) / (stretch - 1) if stretch > 1 else saved.update - math.floor(inside)
    place = float(before + inside)
    return place if math.floor(place) == saved.update else saved.update


def _between(saved: _Saved) -> Iterator[Finding]:
    """It was stepped by a fraction: what it counts are epochs then."""
    position = _position(saved)
    if position != saved.update:
        advice = "It is stepped by fractions, so its lengths count what step() is given (epochs), not updates."
        yield Finding("stepped by fractions", "note", {"position": position}, advice)


def _recorded(schedule: Any) -> Iterator[Finding]:
    """A composition without a closed form is known only as far as it was played."""
    if _open(schedule):
        advice = "It has no closed form: its rates were computed once, and the last is held; updates=N records further."
        yield Finding("recorded", "note", {"updates": len(schedule.recording.rates) - 1}, advice)


def _schedule(saved: _Saved, index: int, base: float) -> Schedule:
    """The schedule of one group."""
    if saved.name in ("LambdaLR", "MultiplicativeLR"):
        return _of_function(saved, index, base)
    values = _values(saved, index, base)
    home: Any = schedulers if hasattr(schedulers, saved.name) else composition
    kind: type[Dialect] = getattr(home, saved.name)
    ours = {"lr": base, "updates": saved.updates}
    made = kind(**values, **{name: value for name, value in ours.items() if name in kind.kinds})
    return _farther(made, saved)


def _open(schedule: Any) -> bool:
    """A composition without a closed form: it is known only as far as it was played."""
    return isinstance(schedule, (composition.SequentialLR, composition.ChainedScheduler)) and not schedule.closed


def _farther(made: Any, saved: _Saved) -> Schedule:
    """A composition without a closed form, recorded past its end and past where it is: torch does not stop there."""
    if _open(made) and saved.updates is None and made.horizon is not None and made.horizon <= LONGEST:
        made = made.replace(updates=min(math.ceil(1.5 * max(made.horizon, saved.update)), LONGEST))
    return made  # type: ignore[no-any-return]


def _values(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    if saved.name in PLAIN:
        return {name: saved.get(name) for name in PLAIN[saved.name]}
    return _VALUES[saved.name](saved, index, base)


def _multi_step(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    counted = saved.get("milestones")
    # JSON makes text of the keys
    milestones = sorted(int(place) for place, count in dict(counted).items() for _ in range(count))
    return {"milestones": milestones, "gamma": saved.get("gamma")}


def _cyclic(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    if saved.get("_scale_fn_custom") is not None:
        raise UsageError(f"CyclicLR holds a scale_fn of your own, whose formula cannot be read; {SAMPLE}")
    total, up = saved.get("total_size"), round(saved.get("total_size") * saved.get("step_ratio"))
    values = {
        "base_lr": saved.bases[index],
        "max_lr": float(saved.get("max_lrs")[index]),
        "step_size_up": up,
        "step_size_down": round(total - up),
        "mode": saved.get("mode"),
        "gamma": saved.get("gamma"),
        "cycle_momentum": saved.get("cycle_momentum"),
    }
    if values["cycle_momentum"]:
        values["base_momentum"] = saved.get("base_momentums")[index]
        values["max_momentum"] = saved.get("max_momentums")[index]
    return values


def _one_cycle(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    phases, total = saved.get("_schedule_phases"), saved.get("total_steps")
    start, peak, end = (float(saved.group(index, key)) for key in ("initial_lr", "max_lr", "min_lr"))
    values = {
        "max_lr": peak,
        "total_steps": total,
        "pct_start": (phases[0]["end_step"] + 1) / total,
        "anneal_strategy": saved.get("_anneal_func_type"),
        "cycle_momentum": saved.get("cycle_momentum"),
        "div_factor": peak / start,
        "final_div_factor": start / end,
        "three_phase": len(phases) == 3,
    }
    if values["cycle_momentum"]:
        values |= {key: float(saved.group(index, key)) for key in ("base_momentum", "max_momentum")}
    return values


def _swa(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    return {
        "swa_lr": float(saved.group(index, "swa_lr")),
        "anneal_epochs": saved.get("anneal_epochs"),
        "anneal_strategy": saved.get("_anneal_strategy"),
    }


def _sequential(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    return {"schedulers": _inside(saved, index), "milestones": list(saved.get("_milestones"))}


def _chained(saved: _Saved, index: int, base: float) -> dict[str, Any]:
    return {"schedulers": _inside(saved, index)}


def _inside(saved: _Saved, index: int) -> list[Schedule]:
    """The children, for a base rate of 1: the rate is the whole's."""
    each = [(child, _schedule(child, index, 1.0)) for child in saved.children]
    return [
        schedulers.LambdaLR(Hook(schedule)) if child.name in ("LambdaLR", "MultiplicativeLR") else schedule
        for child, schedule in each
    ]


_VALUES: dict[str, Callable[[_Saved, int, float], dict[str, Any]]] = {
    "MultiStepLR": _multi_step,
    "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
    "SWALR": _swa,
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
}


# -- functions


def _of_function(saved: _Saved, index: int, base: float) -> Schedule:
    functions = saved.get("lr_lambdas")
    function = functions[index] if index < len(functions) else functions[0]
    if saved.name == "LambdaLR":
        carried = _carried(function)
        if carried is not None:
            return carried if base == 1 else base * carried
        if _module(function).partition(".")[0] == "transformers":
            transformers = importlib.import_module("..transformers", __package__)
            known = transformers.read_lambda(function, base)
            if known is not None:
                return known  # type: ignore[no-any-return]
    if function is None or isinstance(function, Mapping):
        raise UsageError(
            f"a state of {saved.name} holds nothing of its function: make the scheduler again and read that, "
            f"read(scheduler, sample=N)"
        )
    raise UsageError(f"{saved.name} holds {shorten(function)}, a function whose formula cannot be read; {SAMPLE}")


def _carried(function: Any) -> Schedule | None:
    """The schedule that a callable of ours carries, also when only its state is left."""
    if isinstance(function, Mapping):
        text = function.get("text")
        if set(function) != {"text"} or not isinstance(text, str):
            return None
        return _parsed(text)
    carried = getattr(function, "schedule", None)
    return carried if isinstance(carried, Schedule) else None


def _module(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__module__", ""))


def _parsed(text: str) -> Schedule:
    try:
        found = parse(text)
    except NotationError as error:
        raise StateError(f"the schedule in the state cannot be read: {error}") from error
    if not isinstance(found, Schedule):
        raise StateError(f"the state holds {shorten(text)} where a schedule belongs")
    return found


# -- momentum and feedback


def _settings(saved: _Saved, each: list[Schedule]) -> dict[str, Schedule | dict[int, Schedule]]:
    if not saved.state.get("cycle_momentum"):
        return {}
    found = [getattr(schedule, "momentum", None) for schedule in each]
    moving = [schedule for schedule in found if isinstance(schedule, Schedule)]
    return {"beta1" if saved.state.get("use_beta1") else "momentum": _merged(moving)} if moving else {}


def _plateau(saved: _Saved) -> Reading:
    """A rule bounds a factor where torch bounds the rate, so the rate of a group is needed: its first one if known."""
    rates = [float(group["lr"]) for group in saved.groups] or [float(rate) for rate in saved.get("_last_lr")]
    if saved.rate is not None:
        bases = [saved.rate] * len(rates)
    else:
        bases = [float(group.get("initial_lr", group["lr"])) for group in saved.groups] or rates
    base = bases[0]
    floors = [float(floor) / rate if rate else 0.0 for floor, rate in zip(saved.get("min_lrs"), bases, strict=False)]
    names = ("factor", "patience", "threshold", "threshold_mode", "cooldown", "mode")
    rule = Plateau(
        **{name: saved.get(name) for name in names},
        floor=min(max(floors[0], 0.0), 1.0),
        eps=min(saved.get("eps") / base, 0.1) if base else None,
    )
    best = saved.get("best")
    counts = {"bad": saved.get("num_bad_epochs"), "cooldown": saved.get("cooldown_counter")}
    heard: State = rule.start() | counts | {"factor": rates[0] / base if base else 1.0}
    heard["best"] = None if abs(best) == float("inf") else float(best)
    advice = "It counts reports of the metric, not updates: say the update that the run has reached yourself."
    notes = [Finding("listens to a metric", "note", {"reports": saved.update}, advice)]
    if len({round(floor, 12) for floor in floors}) > 1:
        text = "min_lr is another share of the rate in each group; the rule has the first group's."
        notes.append(Finding("floors differ", "warning", {"lowest": min(floors), "highest": max(floors)}, text))
    return Reading(_merged([Constant(rate) for rate in bases]), 0, {}, rule, rule.read(heard), tuple(notes))


# -- ours


def _ours(scheduler: Any) -> Reading:
    """What `learnrate.torch.attach` returned."""
    given: Mapping[str, Any] = scheduler._given
    groups = scheduler.optimizer.param_groups
    names = {group["name"]: index for index, group in enumerate(groups) if "name" in group}

    def by_index(schedule: Any) -> Any:
        if isinstance(schedule, Schedule):
            return schedule
        return {names.get(key, key): item for key, item in schedule.items()}

    found = {name: by_index(schedule) for name, schedule in given.items()}
    lr = found.pop("lr", None)
    if lr is None:
        lr = _merged([Constant(float(group["lr"])) for group in groups])
    elif scheduler.relative:
        each = enumerate(scheduler.base_lrs)
        lr = _merged([float(base) * (lr if isinstance(lr, Schedule) else lr[index]) for index, base in each])
    heard = scheduler.state_dict()["feedback"]
    return Reading(lr, scheduler.update, found, scheduler.feedback, heard["state"] if heard else None)


def is_ours(data: Any) -> bool:
    """The state of such a scheduler."""
    return isinstance(data, Mapping) and {"format", "update", "schedules", "settings", "base_rates"} <= set(data)


def _ours_saved(data: Mapping[str, Any], sample: int | None) -> Reading:
    known = _sound(lambda: [_described(entry, sample is not None) for entry in data["schedules"]])

    def chosen() -> dict[str, dict[int, Schedule]]:
        return {
            name: {index: known[place] for index, place in enumerate(which) if place is not None}
            for name, which in data["settings"].items()
        }

    bases: list[float] = _sound(lambda: [float(base) for base in data["base_rates"]])
    each, update = _sound(chosen), _sound(lambda: int(data["update"]))
    lr = each.pop("lr", {index: Constant(base) for index, base in enumerate(bases)})
    if data.get("relative"):
        lr = {index: bases[index] * schedule for index, schedule in lr.items()}

    def whole(given: dict[int, Schedule]) -> Schedule | dict[int, Schedule]:
        return _merged(list(given.values())) if len(given) == len(bases) else given

    feedback = data.get("feedback")
    rule: Any = _sound(lambda: parse(feedback["rule"])) if feedback else None
    heard = rule.read(feedback["state"]) if feedback else None
    return Reading(whole(lr), update, {name: whole(given) for name, given in each.items()}, rule, heard)


def _sound(read: Callable[[], Any]) -> Any:
    """What reading a state gives; what other Python errors it raises says that the state is damaged."""
    try:
        return read()
    except LearnrateError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise StateError(f"the state of this scheduler is damaged: {type(error).__name__}: {error}") from None


def _described(entry: Mapping[str, Any], sample: bool) -> Schedule:
    """A schedule as a state describes it: text, or values where no text says it."""
    if "values" not in entry:
        return _parsed(entry["text"])
    if sample:
        return Interpolation(entry["times"], entry["values"])
    raise UsageError(
        f"the state holds values of {shorten(entry['text'], 200)}, which no text rebuilds; "
        "sample=True takes those values as Interpolation points"
    )


# -- sampling, and what does not agree


def _sampled(scheduler: Any, updates: int, notes: tuple[Finding, ...]) -> Reading:
    """The rates of some updates, from a copy of the scheduler on a stand-in for its optimizer."""
    updates = sample_size(updates)
    reached = int(getattr(scheduler, "last_epoch", 0) or 0)
    if hasattr(scheduler, "num_bad_epochs"):
        raise UsageError("ReduceLROnPlateau listens to a metric: there is nothing to sample; read it without sample=")
    functions = getattr(scheduler, "lr_lambdas", None)
    start = 0
    if functions is not None and _class_name(scheduler) == "LambdaLR":
        bases = [float(base) for base in scheduler.base_lrs]
        made = [copy.deepcopy(function) for function in functions]
        curves = [[base * float(f(t)) for t in range(updates)] for base, f in zip(bases, made, strict=True)]
    else:
        start, curves = reached, _replayed(scheduler, updates)
        if reached:
            advice = "What came before cannot be asked again: the first sampled rate is held there."
            notes += (Finding("sampled from here on", "note", {"update": reached}, advice),)
    knots = range(start, start + updates)
    each: list[Schedule] = [Interpolation(knots, curve) for curve in curves]
    advice = "After the last sampled update its rate is held."
    return Reading(_merged(each), reached, notes=(*notes, Finding("sampled", "note", {"updates": updates}, advice)))


class _Standin:
    """An optimizer without parameters: what a scheduler reads and writes."""

    _opt_called = True

    def __init__(self, optimizer: Any) -> None:
        self.defaults = dict(optimizer.defaults)
        self.param_groups = [
            {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
            for group in optimizer.param_groups
        ]

    def step(self) -> None:
        """Nothing to update; torch looks at the mark below to see in which order it is called."""

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]


def _replayed(scheduler: Any, updates: int) -> list[list[float]]:
    standin = _Standin(scheduler.optimizer)
    known: dict[int, Any] = {}
    optimizer = scheduler.optimizer
    while optimizer is not None:  # Accelerate wraps it
        known[id(optimizer)] = standin
        optimizer = getattr(optimizer, "optimizer", None)
    twin = copy.deepcopy(scheduler, known)
    rows = [[float(group["lr"]) for group in standin.param_groups]]
    for _ in range(updates - 1):
        twin.step()
        rows.append([float(group["lr"]) for group in standin.param_groups])
    return [list(column) for column in zip(*rows, strict=True)]


_CAUSES = (
    "either the rate was written by hand or by another scheduler, or the scheduler was resumed with last_epoch=N and "
    "without its state, or its attributes were changed after it was made"
)


def _slack(rate: Any) -> float:
    return 1e-5 if hasattr(rate, "dtype") else 1e-9


def _disagreements(saved: _Saved, reading: Reading) -> Iterator[Finding]:
    """Groups whose rate is not what the schedule says at this update."""
    position = _position(saved)
    for index, group in enumerate(saved.groups[: len(saved.bases)]):
        given = reading.schedule
        schedule = given if isinstance(given, Schedule) else given.get(index)
        if schedule is None or _unrecorded(schedule, position):
            continue
        present, expected = float(group["lr"]), schedule(position)
        scale = max(abs(schedule(0)), abs(expected), abs(present))
        if abs(present - expected) > _slack(group["lr"]) * scale:
            evidence = {"group": index, "update": position, "rate": present, "schedule": expected}
            advice = (
                f"The optimizer has {present:.6g}, the schedule says {expected:.6g}: {_CAUSES}. Most of torch's "
                "schedulers go on from the optimizer's rate rather than heal."
            )
            yield Finding("the rate is not the schedule's", "warning", evidence, advice)


def _unrecorded(schedule: Any, update: float) -> bool:
    """Whether what was recorded ends before this update."""
    return _open(schedule) and update >= len(schedule.recording.rates)


__all__ = ["MARKS", "is_ours", "is_state", "read_mapping", "read_object"]
