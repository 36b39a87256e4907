"""From a policy to a torch optimizer and its scheduler."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from ..errors import ParameterError, UnboundError, UnknownName, UsageError
from ..policy import Policy
from ..schedule import Schedule
from ..spec import shorten, unknown
from .scheduler import Scheduler, attach
from .settings import BETAS

Parameters = torch.nn.Module | Iterable[Any]

_NOT_SETTINGS = ("self", "params", "lr", "betas")


def build(policy: Policy, model_or_params: Parameters) -> tuple[Optimizer, Scheduler]:
    """The optimizer that a policy names, with its schedules attached.

    Every optimizer class of `torch.optim` is known by its usual name ("adamw", "sgd", "lbfgs", ...). Numbers, bools
    and text in `policy.settings` go to its constructor (`beta1` and `beta2` into `betas`); schedules are attached.
    `policy.groups` multiplies the rate of named groups. What names mean depends on what is given:

    - a model, or its `named_parameters()`: a name is the beginning of parameter names up to a dot ("encoder" means
      "encoder.0.weight"), or a pattern ("*.bias"); the longest name that fits wins. Parameters that need no gradient
      are left out.
    - parameter groups: the `"name"` of a group. A rate of its own (`"lr"`) is overwritten by the policy.

    Raises `UnknownName` for an optimizer, a setting or a group that does not exist, `UnboundError` while a schedule has
    no length, and `ParameterError` with torch's own words for values that the optimizer refuses.

    >>> from learnrate.policy import Policy
    >>> from learnrate.schedules import Linear
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    >>> policy = Policy("adamw", Linear(0.1, 0.0, 10), settings={"beta2": 0.95}, groups={"1": 0.5})
    >>> optimizer, scheduler = build(policy, model)
    >>> [(group["lr"], group["betas"]) for group in optimizer.param_groups]
    [(0.1, (0.9, 0.95)), (0.05, (0.9, 0.95))]
    """
    require_policy(policy, "build(policy, model)")
    unbound = [name for name, schedule in policy.schedules.items() if not schedule.bound]
    if unbound:
        raise UnboundError(f"{' and '.join(unbound)} of the policy have no length yet; bind it: policy.over(updates)")
    cls = optimizer_class(policy.optimizer)
    groups, multipliers = _grouped(policy.groups, model_or_params)
    start = policy.lr(0)
    for group, multiplier in zip(groups, multipliers, strict=True):
        group["lr"] = multiplier * start
    settings = constructor_settings(cls, policy)
    try:
        optimizer = cls(groups, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        hint = "; give build the matrices alone" if "2D" in str(error) else ""
        raise ParameterError(f"torch.optim.{cls.__name__} refuses this policy: {error}{hint}") from error
    others: Any = {name: schedule for name, schedule in policy.schedules.items() if name != "lr"}
    rates = [policy.lr if multiplier == 1 else multiplier * policy.lr for multiplier in multipliers]
    given: Any = dict(enumerate(rates)) if policy.groups else policy.lr
    return optimizer, attach(optimizer, lr=given, feedback=policy.feedback, **others)


def require_policy(given: Any, call: str) -> None:
    """Say what is wrong when something else stands where a policy belongs."""
    if isinstance(given, Policy):
        return
    if isinstance(given, Schedule):
        fix = f"a schedule becomes one with an optimizer's name: Policy('adamw', {shorten(given)})"
    else:
        fix = f"the policy comes first: {call}"
    raise UsageError(f"{call} needs a Policy, got {shorten(given)}; {fix}")


def optimizer_classes() -> dict[str, type[Optimizer]]:
    """Every optimizer that `torch.optim` has, by its usual name."""
    found = [entry for entry in vars(torch.optim).values() if isinstance(entry, type) and issubclass(entry, Optimizer)]
    return {entry.__name__.lower(): entry for entry in found if entry is not Optimizer}


def optimizer_class(name: str) -> type[Optimizer]:
    """The class of that name; capitals and underscores do not matter."""
    classes = optimizer_classes()
    plain = name.lower().replace("_", "")
    if plain not in classes:
        raise UnknownName(unknown("optimizer of torch.optim", name, list(classes)))
    return classes[plain]


def constructor_settings(cls: type[Optimizer], policy: Policy) -> dict[str, Any]:
    """What the constructor is given: plain settings, the value at update 0 of scheduled ones, and `betas` as a pair."""
    parameters = inspect.signature(cls).parameters
    pair = parameters["betas"].default if "betas" in parameters else ()
    defaults = {name: parameter.default for name, parameter in parameters.items() if name not in _NOT_SETTINGS}
    defaults |= dict(zip(BETAS, pair, strict=False))
    settings: dict[str, Any] = {}
    for name, setting in policy.settings.items():
        if name not in defaults:
            raise UnknownName(unknown(f"setting of {cls.__name__}", name, list(defaults)))
        settings[name] = _start(cls, name, setting, defaults)
    if any(name in settings for name in BETAS):
        settings["betas"] = tuple(settings.pop(name, defaults[name]) for name in BETAS)
    return settings


def _start(cls: type[Optimizer], name: str, setting: Any, defaults: Mapping[str, Any]) -> Any:
    """A setting as given, or a schedule's value at update 0: an int where the optimizer counts with one."""
    default, place = defaults[name], f"{name} of {cls.__name__}"
    if isinstance(setting, bool) and _is_number(default):
        raise ParameterError(f"{place} must be a number or a schedule, got {setting}")
    if not isinstance(setting, Schedule):
        return setting
    if not _is_number(default):
        known = ", ".join(["lr", *sorted(key for key, held in defaults.items() if _is_number(held))])
        raise ParameterError(f"{place} is not a number (its default is {default!r}); what can be scheduled: {known}")
    value: float = setting(0)
    return int(value) if type(default) is int and value == int(value) else value


