"""A policy as source to paste: for torch, Keras, optax, and the Trainer of Transformers.

Schedules are what `learnrate.interop.write` prints: the library's own where it has one, else the printed formula. The
optimizer is written with every setting whose default is not the same as torch's. What a library cannot say is not left
out in silence: a comment names it.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any

from ..errors import LearnrateError
from ..interop import write
from ..policy import Policy
from ..schedule import Schedule
from ..spec import FrozenDict

LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "optax": "optax", "transformers": "Transformers"}
"""What `recipes` writes for, and how people call it."""

_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class _Words:
    """How a library calls an optimizer and its settings; `torch` has the values that torch assumes, where others do
    not assume the same."""

    name: str
    settings: Mapping[str, str]
    torch: Mapping[str, Any] = FrozenDict()


_MOMENTUM = {"momentum": "momentum", "nesterov": "nesterov"}
_KERAS_BETAS = {"beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon", "amsgrad": "amsgrad"}
_OPTAX_BETAS = {"beta1": "b1", "beta2": "b2", "eps": "eps"}
_DECAY = {"weight_decay": "weight_decay"}
_WORDS = {
    "keras": {
        "sgd": _Words("SGD", _MOMENTUM),
        "adam": _Words("Adam", _KERAS_BETAS, {"eps": 1e-8}),
        "adamw": _Words("AdamW", _KERAS_BETAS | _DECAY, {"eps": 1e-8, "weight_decay": 0.01}),
    },
    "optax": {
        "sgd": _Words("sgd", _MOMENTUM),
        "adam": _Words("adam", _OPTAX_BETAS),
        "adamw": _Words("adamw", _OPTAX_BETAS | _DECAY, {"weight_decay": 0.01}),
    },
}
_TORCH = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
_SILENT = ("foreach", "fused", "capturable", "differentiable")  # how torch computes, not what


def recipes(policy: Policy, updates: int) -> dict[str, str]:
    """Source for each of `LIBRARIES` that trains with this policy, bound to a run of so many updates.

    Each is complete: it can be pasted into an empty file. "torch" has `build(params)`, "keras" and "optax" an
    `optimizer`, "transformers" the function `optimizers(model)`, whose result is for `Trainer(optimizers=...)`. What a
    library cannot say is a comment at the top; a policy that cannot be printed at all, such as one with a function of
    your own, is a comment with the reason.

    >>> from learnrate import Cosine
    >>> print(recipes(Policy("adamw", Cosine(0.001, 0.0, 100)), 100)["optax"])
    # optax.cosine_decay_schedule, exact for the 100 updates of the run
    import optax
    <BLANKLINE>
    schedule = optax.schedules.cosine_decay_schedule(init_value=0.001, decay_steps=100)
    optimizer = optax.adamw(learning_rate=schedule, weight_decay=0.01)
    <BLANKLINE>
    """
    makers = {"torch": _torch, "keras": _keras, "optax": _optax, "transformers": _transformers}
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = makers[library](policy, updates)
        except LearnrateError as reason:
            found[library] = _comment(f"{reason}", repr(policy))
    return found


def _torch(policy: Policy, updates: int) -> str:
    return policy.code("torch")


def _keras(policy: Policy, updates: int) -> str:
    words = _WORDS["keras"].get(policy.optimizer)
    scheduled = [name for name in policy.schedules if name != "lr"]
    notes = _unsaid(policy, words, scheduled) + _keras_notes(policy, updates)
    head = _comment(*notes) + write(policy.lr, to="keras", code=True, updates=updates).rstrip("\n")
    if words is None:
        return f"{head}\n"
    plain = {name: value for name, value in policy.settings.items() if name not in scheduled}
    return f"{head}\noptimizer = keras.optimizers.{words.name}(learning_rate=schedule{_given(words, plain)})\n"


def _keras_notes(policy: Policy, updates: int) -> list[str]:
    """Where Keras's optimizer of the same name is not quite the same."""
    notes = []
    decay = policy.settings.get("weight_decay", 0.0)
    if policy.optimizer in ("sgd", "adam") and isinstance(decay, (int, float)) and decay:
        l2 = f"keras.regularizers.L2({decay / 2:g})"
        notes.append(f"weight_decay={decay:g} of {policy.optimizer} is part of the gradient: give every layer {l2}")
    changes = len({policy.lr.peak, policy.lr(0), policy.lr(updates)}) > 1
    if policy.optimizer == "sgd" and policy.settings.get("momentum") and changes:
        notes.append("Keras keeps past rates in its momentum, so it follows a changing rate a little later than torch")
    return notes


