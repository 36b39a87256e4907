"""Whether runs of one seed start alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..findings import Finding
from ..trace import Trace

_SAME_LOSS = 1e-5  # the same sum in another order, in float32


def check_pairing(traces: Iterable[Trace]) -> Finding | None:
    """Whether runs of one task and seed start from the same loss, whatever the policy; the finding when they do not.

    The first loss is measured before the first update, so no policy has acted on it. When it differs, the task draws
    its weights or batches from something besides the seed, and paired comparisons mean nothing.
    """
    first: dict[tuple[Any, int], tuple[float, float]] = {}
    for trace in traces:
        if not len(trace) or trace.update[0] != 0 or not math.isfinite(trace.loss[0]):
            continue
        key, loss = (trace.meta.get("task"), trace.seed), float(trace.loss[0])
        low, high = first.get(key, (loss, loss))
        first[key] = low, high = min(low, loss), max(high, loss)
        if not math.isclose(low, high, rel_tol=_SAME_LOSS):
            evidence = {"seed": trace.seed, "lowest first loss": low, "highest first loss": high}
            advice = "Draw initial weights, batch order and noise from the seed alone."
            return Finding("task ignores its seed", "error", evidence, advice)
    return None
