"""Between a search and an engine: run what is asked for, remember what was answered.

The driver knows which runs can be continued or forked instead of begun, keeps every slot of the engine busy, and
refuses what makes a search meaningless: a task that fails, ends early or ignores its seed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from ..errors import TaskError
from ..runs import check_pairing
from ..trace import Trace
from .asking import Answer, Answers, Ask, Asks, Interrupted, Search
from .engine import Engine, Report

R = TypeVar("R")
_PATIENCE = 1.0  # seconds between two looks at what other processes have finished
_BLOWN_UP = re.compile(r"^(FloatingPoint|Overflow|ZeroDivision)Error\b|\b(nan|inf|infinite|non-?finite|overflow)\b", re.I)


class Memory(Protocol):
    """What keeps answers beyond a process, and shares asks between processes."""

    def known(self, ask: Ask) -> Answer | None:
        """The recorded answer, or None."""

    def claim(self, ask: Ask) -> bool:
        """Whether this process is to make the run; False while another process that lives does."""

    def record(self, ask: Ask, answer: Answer) -> Answer:
        """Keep a finished answer; returns it as it will be known, so that nobody sees more of it than others."""

    def release(self, ask: Ask) -> None:
        """Give a claimed ask back: it will not be answered here."""


@dataclasses.dataclass
class Line:
    """One run: what it was last asked, how far it is, what it showed.

    `past` are the asks it has answered by pausing, `legs` those still to come before `ask` because it is made again,
    and `again` what that has cost. `alive` says whether the engine has it.
    """

    number: int
    ask: Ask
    t: int = 0
    loss: float | None = None
    state: str = "waiting"
    trace: Trace | None = None
    past: list[Ask] = dataclasses.field(default_factory=list)
    legs: list[Ask] = dataclasses.field(default_factory=list)
    again: float = 0.0
    alive: bool = False
    trunk: bool = False


@dataclasses.dataclass
class Progress:
    """What there is to see while a search goes on; `cost` is in updates."""

    lines: list[Line] = dataclasses.field(default_factory=list)
    cost: float = 0.0
    answered: int = 0
    interrupted: bool = False


class Driver:
    """Answers asks with an engine. `memory` keeps answers; `watch` is called whenever something is new."""

    def __init__(
        self, engine: Engine, memory: Memory | None = None, watch: Callable[[Progress], None] | None = None
    ) -> None:
        self.engine = engine
        self.memory = memory
        self.progress = Progress()
        self._watch = watch or (lambda progress: None)
        self._paused: dict[tuple[Any, ...], Line] = {}
        self._trunks: dict[tuple[Any, ...], float] = {}  # what a trunk has cost that no fork of it has paid yet
        self._paid: dict[tuple[Any, ...], int] = {}  # how far a trunk has been paid for
        self._first: dict[int, Trace] = {}

    def drive(self, search: Search[R]) -> R:
        """Run a search to its end and return its result; Ctrl-C makes it end with what it knows."""
        try:
            asks = next(search)
            while True:
                try:
                    answers = self.answer(asks)
                except (KeyboardInterrupt, Interrupted):
                    self.progress.interrupted = True
                    asks = search.throw(Interrupted())
                else:
                    asks = search.send(answers)
        except StopIteration as end:
            result: R = end.value
            return result
        finally:
            search.close()

    def answer(self, asks: Asks) -> Answers:
        """The answers to a list of asks, in its order; equal asks are answered by one run."""
        waiting = list(dict.fromkeys(asks))
        found: dict[Ask, Answer] = {}
        running: dict[int, Line] = {}
        try:
            while True:
                self._fill(waiting, running, found)
                if not (waiting or running):
                    break
                for line, answer in self._heard(running, _PATIENCE):
                    found[line.ask] = answer
                self._watch(self.progress)
        except BaseException:
            self._abandon(running)
            raise
        self._watch(self.progress)
        return [found[ask] for ask in asks]

    # -- beginning

    def _fill(self, waiting: Asks, running: dict[int, Line], found: dict[Ask, Answer]) -> None:
        """Start what there is room for; what is known, or made elsewhere, is not started."""
        for ask in list(waiting):
            known = self.memory.known(ask) if self.memory else None
            if known is not None:
                found[ask] = known
                self._recall(ask, known)
                waiting.remove(ask)
                continue
            if len(running) >= self.engine.slots:
                continue
            trunk = self._missing_trunk(ask)
            if trunk is not None:
                if not any(line.ask.line == trunk.line for line in running.values()):
                    self._start(self._line(trunk, trunk=True), running)
            elif self.memory is None or self.memory.claim(ask):
                self._start(self._line(ask), running)
                waiting.remove(ask)

    def _missing_trunk(self, ask: Ask) -> Ask | None:
        """The trunk that has to be made before this ask can be forked from it, or None."""
        trunk = ask.trunk
        if trunk is None or not self.engine.forks or ask.line in self._paused:
            return None
        paused = self._paused.get(trunk.line)
        if paused is None:
            return None if trunk.line in self._trunks else trunk  # a trunk that ended is not tried again
        return trunk if not paused.alive or paused.t < trunk.goal else None

    def _line(self, ask: Ask, trunk: bool = False) -> Line:
        """The paused run that this ask continues, or a new one."""
        line = self._paused.get(ask.line)
        if line is None or line.t > ask.goal:
            line = Line(len(self.progress.lines), ask, trunk=trunk)
            self.progress.lines.append(line)
        self._paused.pop(ask.line, None)
        line.ask, line.state, line.again = ask, "running", 0.0
        return line

    def _start(self, line: Line, running: dict[int, Line]) -> None:
        """Send a line to its goal: from where it is paused, from its trunk, or from the start."""
        running[line.number] = line
        ask, trunk = line.ask, line.ask.trunk
        if line.alive:
            return self.engine.advance(line.number, ask)
        line.alive = True
        paused = None if trunk is None else self._paused.get(trunk.line)
        if trunk is not None and paused is not None and paused.alive and paused.t == trunk.goal:
            return self.engine.fork(line.number, paused.number, ask)
        line.legs = [*line.past, ask]
        return self.engine.start(line.number, line.legs.pop(0))

    # -- hearing

    def _heard(self, running: dict[int, Line], seconds: float) -> Iterator[tuple[Line, Answer]]:
        for report in self.engine.wait(seconds):
            line = running.get(report.run)
            if line is None:
                continue
            line.t, line.loss = report.t, report.loss
            if report.lost is not None:
                self.progress.cost += report.cost
                raise TaskError(f"{_called(line.ask)} was lost: {report.lost}")
            if report.trace is None:
                continue
            if line.legs and report.trace.ended == "paused":  # made again: on to the next pause
                line.again += report.cost
                self.engine.advance(line.number, line.legs.pop(0))
                continue
            del running[report.run]
            answer = self._answer(line, report, report.trace)
            if answer is not None:
                yield line, answer

    def _answer(self, line: Line, report: Report, trace: Trace) -> Answer | None:
        """What a finished report answers; None for a trunk, which nobody asked for."""
        line.state, line.trace = trace.ended, trace
        line.alive = trace.ended == "paused"
        self.progress.cost += report.cost + line.again
        if line.trunk:
            self._trunks[line.ask.line] = self._trunks.get(line.ask.line, 0.0) + report.cost
            if line.alive:
                self._paused[line.ask.line] = line
            return None
        if trace.ended == "failed" and _BLOWN_UP.search(trace.error or ""):  # how this task says it
            trace = trace.replace(ended="diverged")
        answer = self._priced(line.ask, Answer(trace, report.cost - report.again, report.again + line.again))
        self._check(line.ask, trace)
        if self.memory:
            answer = self.memory.record(line.ask, answer)
        self._noted(line, answer)
        return answer

    def _priced(self, ask: Ask, answer: Answer) -> Answer:
        """With the part of the trunk that this fork is the first to use; what was made twice is told apart."""
        if ask.trunk is None or not self.engine.forks:
            return answer
        spent = self._trunks.get(ask.trunk.line, 0.0)
        fair = max(0, ask.trunk.goal - self._paid.get(ask.trunk.line, 0))
        own = min(spent, fair)
        self._trunks[ask.trunk.line] = 0.0
        return dataclasses.replace(answer, cost=answer.cost + own, again=answer.again + spent - own)

    def _recall(self, ask: Ask, answer: Answer) -> None:
        """An answer that was there before, or came from another process."""
        line = self._paused.pop(ask.line, None) or Line(len(self.progress.lines), ask)
        if line.number == len(self.progress.lines):
            self.progress.lines.append(line)
        line.ask, line.t, line.trace = ask, ask.goal, answer.trace
        if line.alive:  # another process has taken it further than the one that is here
            self.engine.stop(line.number)
        line.alive, line.state = False, "recorded"
        self.progress.cost += answer.cost + answer.again
        self._check(ask, answer.trace)
        self._noted(line, answer)

    def _noted(self, line: Line, answer: Answer) -> None:
        self.progress.answered += 1
        ask = line.ask
        if ask.trunk is not None:
            self._paid[ask.trunk.line] = max(self._paid.get(ask.trunk.line, 0), ask.trunk.goal)
        if answer.trace.ended == "paused":
            line.past.append(ask)
            self._paused[ask.line] = line

    def _check(self, ask: Ask, trace: Trace) -> None:
        """Refuse what no search can learn from."""
        if trace.ended == "failed":
            raise _with(trace, f"{_called(ask)} failed: {trace.error}")
        if trace.ended == "stopped":
            raise _with(trace, f"{_called(ask)} ended early: {trace.error}")
        first = self._first.setdefault(trace.seed, trace)
        unpaired = check_pairing([first, trace])
        if unpaired is not None:
            raise _with(trace, f"{unpaired.name}: runs of seed {trace.seed} begin differently. {unpaired.advice}")

    def _abandon(self, running: dict[int, Line]) -> None:
        for line in running.values():
            line.state = "stopped"
            self.engine.stop(line.number)
            if self.memory:
                self.memory.release(line.ask)


def _called(ask: Ask) -> str:
    return f"the run of {ask.policy.optimizer} at rate {ask.rate:.3g}, seed {ask.seed}, {ask.goal} updates"


def _with(trace: Trace, text: str) -> TaskError:
    error = TaskError(text)
    error.trace = trace
    return error
