"""The table, the noise and the verdict, as one value."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from ..policy import Policy
from ..runs import Mode
from .wording import verdict

Outcome = Literal["converged", "idle", "unfinished", "diverged", "failed"]
Scale = Literal["ratio", "difference"]


@dataclasses.dataclass(frozen=True)
class Difference:
    """A policy minus the best one, over the seeds that both have, in the unit of the objective.

    The interval is taken at the level at which Holm's procedure tested this policy, so it leaves out zero exactly when
    the policy is told apart; `p` is corrected for the number of comparisons. Both are None without an estimate of the
    noise (one seed). `base` is the mean of the best over the same seeds, what a percentage refers to.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    base: float
    seeds: tuple[int, ...]

    def percent(self, value: float) -> float | None:
        """A difference in percent of the best; None when the best is not positive."""
        return 100 * value / self.base if self.base > 0 else None


@dataclasses.dataclass(frozen=True)
class Row:
    """One policy of the table.

    `mean` and its interval (Student's t on this policy's own seeds) are None unless every one of its runs converged:
    the mean of the survivors would flatter it. `outcome` is "idle" for a policy whose feedback rule changed nothing, so
    that it is another policy of the table under a second name. `seconds` is the median time of a run, without those
    that were the first in their process as long as there are others.
    """

    name: str
    policy: Policy | None
    outcome: Outcome
    seeds: tuple[int, ...]
    objectives: tuple[float | None, ...]
    mean: float | None
    low: float | None
    high: float | None
    seconds: float
    note: str = ""
    difference: Difference | None = None
    tied: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data; the policy as the expression that rebuilds it."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        difference = dataclasses.asdict(self.difference) if self.difference else None
        plain: dict[str, Any] = _plain(data | {"policy": repr(self.policy), "difference": difference})
        return plain


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The answer: rows from best to worst, the noise, and a verdict in words.

    `noise` is the residual standard deviation of one run, pooled over the policies that converged, and `degrees` its
    degrees of freedom (None and 0 with one seed). It is a fraction of the objective on the scale "ratio" (the standard
    deviation of its logarithm), and in the unit of the objective on the scale "difference".
    """

    rows: tuple[Row, ...]
    task: str
    objective: str
    mode: Mode
    level: float
    scale: Scale
    noise: float | None
    degrees: int

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed that some run used."""
        return tuple(sorted({seed for row in self.rows for seed in row.seeds}))

    @property
    def converged(self) -> tuple[Row, ...]:
        """The policies of which every run converged, from best to worst."""
        return tuple(row for row in self.rows if row.outcome == "converged")

    @property
    def best(self) -> Row | None:
        """The policy with the best mean, or None when none converged."""
        return self.converged[0] if self.converged else None

    @property
    def group(self) -> tuple[Row, ...]:
        """The best policy and all that cannot be told apart from it."""
        return tuple(row for row in self.rows if row.tied)

    @property
    def winner(self) -> Row | None:
        """The one policy shown to be better than every other that converged, or None when nobody can say so."""
        proven = self.noise is not None and len(self.converged) > 1 and len(self.group) == 1
        return self.best if proven else None

    @property
    def verdict(self) -> str:
        """The winner, or the group that cannot be told apart, by how much and how sure, in a sentence or two."""
        return verdict(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data: numbers, strings, lists and dicts; a number that does not exist is None."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        derived = {
            "verdict": self.verdict,
            "winner": self.winner.name if self.winner else None,
            "group": [row.name for row in self.group],
            "seeds": list(self.seeds),
        }
        plain: dict[str, Any] = _plain(derived | data | {"rows": [row.to_json() for row in self.rows]})
        return plain


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
