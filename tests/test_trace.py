"""Traces: equality, immutability, JSON without loss, and a file that notices when it is not what it was."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnrate.errors import NotationError, ParameterError, TraceFileError, UsageError
from learnrate.feedback import Plateau
from learnrate.policy import Policy
from learnrate.schedules import Constant, Cosine, Function, Interpolation, Linear
from learnrate.trace import ENDINGS, Trace, load_traces, save_traces

NAN, INF = math.nan, math.inf
POLICY = Policy("adamw", Linear(0, 1e-3, 2) >> Cosine(1e-3, updates=8), {"beta1": 0.8}, Plateau())
FULL = Trace(
    update=[0, 1, 2],
    rate=[0.1, 0.1 / 3, 5e-324],
    loss=[2.5, NAN, INF],
    signals={"norm": [1.0, NAN, -INF], "clipped": [0.0, 1.0, 1.0]},
    evaluations={"update": [2, 3], "val_loss": [1.5, NAN], "accuracy": [0.5, 0.75]},
    objective=NAN,
    seconds=1.25,
    policy=POLICY,
    seed=3,
    ended="diverged",
    error="loss is inf at update 2",
    meta={"task": "mine", "batch_size": 16, "versions": {"python": "3.11"}, "tags": ["a", 1, 0.5, None, True]},
)
EMPTY = Trace([], [], [])

floats = st.floats(allow_nan=True, allow_infinity=True)


def columns(draw: Any, rows: int) -> dict[str, list[float]]:
    name = st.text(min_size=1, max_size=4).filter(lambda name: name != "update")
    names = draw(st.lists(name, max_size=2, unique=True))
    return {name: draw(st.lists(floats, min_size=rows, max_size=rows)) for name in names}


@st.composite
def traces(draw: Any) -> Trace:
    rows, evaluated = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    column = st.lists(floats, min_size=rows, max_size=rows)
    return Trace(
        update=range(rows),
        rate=draw(column),
        loss=draw(column),
        signals=columns(draw, rows),
        evaluations={"update": list(range(evaluated)), **columns(draw, evaluated)},
        objective=draw(st.none() | floats),
        seconds=draw(st.floats(0, 1e6)),
        policy=draw(st.sampled_from([None, POLICY])),
        seed=draw(st.integers(0, 2**40)),
        ended=draw(st.sampled_from(ENDINGS)),
        error=draw(st.none() | st.text(max_size=5)),
        meta=draw(st.dictionaries(st.text(max_size=3), st.integers() | st.text() | st.booleans(), max_size=2)),
    )


@given(traces())
def test_json_loses_nothing(trace: Trace) -> None:
    again = Trace.from_json(json.loads(json.dumps(trace.to_json(), allow_nan=False)))
    assert again == trace
    assert again.seconds == trace.seconds
    assert hash(again) == hash(trace)
    assert again.rate.tobytes() == trace.rate.tobytes() or np.isnan(trace.rate).any()
    assert list(again.signals) == list(trace.signals)


def test_equality_knows_nan_and_ignores_the_clock() -> None:
    assert copy.deepcopy(FULL) == FULL
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert FULL.replace(seconds=99.0) == FULL
    assert hash(FULL.replace(seconds=99.0)) == hash(FULL)
    assert FULL != "a trace"


@pytest.mark.parametrize(
    "change",
    [
        {"update": [1, 2, 3]},
        {"rate": [0.1, 0.1, 0.1]},
        {"loss": [2.5, 2.5, INF]},
        {"signals": {"norm": [1.0, NAN, -INF]}},
        {"evaluations": {"update": [2, 3], "val_loss": [1.5, 1.5], "accuracy": [0.5, 0.75]}},
        {"objective": 1.0},
        {"objective": None},
        {"policy": None},
        {"seed": 4},
        {"ended": "failed"},
        {"error": None},
        {"meta": {}},
    ],
)
def test_every_field_but_the_clock_counts(change: dict[str, Any]) -> None:
    assert FULL.replace(**change) != FULL


def test_all_fields_are_covered_by_the_test_above() -> None:
    assert {field.name for field in dataclasses.fields(Trace)} - {"seconds"} == {
        *("update", "rate", "loss", "signals", "evaluations", "objective", "policy", "seed", "ended", "error", "meta")
    }


def test_it_cannot_be_changed() -> None:
    for array in (FULL.update, FULL.loss, FULL.signals["norm"], FULL.evaluations["update"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.seed = 4  # type: ignore[misc]
    for mapping in (FULL.signals, FULL.evaluations, FULL.meta, FULL.meta["versions"]):
        with pytest.raises(TypeError, match="cannot be changed"):
            mapping["new"] = 1  # type: ignore[index]
    given = np.array([1.0, 2.0, 3.0])
    trace = Trace(range(3), given, given)
    given[0] = 9.0
    assert trace.rate[0] == 1.0


def test_columns_have_one_type() -> None:
    assert FULL.update.dtype == FULL.evaluations["update"].dtype == np.int64
    assert FULL.rate.dtype == FULL.loss.dtype == FULL.signals["norm"].dtype == np.float64
    assert Trace([0], np.ones(1, np.float32), [1]).rate.dtype == np.float64
    assert list(EMPTY.evaluations) == ["update"]
    assert len(EMPTY) == 0
    assert len(FULL) == 3


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"loss": [1.0, 2.0]}, "Trace.loss must have 3 entries, one per update, got 2"),
        ({"signals": {"norm": [1.0]}}, "signals\\['norm'\\] must have 3 entries"),
        ({"signals": [1, 2, 3]}, "must map names to arrays"),
        ({"evaluations": {"val_loss": [1.0]}}, "must have the column 'update'"),
        ({"evaluations": {"update": [1, 2], "val_loss": [1.0]}}, "must have 2 entries"),
        ({"update": [0.5, 1, 2]}, "whole numbers"),
        ({"update": [-1, 0, 1]}, "whole numbers >= 0"),
        ({"rate": "abc"}, "Trace.rate must be a list of numbers"),
        ({"rate": [[1.0], [2.0], [3.0]]}, "Trace.rate must be a list of numbers"),
        ({"objective": "1.0"}, "Trace.objective must be a number"),
        ({"seconds": None}, "Trace.seconds must be a number"),
        ({"policy": "Policy()"}, "Trace.policy must be a Policy"),
        ({"seed": -1}, "Trace.seed must be >= 0"),
        ({"seed": 0.5}, "Trace.seed must be a whole number"),
        ({"ended": "done"}, "finished, stopped, paused, diverged, failed"),
        ({"error": 3}, "Trace.error must be text"),
        ({"meta": {"x": NAN}}, "Trace.meta\\['x'\\] must be plain data"),
        ({"meta": {"x": {"y": object()}}}, "Trace.meta\\['x'\\]\\['y'\\]"),
        ({"meta": {"x": 10**5000}}, "Trace.meta\\['x'\\] must be plain data"),
        ({"meta": 3}, "Trace.meta must be a mapping"),
        ({"sed": 3}, "did you mean 'seed'"),
    ],
)
def test_wrong_values_say_the_rule(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        FULL.replace(**fields)


@pytest.mark.parametrize(
    "change",
    [
        {"update": "0"},
        {"rate": [0.1, "0.2", 0.3]},
        {"rate": [0.1, None, 0.3]},
        {"loss": [True, False, True]},
        {"signals": []},
        {"evaluations": {"update": 3}},
        {"objective": "0.5"},
        {"policy": {"type": "Cosine", "start": 1.0}},
        {"ended": "done"},
        {"seed": None},
        {"extra": 1},
    ],
)
def test_json_of_something_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(NotationError):
        Trace.from_json(FULL.to_json() | change)


def test_json_that_lacks_a_field_is_refused() -> None:
    for name in FULL.to_json():
        with pytest.raises(NotationError, match=name):
            Trace.from_json({key: value for key, value in FULL.to_json().items() if key != name})


# -- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "runs.traces"
    save_traces(where, [FULL, EMPTY, FULL.replace(seed=4)])
    return where


def test_a_file_gives_back_what_it_was_given(path: Path) -> None:
    again = load_traces(path)
    assert again == [FULL, EMPTY, FULL.replace(seed=4)]
    assert [trace.seconds for trace in again] == [1.25, 0.0, 1.25]
    assert [entry.name for entry in path.parent.iterdir()] == ["runs.traces"], "nothing temporary is left"
    save_traces(path, iter([EMPTY]))
    assert load_traces(str(path)) == [EMPTY]
    save_traces(path, [])
    assert load_traces(path) == []


@pytest.mark.parametrize("given", [3, None, "runs", {"a": FULL}, [3], [FULL, "x"]])
def test_only_traces_are_saved(tmp_path: Path, given: Any) -> None:
    with pytest.raises(UsageError, match="save_traces takes"):
        save_traces(tmp_path / "none.traces", given)
    assert not list(tmp_path.iterdir())


def test_one_trace_may_be_given_alone(path: Path) -> None:
    save_traces(path, FULL)
    assert load_traces(path) == [FULL]


# -- functions of a user's own, which have no written form


def recorded(updates: int, *, lr: Any = 0.1, **settings: Any) -> Trace:
    policy = Policy("sgd", lr, settings).over(updates)
    return Trace([0], [0.1], [1.0], policy=policy, meta={"updates": updates})


def test_a_function_of_ones_own_is_saved_as_its_values(path: Path) -> None:
    mine = recorded(200, lr=Linear(0, 1, 20) >> Function(lambda t: 1 / (1 + t)), momentum=0.9)
    save_traces(path, [FULL, mine])
    again = load_traces(path)
    assert again[0] == FULL
    assert again[1].meta["sampled"] == ("lr",)
    assert "sampled" not in mine.meta
    assert again[1].policy is not None
    assert mine.policy is not None
    assert isinstance(again[1].policy.lr, Interpolation)
    np.testing.assert_array_equal(again[1].policy.lr.curve(200), mine.policy.lr.curve(200))
    assert again[1].policy.settings == mine.policy.settings
    assert again[1] == mine.written()
    assert again[1].written() == again[1]
    assert FULL.written() is FULL


def test_a_long_function_is_saved_at_few_updates() -> None:
    mine = recorded(1_000_000, beta1=Function(lambda t: 0.9 + 0.05 * math.exp(-t / 1e5)))
    policy = mine.written().policy
    assert policy is not None
    assert mine.policy is not None
    assert mine.written().meta["sampled"] == ("beta1",)
    assert policy.lr == Constant(0.1)
    stored, exact = policy.schedules["beta1"], mine.policy.schedules["beta1"]
    assert len(stored.knots) <= 501  # type: ignore[attr-defined]
    for t in (0, 7, 999, 123_456, 999_999):
        assert stored(t) == pytest.approx(exact(t), rel=1e-5)


def test_a_function_that_raises_loses_no_trace() -> None:
    def half(t: float) -> float:
        if t > 5:
            raise RuntimeError("gone")
        return 0.5

    def never(t: float) -> float:
        return float("nan")

    mine = recorded(10, lr=Function(half), momentum=Function(never))
    policy = Trace.from_json(mine.to_json()).policy
    assert policy is not None
    assert policy.lr.curve(10).tolist() == [0.5] * 10
    assert policy.settings["momentum"] == Constant(0.0)
    assert mine.written().meta["sampled"] == ("lr", "momentum")
    unbound = mine.replace(policy=Policy("sgd", Linear(0, 1, "50%") >> Function(half)), meta={})
    assert unbound.written().policy is not None


def test_a_function_never_stops_a_pickle_or_a_copy() -> None:
    unpicklable = recorded(10, lr=Function(lambda t: 0.1))
    again = pickle.loads(pickle.dumps(unpicklable))
    assert again == unpicklable.written()
    assert copy.deepcopy(unpicklable) == unpicklable
    assert copy.copy(unpicklable) == unpicklable
    importable = recorded(10, lr=Function(math.sqrt))
    assert pickle.loads(pickle.dumps(importable)) == importable


def test_a_new_file_has_ordinary_permissions(path: Path) -> None:
    (path.parent / "plain").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "plain").stat().st_mode)


def test_an_older_file_survives_a_failed_write(path: Path) -> None:
    def broken() -> Any:
        yield FULL
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        save_traces(path, broken())
    assert len(load_traces(path)) == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["runs.traces"]


def test_every_changed_byte_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    start = content.index(b"\n") + 1
    for at in range(start, len(content), 37):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(TraceFileError, match=r"runs\.traces is damaged"):
            load_traces(path)


def test_every_cut_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for length in range(0, len(content), 61):
        path.write_bytes(content[:length])
        with pytest.raises(TraceFileError, match="runs.traces"):
            load_traces(path)
    path.write_bytes(content + b"{}\n")
    with pytest.raises(TraceFileError, match="damaged"):
        load_traces(path)


def header(path: Path, **changes: Any) -> None:
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(first) | changes).encode() + b"\n" + rest)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "has trace file version 2; this learnrate reads up to 1"),
        ({"version": 0}, "no valid version"),
        ({"version": True}, "no valid version"),
        ({"version": "1"}, "no valid version"),
        ({"format": "other"}, "is not a trace file"),
        ({"traces": 2}, "promises 2 traces, it holds 3"),
        ({"sha256": None}, "checksum"),
    ],
)
def test_the_header_is_believed_only_when_it_fits(path: Path, changes: dict[str, Any], reason: str) -> None:
    header(path, **changes)
    with pytest.raises(TraceFileError, match=reason):
        load_traces(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hello", b"\x80\x04\x95", b"[]\n", b"null\n", b"[" * 100_000, b"1" * 100_000, b"\xff\xfe", b"{}\n{}"],
)
def test_foreign_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(TraceFileError, match="is not a trace file"):
        load_traces(path)


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"update": NaN}', b"[" * 100_000, b"\xff", b'"x"'])
def test_a_forged_line_is_refused_with_its_number(path: Path, line: bytes) -> None:
    import hashlib

    body = json.dumps(EMPTY.to_json()).encode() + b"\n" + line + b"\n"
    path.write_bytes(path.read_bytes().partition(b"\n")[0] + b"\n" + body)
    header(path, sha256=hashlib.sha256(body).hexdigest(), traces=2)
    with pytest.raises(TraceFileError, match=r"runs\.traces, line 3 is not a trace"):
        load_traces(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_traces(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        save_traces(tmp_path / "none" / "runs.traces", [FULL])
