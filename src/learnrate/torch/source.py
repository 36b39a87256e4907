"""A policy as source code that needs torch alone."""

from __future__ import annotations

import re

from .. import formula
from ..errors import FormulaError, UnboundError
from ..feedback import Plateau, Rule
from ..policy import Policy
from ..schedule import Schedule
from ..spec import shorten
from .building import constructor_settings, optimizer_class, require_policy
from .settings import BETAS


def code(policy: Policy) -> str:
    """Source to paste: the schedules as plain functions, and `build(params)` that makes optimizer and scheduler.

    It needs torch and the standard library, not this library, and gives the same rates. A schedule that cannot be
    printed (a user's own function), and a rule that torch does not have, are a `FormulaError`.

    >>> from learnrate.schedules import Linear
    >>> print(code(Policy("sgd", Linear(0.1, 0.0, 10), settings={"momentum": 0.9})))
    import torch
    <BLANKLINE>
    <BLANKLINE>
    def lr(t):
        \"""Linear(0.1, updates=10)\"""
        u = (t if t < 10 else 10) / 10
        return 0.1 * (1 - u)
    <BLANKLINE>
    <BLANKLINE>
    def build(params):
        \"""Call scheduler.step() after every optimizer.step().\"""
        optimizer = torch.optim.SGD(params, lr=1.0, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lr)
    <BLANKLINE>
    """
    require_policy(policy, "code(policy)")
    if not policy.bound:
        raise UnboundError("the policy's schedules have no length yet; bind it: policy.over(updates)")
    imports, tables, functions = set[str](), list[str](), list[str]()
    for name, schedule in policy.schedules.items():
        imported, stored, function = _function(name, schedule)
        imports |= imported
        tables += stored
        functions.append(function)
    scheduled = [name for name in policy.schedules if name != "lr"]
    if scheduled or policy.feedback is not None:
        functions.append(_scheduler(scheduled, policy.feedback))
        made = "Scheduler(optimizer)" if policy.feedback is not None else "Scheduler(optimizer, lr)"
    else:
        made = "torch.optim.lr_scheduler.LambdaLR(optimizer, lr)"
    standard = "\n".join(sorted(imports))
    head = "\n\n".join(part for part in (standard, "import torch", "\n".join(tables)) if part)
    return "\n\n\n".join([head, *functions, _build(policy, made)]) + "\n"


def _function(name: str, schedule: Schedule) -> tuple[set[str], list[str], str]:
    """What a schedule's printed Python imports, the tables it needs, and the function itself."""
    text = formula.python(schedule._symbolic(), name=name, doc=shorten(schedule, 400))
    text = re.sub(r"\bTABLE(\d+)\b", rf"{name.upper()}_\1", text) if "TABLE" in text else text
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("def "))
    head = [line for line in lines[:start] if line]
    imports = {line for line in head if line.startswith("import ")}
    return imports, [line for line in head if line not in imports], "\n".join(lines[start:])


def _scheduler(scheduled: list[str], rule: Rule | None) -> str:
    """A LambdaLR that also writes the other settings, and that listens."""
    calls = "step() after every optimizer.step()" + (", observe(metric) after every evaluation" if rule else "")
    lines = ["class Scheduler(torch.optim.lr_scheduler.LambdaLR):", f'    """Call {calls}."""', ""]
    if rule is not None:
        lines += [
            "    def __init__(self, optimizer):",
            "        self.factor = torch.optim.SGD([torch.zeros(1)], lr=1.0)  # its rate is what lr is multiplied by",
            f"        self.plateau = {_plateau(rule)}",
            '        super().__init__(optimizer, lambda t: lr(t) * self.factor.param_groups[0]["lr"])',
            "",
            "    def observe(self, metric):",
            "        self.plateau.step(metric)",
            "        for group, base, rate in zip(self.optimizer.param_groups, self.base_lrs, self.lr_lambdas):",
            '            group["lr"] = base * rate(self.last_epoch)',
        ]
    if scheduled:
        lines += [""] * (rule is not None) + [
            "    def step(self, epoch=None):",
            "        super().step(epoch)",
            "        for group in self.optimizer.param_groups:",
            *(f"            {_assignment(name)}" for name in scheduled),
        ]
    return "\n".join(lines)


def _assignment(name: str) -> str:
    value = f"{name}(self.last_epoch)"
    if name not in BETAS:
        return f'group["{name}"] = {value}'
    pair = f'{value}, group["betas"][1]' if BETAS[name] == 0 else f'group["betas"][0], {value}'
    return f'group["betas"] = ({pair})'


def _plateau(rule: Rule) -> str:
    if not isinstance(rule, Plateau) or rule.convention != "torch" or rule.average > 1:
        raise FormulaError(f"{rule!r} cannot be printed with torch alone; Plateau(convention='torch') can")
    settings = {
        "mode": rule.mode,
        "factor": rule.factor,
        "patience": rule.patience,
        "threshold": rule.threshold,
        "threshold_mode": "rel" if rule.threshold_mode == "auto" else rule.threshold_mode,
        "cooldown": rule.cooldown,
        "min_lr": rule.floor,
        "eps": 1e-8 if rule.eps is None else rule.eps,
    }
    given = "".join(f"            {name}={value!r},\n" for name, value in settings.items())
    return f"torch.optim.lr_scheduler.ReduceLROnPlateau(\n            self.factor,\n{given}        )"


def _build(policy: Policy, made: str) -> str:
    cls = optimizer_class(policy.optimizer)
    settings = "".join(f", {name}={value!r}" for name, value in constructor_settings(cls, policy).items())
    call = "call scheduler.step() after every optimizer.step()"
    lines = ["def build(params):", f'    """{call[0].upper()}{call[1:]}."""']
    if policy.groups:
        lines = [
            "def build(groups):",
            f'    """`groups` is a list of {{"name": ..., "params": ...}}; {call}."""',
            f"    multipliers = {dict(policy.groups)!r}",
            '    params = [{**group, "lr": multipliers.get(group["name"], 1.0)} for group in groups]',
        ]
    lines += [
        f"    optimizer = torch.optim.{cls.__name__}(params, lr=1.0{settings})",
        f"    return optimizer, {made}",
    ]
    return "\n".join(lines)