def _optax(policy: Policy, updates: int) -> str:
    words = _WORDS["optax"].get(policy.optimizer)
    bridged = {name for name in policy.schedules if name != "lr"}
    imports = "import learnrate as lr\n" if words is not None and bridged else ""
    head = write(policy.lr, to="optax", code=True, updates=updates).rstrip("\n")
    head = _comment(*_unsaid(policy, words, [])) + head.replace("import optax\n", f"{imports}import optax\n", 1)
    if words is None:
        return f"{head}\n"
    settings = {name: _bridged(value) for name, value in policy.settings.items()}
    made = f"{_injected(f'optax.{words.name}', bridged & {*words.settings})}"
    made += f"(learning_rate=schedule{_given(words, settings)})"
    if "weight_decay" not in words.settings and policy.settings.get("weight_decay", 0.0) != 0:
        decay = _injected("optax.add_decayed_weights", bridged & {"weight_decay"})
        made = f"optax.chain({decay}({settings['weight_decay']!r}), {made})"
    return f"{head}\noptimizer = {made}\n"


def _injected(function: str, scheduled: set[str]) -> str:
    """What lets optax schedule arguments besides the rate."""
    return f"optax.inject_hyperparams({function})" if scheduled else function


def _transformers(policy: Policy, updates: int) -> str:
    call = f"Trainer(model, TrainingArguments(max_steps={updates}, ...), optimizers=optimizers(model))"
    more = len(policy.schedules) > 1 or policy.groups or policy.feedback is not None
    if more or policy.optimizer not in _TORCH:
        lines = [
            "import learnrate as lr",
            "",
            f"policy = lr.parse({repr(policy)!r})",
            "",
            "",
            "def optimizers(model):",
            f'    """{call}"""',
            "    return lr.torch.build(policy, model)",
        ]
        listens = "the feedback rule hears of evaluations through callbacks=[lr.transformers.MetricCallback(metric)]"
        return _comment(*[listens] * (policy.feedback is not None)) + "\n".join(lines) + "\n"
    head = write(policy.lr, to="transformers", code=True, updates=updates).rstrip("\n")
    if "import torch\n" not in head:
        head = head.replace("from transformers", "import torch\nfrom transformers", 1)
    settings: dict[str, Any] = dict(policy.settings)
    betas = settings.pop("beta1", 0.9), settings.pop("beta2", 0.999)
    settings |= {} if betas == (0.9, 0.999) else {"betas": betas}
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    lines = [
        "def optimizers(model):",
        f'    """{call}"""',
        f"    optimizer = torch.optim.{_TORCH[policy.optimizer]}(model.parameters(), lr={policy.lr.peak!r}{given})",
        "    return optimizer, scheduler(optimizer)",
    ]
    return f"{head}\n\n\n" + "\n".join(lines) + "\n"


class _Source(str):
    """Text that stands in the source as it is."""

    def __repr__(self) -> str:
        return str(self)


def _bridged(value: Any) -> Any:
    """A scheduled setting, read back from its text by this library's own bridge."""
    return _Source(f"lr.jax.schedule(lr.parse({repr(value)!r}))") if isinstance(value, Schedule) else value


def _given(words: _Words, settings: Mapping[str, Any]) -> str:
    """The settings as arguments, in the library's words."""
    values = {**words.torch, **settings}
    said = {words.settings[name]: values[name] for name in words.settings if name in values}
    return "".join(f", {name}={value!r}" for name, value in said.items())


def _unsaid(policy: Policy, words: _Words | None, scheduled: list[str]) -> list[str]:
    """What the source below does not say of the policy."""
    if words is None:
        return [f"only the rate is written here; the policy is {policy!r}"]
    notes = [f"{name} is a schedule, which cannot be given here: {policy.settings[name]!r}" for name in scheduled]
    known = {*words.settings, *scheduled, *_SILENT, "weight_decay"}
    left = [f"{name}={value!r}" for name, value in policy.settings.items() if name not in known and value]
    notes += [f"not written here: {', '.join(left)}"] if left else []
    if policy.groups:
        rates = ", ".join(f"{name} times {value:g}" for name, value in policy.groups.items())
        notes.append(f"groups of parameters have rates of their own: {rates}")
    return notes + ([f"a rule listens to a metric: {policy.feedback!r}"] if policy.feedback is not None else [])


def _comment(*notes: str) -> str:
    wrapped = [line for note in notes for line in textwrap.wrap(note, _WIDTH, break_long_words=False)]
    return "".join(f"# {line}\n" for line in wrapped)
