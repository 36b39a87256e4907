"""A finding: one thing read off values, with the numbers that prove it and what to do about it."""

from __future__ import annotations

import dataclasses
import numbers as abc_numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import NotationError, ParameterError
from .spec import FrozenDict, Number, shorten, spelled, unknown, unspelled

SEVERITIES = ("error", "warning", "note")


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """One thing read off values.

    `severity` is "error" (the run is or will be wrong), "warning" (probably not what was meant) or "note" (worth
    knowing). `evidence` holds the numbers that prove it, by name; `advice` is one sentence.

    It is a value: it cannot be changed, is equal by value (where NaN equals NaN), can be hashed, and goes to JSON and
    back without loss. Raises `ParameterError` for evidence that is not numbers, and for values of the wrong kind.

    >>> finding = Finding("negative rate", "error", {"update": 11, "rate": -0.1}, "End the schedule at 0.")
    >>> print(finding)
    error: negative rate (update 11, rate -0.1). End the schedule at 0.
    >>> Finding.from_json(finding.to_json()) == finding
    True
    """

    name: str
    severity: str
    evidence: Mapping[str, float]
    advice: str

    def __post_init__(self) -> None:
        for field in ("name", "advice"):
            if not isinstance(getattr(self, field), str):
                raise ParameterError(f"Finding.{field} must be text, got {shorten(getattr(self, field))}")
        if self.severity not in SEVERITIES:
            known = ", ".join(SEVERITIES)
            raise ParameterError(f"Finding.severity must be one of {known}, got {shorten(self.severity)}")
        if not isinstance(self.evidence, Mapping):
            raise ParameterError(f"Finding.evidence must map names to numbers, got {shorten(self.evidence)}")
        read = {name: _evidence(name, value) for name, value in self.evidence.items()}
        object.__setattr__(self, "evidence", FrozenDict(read))

    @property
    def _key(self) -> tuple[Any, ...]:
        """What counts: the numbers that are not finite as text, so that NaN equals NaN."""
        evidence = frozenset((name, spelled(value)) for name, value in self.evidence.items())
        return self.name, self.severity, evidence, self.advice

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Finding):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        numbers = ", ".join(f"{key} {value:g}" for key, value in self.evidence.items())
        return f"{self.severity}: {self.name}{f' ({numbers})' if numbers else ''}. {self.advice}"

    def to_json(self) -> dict[str, Any]:
        """Plain data, without loss; non-finite numbers as the strings "nan", "inf" and "-inf"."""
        evidence = {key: spelled(value) for key, value in self.evidence.items()}
        return {"name": self.name, "severity": self.severity, "evidence": evidence, "advice": self.advice}

    @classmethod
    def from_json(cls, data: object) -> Finding:
        """The finding that `to_json` made this plain data from; raises `NotationError` when it is something else."""
        if not isinstance(data, Mapping):
            raise NotationError(f"a finding must be a JSON object, got {shorten(data)}")
        for name in data:
            if name not in _FIELDS:
                raise NotationError(unknown("field of a finding", name, list(_FIELDS)))
        for name in _FIELDS:
            if name not in data:
                raise NotationError(f"a finding must have the field {name!r}")
        evidence = data["evidence"]
        if isinstance(evidence, Mapping):
            evidence = {name: unspelled(value) for name, value in evidence.items()}
        try:
            return cls(data["name"], data["severity"], evidence, data["advice"])
        except ParameterError as rule:
            raise NotationError(str(rule)) from None


_FIELDS = tuple(field.name for field in dataclasses.fields(Finding))
_ANY = Number("", "", "")


def _evidence(name: Any, value: Any) -> float:
    """One number of the evidence: an int stays one, everything else becomes a float; NaN and infinity may prove it."""
    if not isinstance(name, str):
        raise ParameterError(f"Finding.evidence must have text as names, got {shorten(name)}")
    if isinstance(value, (float, np.floating)):
        return float(value)
    try:
        number = _ANY.read(value)
    except ValueError as rule:
        raise ParameterError(f"Finding.evidence[{name!r}] must {rule}") from None
    assert number is not None
    return int(value) if isinstance(value, abc_numbers.Integral) else number
