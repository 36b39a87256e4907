"""The page "library x shape x convention": every name of `learnrate.interop`, and the same schedule as each spells it.

Nothing is typed twice: the words come from the classes, the numbers from calling them.
"""

from __future__ import annotations

import numpy as np

from learnrate import interop, parse
from learnrate.interop import conventions
from learnrate.interop.dialect import DIALECTS, LISTENERS, Dialect
from learnrate.spec import signature
from reference import escaped, head, page, sentence, table

WORDS = {
    "shape": conventions.SHAPE,
    "warmup": conventions.WARMUP,
    "boundary": conventions.BOUNDARY,
    "horizon": conventions.HORIZON,
    "floor": conventions.FLOOR,
    "past the end": conventions.PAST,
}

SAME: dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {
    "Warmup of 4 updates to a peak of 1": (
        "What updates 0, 1, 2, ... use. Where the library needs a total, it is 12.",
        (0, 1, 2, 3, 4, 5),
        (
            "transformers.get_scheduler('linear', num_warmup_steps=4, num_training_steps=12)",
            (
                "transformers.get_scheduler('cosine_warmup_with_min_lr', num_warmup_steps=4, num_training_steps=12, "
                "scheduler_specific_kwargs={'min_lr': 0.0})"
            ),
            "torch.LinearLR(0.25, total_iters=4)",
            "optax.warmup_cosine_decay_schedule(0.0, 1.0, 4, 12)",
            "keras.CosineDecay(0.0, 12, warmup_target=1.0, warmup_steps=4)",
            "timm.CosineLRScheduler(12, warmup_t=4)",
            "timm.CosineLRScheduler(12, warmup_t=4, warmup_prefix=True)",
            "paddle.LinearWarmup(1.0, 4, 0.0, 1.0)",
            "mmengine.LinearLR(0.25, by_epoch=False, end=4)",
            "deepspeed.WarmupLR(0.0, 1.0, 4, 'linear')",
            "deepspeed.WarmupLR(0.0, 1.0, 4)",
            "torchtitan.LRScheduler(12, warmup_steps=4)",
            "nemo.CosineAnnealing(max_steps=12, warmup_steps=4)",
            "olmo.HalfCosWithWarmup(warmup=4, max_steps=12)",
        ),
    ),
    "A cosine from 1 to 0.1 over 10 updates": (
        "The end is update 10; what comes after it differs most.",
        (0, 5, 9, 10, 11, 15, 20),
        (
            "torch.CosineAnnealingLR(10, 0.1)",
            "paddle.CosineAnnealingDecay(1.0, 10, 0.1)",
            (
                "transformers.get_scheduler('cosine_with_min_lr', num_warmup_steps=0, num_training_steps=10, "
                "scheduler_specific_kwargs={'min_lr_rate': 0.1})"
            ),
            "optax.cosine_decay_schedule(1.0, 10, 0.1)",
            "keras.CosineDecay(1.0, 10, 0.1)",
            "timm.CosineLRScheduler(10, 0.1)",
            "mmengine.CosineAnnealingLR(10, eta_min=0.1, by_epoch=False, end=10)",
            (
                "deepspeed.WarmupCosineLR(10, warmup_min_ratio=0.0, warmup_num_steps=2, cos_min_ratio=0.1, "
                "warmup_type='linear')"
            ),
        ),
    ),
    "Divided by 10 at update 4": (
        "On which side of the boundary the update 4 lies.",
        (2, 3, 4, 5),
        (
            "torch.MultiStepLR([4])",
            "paddle.MultiStepDecay(1.0, [4])",
            "optax.piecewise_constant_schedule(1.0, {4: 0.1})",
            "timm.MultiStepLRScheduler([4], decay_rate=0.1)",
            "keras.PiecewiseConstantDecay([4], [1.0, 0.1])",
        ),
    ),
    "Cosine restarts, 4 updates and then twice as many": (
        "At updates 4 and 12 a new cycle begins.",
        (3, 4, 5, 11, 12, 13),
        (
            "torch.CosineAnnealingWarmRestarts(4, 2)",
            "paddle.CosineAnnealingWarmRestarts(1.0, 4, 2)",
            "keras.CosineDecayRestarts(1.0, 4, 2.0, 0.5, 0.1)",
            "timm.CosineLRScheduler(4, cycle_mul=2.0)",
            "timm.CosineLRScheduler(4, cycle_mul=2.0, cycle_limit=5)",
            (
                "transformers.get_scheduler('cosine_with_restarts', num_warmup_steps=0, num_training_steps=12, "
                "scheduler_specific_kwargs={'num_cycles': 3})"
            ),
        ),
    ),
    "One cycle of 10 updates to a peak of 1": (
        "The rise takes 30 % of the run.",
        (0, 1, 2, 3, 9, 10),
        (
            "torch.OneCycleLR(1.0, 10)",
            "paddle.OneCycleLR(1.0, 10, end_learning_rate=4e-6)",
            "optax.cosine_onecycle_schedule(10, 1.0, 0.3)",
            "optax.linear_onecycle_schedule(10, 1.0, 0.3)",
        ),
    ),
}
"""Title -> what to look at, at which updates, and the call of each library."""


def libraries_page() -> str:
    """Every library: its names with their conventions; then the same schedule side by side."""
    intro = (
        "Every name below is `learnrate.interop.<library>.<Name>`, takes the library's own arguments, and gives the "
        "rate that update 0, 1, 2, ... uses in that library's documented loop. In text it is written "
        "`timm:CosineLRScheduler(t_initial=12)`. Where a library scales the rate of the optimizer, that rate is `lr`. "
        "Composer's and OLMo-core's own trainers call their schedulers one update late and one update early: a name "
        "gives what its class says for update t, `trainer=True` and `first_step=1` give what those trainers use."
    )
    parts = [head("Other libraries"), intro, "## The words", *(_words(name) for name in WORDS)]
    parts += ["## The same schedule is not the same", *(_side_by_side(title) for title in SAME)]
    return page([*parts, "## The names", *(_library(name) for name in interop.LIBRARIES)])


def _words(name: str) -> str:
    rows = [(f"`{word}`", meaning) for word, meaning in WORDS[name].items() if word]
    return f"**{name}**\n\n{table(('word', 'what it means'), rows)}"


def _side_by_side(title: str) -> str:
    about, updates, calls = SAME[title]
    rows = []
    for call in calls:
        values = parse(call)(np.array(updates))
        rows.append((f"`{escaped(call)}`", *(f"{value:.4g}" for value in values)))
    return f"### {title}\n\n{about}\n\n{table(('call', *map(str, updates)), rows)}"


def _library(library: str) -> str:
    rows, listeners = [], []
    for name in interop.names(library):
        full = f"{library}.{name}"
        if full in DIALECTS:
            rows.append(_row(DIALECTS[full]))
        elif full in LISTENERS:
            listeners.append(f"`{name}`")
    listed = table(("name", *WORDS), rows)
    heard = f"\n\nListens to a metric, and returns a feedback rule: {', '.join(listeners)}." if listeners else ""
    described = "\n".join(f"- `{signature(cls)}`: {sentence(cls)}" for cls in _classes(library))
    return f"### {library}\n\n{listed}{heard}\n\n{described}"


def _classes(library: str) -> list[type[Dialect]]:
    return [DIALECTS[f"{library}.{name}"] for name in interop.names(library) if f"{library}.{name}" in DIALECTS]


def _row(cls: type[Dialect]) -> tuple[str, ...]:
    row = cls.conventions
    return (
        f"`{cls.__name__}`",
        *(f"`{escaped(word)}`" if word else "" for word in row),
    )