def _is_number(default: Any) -> bool:
    return isinstance(default, (int, float)) and not isinstance(default, bool)


def _grouped(wanted: Mapping[str, float], given: Parameters) -> tuple[list[dict[str, Any]], list[float]]:
    """Parameter groups, and what multiplies the rate of each."""
    if isinstance(given, torch.nn.Module):
        given = given.named_parameters()
    elif isinstance(given, torch.Tensor) or not isinstance(given, Iterable):
        raise UsageError(f"build needs a model, its parameters or parameter groups, got {shorten(given)}")
    entries = list(given)
    if not entries:
        raise UsageError("there is nothing to optimize: the model or the list of parameters is empty")
    if all(isinstance(entry, dict) for entry in entries):
        return _of_groups(wanted, [dict(entry) for entry in entries])
    if all(isinstance(entry, tuple) and len(entry) == 2 for entry in entries):
        return _of_names(wanted, entries)
    if not all(isinstance(entry, torch.Tensor) for entry in entries):
        raise UsageError(f"build needs a model, its parameters or parameter groups, got {shorten(entries)}")
    if wanted:
        raise UsageError("Policy.groups needs names: give build the model, or parameter groups with a 'name'")
    return [{"params": entries}], [1.0]


def _of_groups(wanted: Mapping[str, float], groups: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    names = [group.get("name") for group in groups]
    for name in wanted:
        if name not in names:
            raise UnknownName(unknown("parameter group", name, [str(known) for known in names if known is not None]))
    return groups, [wanted.get(str(name), 1.0) for name in names]


def _of_names(
    wanted: Mapping[str, float], named: list[tuple[str, torch.Tensor]]
) -> tuple[list[dict[str, Any]], list[float]]:
    """One group per wanted name that speaks for a parameter, after one for all the rest."""
    learned = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not learned:
        raise UsageError("there is nothing to optimize: no parameter needs a gradient")
    members: dict[str | None, list[torch.Tensor]] = {None: []} | {key: [] for key in wanted}
    for name, parameter in learned:
        fitting = [key for key in wanted if _means(key, name)]
        members[max(fitting, key=len, default=None)].append(parameter)
    for key in wanted:
        if not members[key]:
            raise UnknownName(unknown("group of parameters", key, sorted({name for name, _ in learned})))
    present = {key: parameters for key, parameters in members.items() if parameters}
    groups: list[dict[str, Any]] = [
        {"params": parameters} if not wanted else {"params": parameters, "name": key or "rest"}
        for key, parameters in present.items()
    ]
    return groups, [wanted[key] if key is not None else 1.0 for key in present]


def _means(key: str, name: str) -> bool:
    return name == key or name.startswith(f"{key}.") or fnmatch.fnmatchcase(name, key)
