"""What one run showed, as a value; and the file that traces are kept in.

A trace file is text, one JSON document per line. The first line is the header: `format`, `version`, the number of
traces and the SHA-256 of everything after it; each further line is one trace. Numbers are written so that they read
back bit for bit, non-finite ones as strings. The checksum finds a damaged file, the version a newer one; nothing in the
file is ever executed. A file is written whole, under a temporary name, and then renamed, so it is never half a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import LearnrateError, NotationError, ParameterError, TraceFileError
from .policy import FrozenDict, Policy
from .spec import Number, shorten, unknown

Ending = Literal["finished", "stopped", "paused", "diverged", "failed"]
Floats = NDArray[np.float64]

ENDINGS: tuple[str, ...] = get_args(Ending)
FORMAT = "learnrate traces"
VERSION = 1

_SEED = Number("", "", "", ge=0, whole=True)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What one run showed.

    `update`, `rate`, `loss` and each array of `signals` have one entry per update: `update` is t, the updates made
    before it; `rate` is what it used; `loss` was measured before it; a signal is NaN where it was not given.
    `evaluations` are columns too: `evaluations["update"]` holds the updates made before each evaluation, the others
    what it measured. `objective` is the last one given: None when there was none, NaN when the run diverged, because a
    diverged run has no final objective (what it measured before stays in `evaluations`). `seconds` is the time spent
    inside the task. `policy` is bound to the run's horizon. `ended` is "finished", "stopped" (before its horizon, by a
    person or by the task), "paused", "diverged" (a loss or objective that is not finite) or "failed", and `error` says
    why. `meta` is plain data: the task, batch size, tokens per update, versions.

    Arrays are float64 (`update` int64) and read-only. Two traces are equal when everything but `seconds` is, where NaN
    equals NaN. Raises `ParameterError` for columns of different lengths or values of the wrong kind.

    >>> trace = Trace([0, 1], [0.1, 0.05], [2.0, 1.5], evaluations={"update": [2], "val_loss": [1.4]}, objective=1.4)
    >>> trace
    Trace(2 updates, loss 2 -> 1.5, objective 1.4, seed 0, finished)
    >>> Trace.from_json(trace.to_json()) == trace
    True
    """

    update: NDArray[np.int64]
    rate: Floats
    loss: Floats
    signals: Mapping[str, Floats] = FrozenDict()
    evaluations: Mapping[str, Floats] = FrozenDict()
    objective: float | None = None
    seconds: float = 0.0
    policy: Policy | None = None
    seed: int = 0
    ended: Ending = "finished"
    error: str | None = None
    meta: Mapping[str, Any] = FrozenDict()

    if TYPE_CHECKING:  # what may be given, which is more than what is kept

        def __init__(
            self,
            update: ArrayLike,
            rate: ArrayLike,
            loss: ArrayLike,
            signals: Mapping[str, ArrayLike] = ...,
            evaluations: Mapping[str, ArrayLike] = ...,
            objective: float | None = None,
            seconds: float = 0.0,
            policy: Policy | None = None,
            seed: int = 0,
            ended: Ending = "finished",
            error: str | None = None,
            meta: Mapping[str, Any] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = self.__dict__.__setitem__
        put("update", _updates("update", self.update))
        put("rate", _column("rate", self.rate, len(self.update)))
        put("loss", _column("loss", self.loss, len(self.update)))
        put("signals", _columns("signals", self.signals, len(self.update)))
        put("evaluations", _evaluations(self.evaluations))
        put("objective", None if self.objective is None else _scalar("objective", self.objective))
        put("seconds", _scalar("seconds", self.seconds))
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise ParameterError(f"Trace.policy must be a Policy or None, got {shorten(self.policy)}")
        try:
            put("seed", _SEED.read(self.seed))
        except ValueError as rule:
            raise ParameterError(f"Trace.seed must {rule}") from None
        if self.ended not in ENDINGS:
            raise ParameterError(f"Trace.ended must be one of {', '.join(ENDINGS)}, got {shorten(self.ended)}")
        if self.error is not None and not isinstance(self.error, str):
            raise ParameterError(f"Trace.error must be text or None, got {shorten(self.error)}")
        if not isinstance(self.meta, Mapping):
            raise ParameterError(f"Trace.meta must be a mapping, got {shorten(self.meta)}")
        put("meta", plain(self.meta, "Trace.meta"))

    def __len__(self) -> int:
        """Updates made."""
        return len(self.update)

    def replace(self, **changes: Any) -> Trace:
        """A copy with some fields changed, checked like a new one."""
        for name in changes:
            if name not in _FIELDS:
                raise ParameterError(unknown("field of Trace", name, list(_FIELDS)))
        return dataclasses.replace(self, **changes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in _FIELDS if name != "seconds")

    def __hash__(self) -> int:
        return hash((len(self), self.seed, self.ended, self.policy))

    def __reduce__(self) -> tuple[Any, ...]:
        return Trace, tuple(getattr(self, name) for name in _FIELDS)

    def __repr__(self) -> str:
        parts = [f"{len(self)} updates"]
        if len(self):
            parts.append(f"loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g}")
        if self.objective is not None:
            parts.append(f"objective {self.objective:.4g}")
        return f"Trace({', '.join([*parts, f'seed {self.seed}', self.ended])})"

    def to_json(self) -> dict[str, Any]:
        """Plain data, without loss; non-finite numbers as strings."""
        data = {name: _plain_numbers(getattr(self, name)) for name in _FIELDS if name not in ("policy", "meta")}
        policy = None if self.policy is None else self.policy.to_json()
        return data | {"policy": policy, "meta": _thawed(self.meta)}

    @classmethod
    def from_json(cls, data: object) -> Trace:
        """The trace that `to_json` made this plain data from; raises `NotationError` when it is something else."""
        if not isinstance(data, Mapping):
            raise NotationError(f"a trace must be a JSON object, got {shorten(data)}")
        for name in data:
            if name not in _FIELDS:
                raise NotationError(unknown("field of a trace", name, list(_FIELDS)))
        for name in _FIELDS:
            if name not in data:
                raise NotationError(f"a trace must have the field {name!r}")
        columns = {name: _numbers(name, data[name]) for name in ("update", "rate", "loss", "seconds")}
        columns["objective"] = None if data["objective"] is None else _numbers("objective", data["objective"])
        tables = {name: _table(name, data[name]) for name in ("signals", "evaluations")}
        policy = None if data["policy"] is None else Policy.from_json(data["policy"])
        try:
            return cls(**{**data, **columns, **tables, "policy": policy})
        except ParameterError as rule:
            raise NotationError(str(rule)) from None


_FIELDS = tuple(field.name for field in dataclasses.fields(Trace))


def save_traces(path: str | os.PathLike[str], traces: Iterable[Trace]) -> None:
    """Write traces to one file, replacing it as a whole; the docstring of this module says how it is laid out.

    Raises `OSError` when the folder cannot be written; an older file of that name then stays as it was.
    """
    lines = [json.dumps(trace.to_json(), allow_nan=False, separators=(",", ":")) for trace in traces]
    body = "".join(f"{line}\n" for line in lines).encode()
    header = {"format": FORMAT, "version": VERSION, "traces": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    replace_file(path, json.dumps(header).encode() + b"\n" + body)


def load_traces(path: str | os.PathLike[str]) -> list[Trace]:
    """Read the traces that `save_traces` wrote, in their order.

    Raises `TraceFileError`, which names the file and the reason, for a damaged or foreign file and for one of a newer
    version, and `OSError` when there is no such file.
    """
    head, _, body = Path(path).read_bytes().partition(b"\n")
    try:
        header = _document(head)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceFileError(f"{os.fspath(path)} is not a trace file: its first line is not a {FORMAT!r} header")
    version = header.get("version")
    if type(version) is int and version > VERSION:
        raise TraceFileError(
            f"{os.fspath(path)} has trace file version {version}; this learnrate reads up to {VERSION}: update it"
        )
    if type(version) is not int or version != VERSION:
        raise TraceFileError(f"{os.fspath(path)} has no valid version in its header, got {shorten(version)}")
    if header.get("sha256") != hashlib.sha256(body).hexdigest():
        raise TraceFileError(f"{os.fspath(path)} is damaged: its content does not match the checksum in its header")
    lines = body.splitlines()
    if header.get("traces") != len(lines):
        raise TraceFileError(
            f"{os.fspath(path)} is damaged: its header promises {shorten(header.get('traces'))} traces, "
            f"it holds {len(lines)}"
        )
    return [_read_line(path, number, line) for number, line in enumerate(lines, start=2)]


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it: readers see the old file or the new one."""
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def plain(value: Any, where: str) -> Any:
    """A read-only copy of plain data (text, numbers, bool, None, lists and mappings of them); `ParameterError` else."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return FrozenDict({key: plain(item, f"{where}[{key!r}]") for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(plain(item, f"{where}[{index}]") for index, item in enumerate(value))
    raise ParameterError(f"{where} must be plain data (text, finite numbers, lists, mappings), got {shorten(value)}")


def _read_line(path: str | os.PathLike[str], number: int, line: bytes) -> Trace:
    try:
        return Trace.from_json(_document(line))
    except (LearnrateError, ValueError) as reason:
        raise TraceFileError(f"{os.fspath(path)}, line {number} is not a trace: {reason}") from None


def _document(line: bytes) -> Any:
    """One line as plain data; `ValueError` for anything else, however deep or long."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"the bare number {constant}")

    try:
        return json.loads(line.decode(), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _updates(name: str, values: Any) -> NDArray[np.int64]:
    """Whole numbers >= 0 as a read-only int64 array."""
    exact = _column(name, values, None)
    if not (np.isfinite(exact).all() and (exact >= 0).all() and (exact == np.floor(exact)).all()):
        raise ParameterError(f"Trace.{name} must hold whole numbers >= 0 (updates), got {shorten(exact.tolist())}")
    whole = exact.astype(np.int64)
    whole.setflags(write=False)
    return whole


def _column(name: str, values: Any, rows: int | None) -> Floats:
    """Numbers as a read-only float64 array of `rows` entries."""
    try:
        given = np.asarray(values)
    except ValueError:  # rows of different lengths
        given = np.zeros((0, 0))
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iuf"):
        raise ParameterError(f"Trace.{name} must be a list of numbers, got {shorten(values)}")
    column = given.astype(np.float64)
    if rows is not None and len(column) != rows:
        raise ParameterError(f"Trace.{name} must have {rows} entries, one per update, got {len(column)}")
    column.setflags(write=False)
    return column


def _columns(name: str, table: Any, rows: int | None) -> Mapping[str, Floats]:
    if not isinstance(table, Mapping) or not all(isinstance(key, str) for key in table):
        raise ParameterError(f"Trace.{name} must map names to arrays, got {shorten(table)}")
    return FrozenDict({key: _column(f"{name}[{key!r}]", column, rows) for key, column in table.items()})


def _evaluations(table: Any) -> Mapping[str, Floats]:
    """Columns of one length; `update`, the updates made before each evaluation, comes first."""
    columns = _columns("evaluations", table, None)
    if "update" not in columns:
        if any(len(column) for column in columns.values()):
            raise ParameterError("Trace.evaluations must have the column 'update': the updates made before each one")
        columns = FrozenDict({"update": _updates("evaluations['update']", []), **columns})
    update = _updates("evaluations['update']", columns["update"])
    rest = _columns("evaluations", {name: columns[name] for name in columns if name != "update"}, len(update))
    return FrozenDict({"update": update, **rest})


def _scalar(name: str, value: Any) -> float:
    if isinstance(value, (bool, str)):
        raise ParameterError(f"Trace.{name} must be a number, got {shorten(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"Trace.{name} must be a number, got {shorten(value)}") from None


def _same(a: Any, b: Any) -> bool:
    """Equal, where NaN equals NaN and the order of names says nothing."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b)


def _thawed(value: Any) -> Any:
    """Plain dicts and lists again."""
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        numbers = value.tolist()
        return numbers if np.isfinite(value).all() else [_plain_numbers(number) for number in numbers]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _numbers(name: str, value: Any) -> Any:
    """Plain data to numbers: the strings of the non-finite ones, lists of them; other text is an error."""
    if isinstance(value, list):
        return [_numbers(name, item) for item in value]
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if type(value) not in (int, float):
        raise NotationError(f"{name} of a trace must hold numbers, got {shorten(value)}")
    return value


def _table(name: str, table: Any) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise NotationError(f"{name} of a trace must map names to lists of numbers, got {shorten(table)}")
    return {key: _numbers(f"{name}[{key!r}]", column) for key, column in table.items()}
