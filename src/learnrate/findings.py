"""A finding: one thing read off values, with the numbers that prove it and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .errors import ParameterError
from .spec import shorten

SEVERITIES = ("error", "warning", "note")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing read off values.

    `severity` is "error" (the run is or will be wrong), "warning" (probably not what was meant) or "note" (worth
    knowing). `evidence` holds the numbers that prove it; `advice` is one sentence.

    >>> print(Finding("negative rate", "error", {"update": 11, "rate": -0.1}, "End the schedule at 0."))
    error: negative rate (update 11, rate -0.1). End the schedule at 0.
    """

    name: str
    severity: str
    evidence: Mapping[str, float]
    advice: str

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            known = ", ".join(SEVERITIES)
            raise ParameterError(f"Finding.severity must be one of {known}, got {shorten(self.severity)}")
        object.__setattr__(self, "evidence", dict(self.evidence))

    def __hash__(self) -> int:
        return hash((self.name, self.severity, self.advice))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Finding):
            return NotImplemented
        same = (self.name, self.severity, self.advice) == (other.name, other.severity, other.advice)
        return same and _same_numbers(self.evidence, other.evidence)

    def __str__(self) -> str:
        numbers = ", ".join(f"{key} {value:g}" for key, value in self.evidence.items())
        return f"{self.severity}: {self.name}{f' ({numbers})' if numbers else ''}. {self.advice}"

    def to_json(self) -> dict[str, Any]:
        """Plain data; non-finite numbers as strings."""
        evidence = {key: value if value - value == 0 else str(value) for key, value in self.evidence.items()}
        return {"name": self.name, "severity": self.severity, "evidence": evidence, "advice": self.advice}


def _same_numbers(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Equal, where NaN equals NaN."""
    return a.keys() == b.keys() and all(a[key] == b[key] or (a[key] != a[key] and b[key] != b[key]) for key in a)
