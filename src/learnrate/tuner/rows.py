"""Writing the trials of a study: claim one, finish it, in one transaction each where the storage is a database.

Optuna's storage interface writes every parameter, attribute and value of a trial by itself, about a millisecond each; a
run would cost 15 ms. A database gets the same rows in one transaction here, which also means that a run is finished
completely or not at all. Every other storage is written through the interface, the state last, which decides.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
)
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

try:
    from optuna.storages._rdb import models
except ImportError:  # an Optuna that keeps its tables elsewhere is written through its interface
    models = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is known of a run before it is made: parameters with what Optuna wants to know of each, and attributes."""

    params: Mapping[str, tuple[Any, Mapping[str, Any]]]
    attrs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Finish:
    """How a run ended, as Optuna says it."""

    state: TrialState
    value: float | None = None
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: Mapping[int, float] = dataclasses.field(default_factory=dict)


class Rows(Protocol):
    """What writes trials."""

    def claim(self, study: int, claim: Claim) -> int:
        """Create a running trial; its id is larger than those of all trials of the study before it."""

    def finish(self, trial: int, finish: Finish) -> bool:
        """End a running trial; False when it had ended already, and then nothing is changed."""


def rows_for(storage: BaseStorage, tables: RDBStorage | None) -> Rows:
    """The fastest way to write to a storage."""
    return Calls(storage) if tables is None or models is None else Transactions(tables)


class Calls:
    """Through Optuna's storage interface."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def claim(self, study: int, claim: Claim) -> int:
        template = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            values=None,
            datetime_start=datetime.datetime.now(),
            datetime_complete=None,
            params={name: value for name, (value, _) in claim.params.items()},
            distributions={name: distribution(about) for name, (_, about) in claim.params.items()},
            user_attrs=dict(claim.attrs),
            system_attrs={},
            intermediate_values={},
        )
        return int(self._storage.create_new_trial(study, template))

    def finish(self, trial: int, finish: Finish) -> bool:
        try:
            for update, value in finish.steps.items():
                self._storage.set_trial_intermediate_value(trial, update, value)
            for name, item in finish.attrs.items():
                self._storage.set_trial_user_attr(trial, name, item)
            values = None if finish.value is None else [finish.value]
            return bool(self._storage.set_trial_state_values(trial, finish.state, values))
        except RuntimeError:  # what Optuna raises for a trial that has ended, among other things
            if not self._ended(trial):
                raise
            return False

    def _ended(self, trial: int) -> bool:
        return bool(self._storage.get_trial(trial).state.is_finished())


class Transactions:
    """Into the tables of Optuna, whose version was compared when they were opened."""

    def __init__(self, tables: RDBStorage) -> None:
        self._tables = tables

    def claim(self, study: int, claim: Claim) -> int:
        with self._tables.scoped_session() as session, session.begin():
            if self._tables.engine.name != "sqlite":  # there, the first write locks
                models.StudyModel.find_or_raise_by_id(study, session, for_update=True)
            trial = models.TrialModel(
                study_id=study, number=None, state=TrialState.RUNNING, datetime_start=datetime.datetime.now()
            )
            session.add(trial)
            session.flush()
            number = int(trial.trial_id)
            trial.number = trial.count_past_trials(session)
            params = [
                {"trial_id": number, "param_name": name, "param_value": inner, "distribution_json": told}
                for name, (inner, told) in _inner(claim.params).items()
            ]
            _insert(session, models.TrialParamModel, params)
            _insert(session, models.TrialUserAttributeModel, _attrs(number, claim.attrs))
        return number

    def finish(self, trial: int, finish: Finish) -> bool:
        table = models.TrialModel
        with self._tables.scoped_session() as session, session.begin():
            running = session.query(table).filter(table.trial_id == trial, table.state == TrialState.RUNNING)
            if not running.update({"state": finish.state}, synchronize_session=False):
                return False
            session.get(table, trial).datetime_complete = datetime.datetime.now()
            if finish.value is not None:
                kept, kind = models.TrialValueModel.value_to_stored_repr(finish.value)
                about = {"trial_id": trial, "objective": 0, "value": kept, "value_type": kind}
                _insert(session, models.TrialValueModel, [about])
            steps = []
            for update, value in finish.steps.items():
                kept, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
                about = {"trial_id": trial, "step": update}
                steps.append({**about, "intermediate_value": kept, "intermediate_value_type": kind})
            _insert(session, models.TrialIntermediateValueModel, steps)
            _insert(session, models.TrialUserAttributeModel, _attrs(trial, finish.attrs))
        return True


def _insert(session: Any, model: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(model.__table__.insert(), rows)


def _attrs(trial: int, attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"trial_id": trial, "key": name, "value_json": json.dumps(item)} for name, item in attrs.items()]


def _inner(params: Mapping[str, tuple[Any, Mapping[str, Any]]]) -> dict[str, tuple[float, str]]:
    """Parameters as the tables hold them: a number, and the distribution as text."""
    known = {name: (value, distribution(about)) for name, (value, about) in params.items()}
    return {name: (one.to_internal_repr(value), distribution_to_json(one)) for name, (value, one) in known.items()}


def distribution(about: Mapping[str, Any]) -> BaseDistribution:
    """What Optuna calls a range or a list of choices."""
    if "choices" in about:
        return CategoricalDistribution(tuple(about["choices"]))
    return FloatDistribution(float(about["low"]), float(about["high"]), log=bool(about.get("log", False)))
