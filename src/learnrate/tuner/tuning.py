"""`tune`: the best policy for a budget, remembered as a study; and a study's result without another run."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..errors import MissingExtra, NotationError, ParameterError, StudyError, UsageError
from ..finder.asking import Answer, Ask, Interrupted, Log, Search, logged
from ..finder.conclusion import Conclusion
from ..finder.driving import Driver, Memory, Progress
from ..finder.engine import Engine, Local, Report
from ..finder.rates import assemble
from ..finder.results import Result
from ..policy import Policy
from ..runs import UNITS, Run, Task
from ..spec import Number, checked, shorten
from .search import Contest
from .space import Space

BUDGET = 4.0
"""Full runs."""

ENGINES = ("local", "processes")
_BUDGET = Number("", "full runs", "", gt=0)
_HOURS = Number("", "hours", "", gt=0)
_SEED = Number("", "", "", ge=0, whole=True)
_FACTS = ("updates", "objective", "mode", "evaluation")
_TRIED = 20  # updates from which the speed of a task is told


def tune(
    task: Task,
    budget: float | None = None,
    space: Space | None = None,
    seed: int = 0,
    engine: str | Engine = "local",
    storage: Any = None,
    *,
    study: str | None = None,
    resume: bool = False,
    hours: float | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Result:
    """The best policy for a budget: optimizer, rate, schedule, warmup, weight decay, and what else `space` names.

    `budget` is in full runs of the task (4 unless told otherwise), or `hours` is the time to spend on this machine: it
    becomes a budget, timed on the first updates of a run, and when it is over the search ends with what it knows.
    `space` is what may be chosen; see `Space` for the default and for fixing a part of it. Rates are found by a ladder
    of short runs (see `find`); everything else is compared on one common length with common seeds and batches. Runs are
    paused and go on where a schedule allows it, and new ones otherwise; a divergence is noticed within a few updates.
    The last part of the budget goes to longer runs and more seeds of the winner, its neighbours and its rivals.

    `engine` is "local" (this process), "processes" (a worker per core) or an engine of your own; the result is the
    same. The search is a study of Optuna in `storage`: a SQLite file, `.learnrate/studies.db` unless told otherwise,
    any storage URL or object of Optuna's, or False to keep nothing. `study` names it; with `resume` it goes on where it
    was left, also by `kill -9`; several processes that name the same one share it. Ctrl-C ends the search with what it
    knows; the study keeps it.

    Raises `StudyError` for a study or storage that cannot be used, `ParameterError` for values that break their rules,
    `TaskError` for a task that breaks the run protocol, `MissingExtra` without Optuna unless `storage` is False.

    >>> from learnrate import Linear, task
    >>> @task(updates=240, objective="left", evaluation=0)
    ... def valley(policy, seed, updates):
    ...     x, y = 1.0, 1.0
    ...     for t in range(updates):
    ...         loss = x * x + 20 * y * y
    ...         x, y = x - policy.lr(t) * 2 * x, y - policy.lr(t) * 40 * y
    ...         if (yield {"loss": loss + 1e-3}) == "evaluate":
    ...             yield {"left": x * x + 20 * y * y + 1e-3}
    >>> result = tune(valley, 4, Space(optimizer="sgd", schedule=[Linear(1, 0), "cosine"]), storage=False)
    >>> 0.01 < result.rate < 0.1
    True
    """
    if not isinstance(task, Task):
        raise UsageError(f"tune needs a task; make one with @task(updates=..., objective=...), got {shorten(task)}")
    if space is not None and not isinstance(space, Space):
        raise UsageError(f"tune needs a space such as lr.Space(optimizer=['adamw']), got {shorten(space)}")
    if budget is not None and hours is not None:
        raise ParameterError("give a budget in full runs or in hours, not both")
    chosen, number = space or Space(), int(checked("seed", seed, _SEED))
    runs = checked("budget", BUDGET if budget is None else budget, _BUDGET)
    time_given = None if hours is None else checked("hours", hours, _HOURS)
    deadline = math.inf if time_given is None else time.monotonic() + 3600 * time_given
    with contextlib.ExitStack() as stack:
        motor = _engine(engine, task, stack)
        if time_given is not None:
            kept = _kept_budget(storage, study) if resume and storage is not False else None
            runs = kept or _affordable(task, chosen, number, time_given, motor.slots)
        asked = {"budget": runs, "seed": number} | ({} if time_given is None else {"hours": time_given})
        memory = None if storage is False else _study(stack, task, chosen, asked, storage, study, resume)
        driver = Driver(motor, memory, _both(watch, getattr(memory, "watch", None)), deadline)
        return _found(task, chosen, runs, number, driver, getattr(memory, "name", None))


def load_result(storage: Any = None, study: str = "") -> Result:
    """What a study has found so far, from its recorded runs alone; the same as `tune` returned when it is finished.

    Raises `StudyError` when there is no such study in the storage.
    """
    from .studies import read_study

    with read_study(storage, study) as memory:
        question = memory.question
        missing = [name for name in (*_FACTS, "space", "budget", "seed") if name not in question]
        if missing:
            raise StudyError(
                f"study {study!r} in {memory.where} is no search of tune: its question has no {', '.join(missing)}; "
                "read its runs with Optuna"
            )
        space, facts = Space.from_json(question["space"]), {name: question[name] for name in _FACTS}
        task = Task(_absent, question["task"], meta=question.get("units", {}), **facts)
        return _found(task, space, question["budget"], question["seed"], Driver(_Nowhere(), _Kept(memory)), study)


def _found(
    task: Task, space: Space, budget: float, seed: int, driver: Driver, study: str | None, late: bool = False
) -> Result:
    contest = Contest(task, space, budget, seed)
    log: Log = []
    conclusion = driver.drive(logged(_search(contest), log))
    memory, progress = driver.memory, driver.progress
    if (progress.interrupted or progress.late) and memory is not None and not isinstance(memory, _Kept):
        # what was finished when Ctrl-C came, and was not told to the search any more, is known too
        return _found(task, space, budget, seed, Driver(_Nowhere(), _Kept(memory)), study, late=progress.late)
    problem = contest.ladder(contest.champion).problem
    return assemble(
        conclusion,
        problem,
        log,
        budget=budget,
        interrupted=progress.interrupted and not late,
        late=progress.late or late,
        runner_ups=contest.runner_ups(),
        more=contest.more(),
        study=study,
    )


def _search(contest: Contest) -> Search[Conclusion]:
    yield from contest.search()
    return contest.conclusion()


# -- what it stands on


def _engine(engine: str | Engine, task: Task, stack: contextlib.ExitStack) -> Engine:
    if not isinstance(engine, str):
        if not all(hasattr(engine, name) for name in ("start", "advance", "fork", "stop", "wait", "slots", "forks")):
            raise UsageError(
                f"engine must be one of {', '.join(map(repr, ENGINES))} or an engine, got {shorten(engine)}"
            )
        return engine
    if engine == "local":
        return stack.enter_context(Local(task))
    if engine != "processes":
        raise ParameterError(f"engine must be one of {', '.join(map(repr, ENGINES))} or an engine, got {engine!r}")
    from .processes import Processes

    return stack.enter_context(Processes(task))


def _study(
    stack: contextlib.ExitStack,
    task: Task,
    space: Space,
    asked: Mapping[str, Any],
    storage: Any,
    name: str | None,
    resume: bool,
) -> Memory:
    try:
        from .studies import open_study
    except ModuleNotFoundError as missing:
        if missing.name != "optuna":
            raise
        raise MissingExtra("optuna", "tune") from missing
    _check_written(space)
    facts = {fact: getattr(task, fact) for fact in _FACTS}
    units = {unit: task.meta[unit] for unit in UNITS if unit in task.meta}
    about = {"space": space.to_json(), "parameters": space.parameters()}
    question = {"task": task.name, **facts, "units": units, **asked, **about}
    memory: Memory = stack.enter_context(open_study(storage, name, question, resume))
    return memory


def _check_written(space: Space) -> None:
    """A study keeps every policy as text."""
    for optimizer in space.optimizer:
        first = space.first(optimizer)
        arms = [first, *(arm for name in space.dimensions(optimizer) for arm in space.variations(first, name))]
        for arm in arms:
            try:
                arm.policy(1.0).to_json()
            except NotationError as error:
                advice = "a study keeps policies as text: register the schedule's class, or keep nothing: storage=False"
                raise UsageError(f"{error}; {advice}") from None


def _kept_budget(storage: Any, study: str | None) -> float | None:
    """What the hours of a study that goes on were found to buy: timed again, they would buy something else."""
    if study is None:
        raise ParameterError("a search by hours goes on in the study that is named: give study=...")
    from .studies import load_question

    try:
        return float(load_question(storage, study)["budget"])
    except (StudyError, KeyError):  # there is none yet
        return None


def _affordable(task: Task, space: Space, seed: int, hours: float, slots: int) -> float:
    """How many full runs so many hours buy: timed on the first updates of one run, which is not charged."""
    policy = Policy(space.optimizer[0], space.range(space.optimizer[0])[0])
    with Run(task, policy, seed) as run:
        run.advance(min(_TRIED, task.updates))
        before, started = run.t, time.perf_counter()
        run.advance(min(2 * _TRIED, task.updates), evaluate=True)
        made = run.t - before
    spent = time.perf_counter() - started if made else run.seconds
    seconds = spent / ((made or max(1, run.t)) + task.evaluation)
    return float(f"{max(1e-6, 3600 * hours * slots / (seconds * task.updates)):.4g}")


def _both(
    first: Callable[[Progress], None] | None, second: Callable[[Progress], None] | None
) -> Callable[[Progress], None]:
    callers = [call for call in (first, second) if call is not None]

    def watch(progress: Progress) -> None:
        for call in callers:
            call(progress)

    return watch


def _absent(policy: Policy, seed: int, updates: int, snapshot: Any = None) -> NoReturn:
    """Stands for the task of a study that is only read."""
    raise UsageError("a study that is read makes no runs")


class _Kept:
    """What a memory holds: the search ends where it is asked for more."""

    def __init__(self, memory: Memory) -> None:
        self.known = memory.known

    def claim(self, ask: Ask) -> bool:
        raise Interrupted

    def record(self, ask: Ask, answer: Answer) -> Answer:
        return answer

    def release(self, ask: Ask) -> None: ...


class _Nowhere:
    """The engine of a study that is only read: its memory interrupts the search before anything is begun."""

    slots, forks = 1, False

    def start(self, run: int, ask: Ask) -> None: ...

    def advance(self, run: int, ask: Ask) -> None: ...

    def fork(self, run: int, trunk: int, ask: Ask) -> None: ...

    def stop(self, run: int) -> None: ...

    def wait(self, seconds: float) -> list[Report]:
        return []

    def close(self) -> None: ...
