"""Findings: values that cannot be changed, with numbers as their proof, and JSON without loss."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.errors import NotationError, ParameterError
from learnrate.findings import SEVERITIES, Finding

FULL = Finding("negative rate", "error", {"update": 11, "rate": -0.1, "best": math.nan, "top": math.inf}, "Clip it.")


@given(
    st.text(),
    st.sampled_from(SEVERITIES),
    st.dictionaries(st.text(), st.floats() | st.integers(-(2**60), 2**60)),
    st.text(),
)
def test_json_loses_nothing(name: str, severity: str, evidence: dict[str, float], advice: str) -> None:
    finding = Finding(name, severity, evidence, advice)
    for again in (
        Finding.from_json(json.loads(json.dumps(finding.to_json(), allow_nan=False))),
        pickle.loads(pickle.dumps(finding)),
        copy.deepcopy(finding),
    ):
        assert again == finding
        assert hash(again) == hash(finding)
        assert [(key, type(value)) for key, value in again.evidence.items()] == [
            (key, type(value)) for key, value in finding.evidence.items()
        ]


def test_equality_knows_nan_and_every_field_counts() -> None:
    assert Finding("a", "note", {"x": float("nan")}, "b") == Finding("a", "note", {"x": np.float32("nan")}, "b")
    changes: list[dict[str, Any]] = [
        {"name": "b"},
        {"severity": "note"},
        {"advice": ""},
        {"evidence": {}},
        {"evidence": {**FULL.evidence, "top": -math.inf}},
    ]
    for change in changes:
        assert dataclasses.replace(FULL, **change) != FULL
    assert FULL != "a finding"
    assert Finding("a", "note", {"x": 1, "y": 2}, "") == Finding("a", "note", {"y": 2.0, "x": 1.0}, "")


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError, match="cannot be changed"):
        FULL.evidence["update"] = 3  # type: ignore[index]
    given = {"x": 1.0}
    finding = Finding("a", "note", given, "")
    given["x"] = 2.0
    assert finding.evidence == {"x": 1.0}


def test_evidence_becomes_plain_numbers() -> None:
    given = {"a": np.int64(3), "b": np.float32(0.5), "c": np.float64("inf"), "d": Fraction(1, 4), "e": 2**60 + 1}
    kept = Finding("a", "note", given, "").evidence  # type: ignore[arg-type]
    assert kept == {"a": 3, "b": 0.5, "c": math.inf, "d": 0.25, "e": 2**60 + 1}
    assert [type(value) for value in kept.values()] == [int, float, float, float, int]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"name": 3}, "Finding.name must be text, got 3"),
        ({"advice": None}, "Finding.advice must be text"),
        ({"severity": "fatal"}, "error, warning, note, got 'fatal'"),
        ({"severity": ["error"]}, "error, warning, note"),
        ({"evidence": [1]}, "Finding.evidence must map names to numbers"),
        ({"evidence": {3: 1.0}}, "Finding.evidence must have text as names, got 3"),
        ({"evidence": {"x": "0.1"}}, r"Finding.evidence\['x'\] must be a number, got '0.1'"),
        ({"evidence": {"x": True}}, r"evidence\['x'\] must be a number, got True"),
        ({"evidence": {"x": None}}, r"evidence\['x'\] must be a number"),
        ({"evidence": {"x": np.zeros(2)}}, r"evidence\['x'\] must be a number"),
        ({"evidence": {"x": 1j}}, r"evidence\['x'\] must be a number"),
        ({"evidence": {"x": 10**400}}, r"evidence\['x'\] must be a finite number, got 1000"),
    ],
)
def test_wrong_values_say_the_rule(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        dataclasses.replace(FULL, **fields)
    with pytest.raises(NotationError):
        Finding.from_json(FULL.to_json() | fields)


@pytest.mark.parametrize("data", [None, 3, [], {}, {"name": "a"}, FULL.to_json() | {"level": 1}])
def test_json_of_something_else_is_refused(data: object) -> None:
    with pytest.raises(NotationError):
        Finding.from_json(data)


def test_it_prints_as_one_line() -> None:
    assert str(FULL) == "error: negative rate (update 11, rate -0.1, best nan, top inf). Clip it."
    assert str(Finding("a", "note", {}, "B.")) == "note: a. B."
