"""The joint search: the best rate of every optimizer, then everything else, one choice at a time, then the proof.

It begins with a ladder for each optimizer under the first schedule of the space. On one common length, which the budget
decides, the best of them meets its rivals: every other schedule, then every warmup, then every setting. All runs of
that length are paired: same seeds, same batches. A rival runs at the rate of the champion first; those that come close
get a bracket of their own. What is left of the budget goes to longer runs of the champion and of those that it could
not be told apart from, and to more seeds of them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Generator

from ..comparison.student import t_quantile
from ..finder.asking import Answers, Asks, Interrupted, Search
from ..finder.conclusion import Conclusion, conclude
from ..finder.ladder import FINE, Ladder, Purse, Seen, spoken
from ..finder.problem import Problem
from ..finder.results import RunnerUp, oriented
from ..runs import Task
from .space import Arm, Space

EXPLORED = 0.6
"""The share of the budget that goes to finding the champion; the rest to making sure."""

CLOSE = 0.10
"""How much worse, in units of the logarithm of the loss, a rival may be at the champion's rate to get its own bracket."""

MARGIN = 0.01
"""By how much a rival has to be better to become the champion: of equals, the earlier and plainer one stays."""

FINALISTS = 2
"""How many rivals meet the champion again in longer runs."""

SHOWN = 5
_LEVEL = 0.9

Steps = Generator[Asks, Answers, None]


class Contest:
    """The search for a policy; `ladders` holds what has been seen of every arm."""

    def __init__(self, task: Task, space: Space, budget: float, seed: int) -> None:
        self.task = task
        self.space = space
        self.seed = seed
        self.purse = Purse(budget * task.updates)
        self.ladders: dict[Arm, Ladder] = {}
        self.champion = space.first(space.optimizer[0])

    def search(self) -> Search[None]:
        """The whole of it; ends where the budget does, and when it is interrupted."""
        try:
            if len(self.space.optimizer) == 1 and not self.space.dimensions(self.space.optimizer[0]):
                yield from self.ladder(self.champion).search()
            else:
                yield from self.explore()
                yield from self.decide()
        except (Interrupted, KeyboardInterrupt):
            return

    def ladder(self, arm: Arm) -> Ladder:
        """What is known of an arm, begun with what all of them share."""
        if arm not in self.ladders:
            low, usual, high = self.space.range(arm.optimizer)
            name = str(arm.schedule)
            problem = Problem(self.task, arm.schedule, arm.optimizer, low, high, usual, arm.settings, {}, self.seed, name)
            self.ladders[arm] = Ladder(problem, self.purse)
            begun = next((ladder for ladder in self.ladders.values() if ladder.begun), None)
            if begun is not None:
                self.ladders[arm].untrained, self.ladders[arm].limit = begun.untrained, begun.limit
        return self.ladders[arm]

    # -- finding the champion

    def explore(self) -> Steps:
        """A champion among optimizers, then among everything else, on one common length."""
        firsts = [self.space.first(optimizer) for optimizer in self.space.optimizer]
        yield from self.ladder(firsts[0]).begin()
        for arm in firsts:
            if self.affords(3, self.ladder(arm).first_level()):
                yield from self.ladder(arm).scan()
        level = self.common_level(firsts)
        for arm in self.ranked(firsts):
            if self.affords(3, level):
                yield from self.ladder(arm).refine(level)
        self.champion = self.best_of(firsts)
        for dimension in self.space.dimensions(self.champion.optimizer):
            yield from self.vary(dimension, level)

    def common_level(self, firsts: list[Arm]) -> int:
        """The length at which everything is compared, such that the exploration can be paid for."""
        full = self.task.updates
        dimensions = {d: self.space.variations(firsts[0], d) for d in self.space.dimensions(firsts[0].optimizer)}
        runs = 3.5 * len(firsts) + sum(len(arms) + 2 for arms in dimensions.values())
        total = self.purse.left + self.purse.spent
        affordable = (EXPLORED * total - self.purse.spent) / runs - self.task.evaluation
        shortest = max(self.ladder(arm).first_level() for arm in firsts)
        return max(shortest, min(full // 2 or 1, int(affordable)))

    def vary(self, dimension: str, level: int) -> Steps:
        """The champion against every other value of one dimension."""
        place = self.place(self.champion, level)
        rivals = []
        for arm in self.space.variations(self.champion, dimension):
            if self.affords(1, level):
                yield from self.ladder(arm).ask([place], level, role=dimension)
                rivals.append(arm)
        near = [arm for arm in self.ranked(rivals) if self.height(arm, level) < self.height(self.champion, level) + CLOSE]
        for arm in near[:2]:
            if self.affords(2, level):
                yield from self.ladder(arm).ask([place - FINE, place + FINE], level, role=dimension)
                yield from self.ladder(arm).bracket(level, 0, FINE)
        for arm in near:
            if self.height(arm, level) < self.height(self.champion, level) - MARGIN:
                self.champion = arm

    # -- making sure

    def decide(self) -> Steps:
        """Longer runs of the champion and its closest rivals, then more seeds of them."""
        rivals = [arm for arm in self.ranked(list(self.ladders)) if arm != self.champion][:FINALISTS]
        level = self.last_level(len(rivals))
        if level:
            yield from self.ladder(self.champion).refine(level)
            for arm in rivals:
                if self.affords(1, level):
                    yield from self.ladder(arm).ask([self.place(arm, level)], level, role="rival")
            self.champion = self.best_of([self.champion, *rivals], level)
        level = level or max(seen.updates for seen in self.ladder(self.champion).seen)
        yield from self.confirm([self.champion, *(arm for arm in rivals if arm != self.champion)], level)

    def last_level(self, rivals: int) -> int:
        """The length of the last runs; 0 where nothing longer than before can be paid for."""
        longest = max((seen.updates for ladder in self.ladders.values() for seen in ladder.seen), default=0)
        affordable = int(self.purse.left / (4 + rivals)) - math.ceil(self.task.evaluation)
        level = min(self.task.updates, affordable)
        return level if level > 1.4 * longest else 0

    def confirm(self, arms: list[Arm], level: int) -> Steps:
        """The champion at its rate with other seeds, its rivals beside it, then its neighbours, while the budget lasts."""
        for seed in range(1, 50):
            for arm in arms:
                if not self.affords(1, level):
                    return
                yield from self.ladder(arm).ask([self.place(arm, level)], level, seed, role="confirm")
            place = self.place(self.champion, level)
            if not self.affords(2, level):
                return
            yield from self.ladder(self.champion).ask([place - FINE, place + FINE], level, seed, role="confirm")

    # -- what is known

    def affords(self, runs: float, updates: int) -> bool:
        """Whether so many runs can be paid for."""
        return runs * (updates + self.task.evaluation) <= self.purse.left

    def place(self, arm: Arm, level: int) -> float:
        """Where the best rate of an arm is believed to be on a level; an arm with one run is asked there again."""
        ladder = self.ladder(arm)
        best = ladder.best_of(level, 0)
        if best is not None and sum(seen.updates == level for seen in ladder.seen) >= 3:
            return best.x
        return ladder.snapped(ladder.expected(level))

    def height(self, arm: Arm, level: int, seed: int = 0) -> float:
        """The best of an arm on a level, such that less is better; infinite without one."""
        ladder = self.ladder(arm)
        best = ladder.best_of(level, seed)
        if best is None:
            return math.inf
        return self.forward(best.value)

    def forward(self, value: float) -> float:
        """How values are compared: logarithms of losses, else shares of what there is to gain; one scale for all."""
        every = Ladder(self.ladder(self.champion).problem, self.purse)
        every.seen = [seen for ladder in self.ladders.values() for seen in ladder.seen]
        every.untrained = self.ladder(self.champion).untrained
        return every.coordinates()[0](value)

    def ranked(self, arms: list[Arm]) -> list[Arm]:
        """Arms by their best on the longest level that they were run on; longer levels first."""

        def rank(arm: Arm) -> tuple[int, float]:
            seen = [one for one in self.ladder(arm).seen if math.isfinite(one.value)]
            longest = max((one.updates for one in seen), default=0)
            return -longest, self.height(arm, longest)

        return sorted((arm for arm in arms if self.ladder(arm).seen), key=rank)

    def best_of(self, arms: list[Arm], level: int | None = None) -> Arm:
        """The best arm of a level, by default the longest that every one of them has runs on."""
        if level is None:
            shared = set.intersection(*({seen.updates for seen in self.ladder(arm).seen} or {0} for arm in arms))
            level = max(shared, default=0)
        best = min(arms, key=lambda arm: self.height(arm, level))
        return best if self.height(best, level) < self.height(arms[0], level) - MARGIN else arms[0]

    # -- what it comes to

    def conclusion(self) -> Conclusion:
        """What is said about the champion."""
        return conclude(self.ladder(self.champion))

    def runner_ups(self) -> list[RunnerUp]:
        """The other arms: those that cannot be told apart from the champion first, then the next best."""
        others = [arm for arm in self.ranked(list(self.ladders)) if arm != self.champion]
        found = [runner for arm in others if (runner := self._runner_up(arm)) is not None]
        return sorted(found, key=lambda runner: (not runner.tied, runner.ratio if self.task.mode == "min" else -runner.ratio))[
            :SHOWN
        ]

    def more(self) -> str:
        """What a larger budget would be spent on, in a sentence."""
        full = self.task.updates
        longest = max((seen.updates for seen in self.ladder(self.champion).seen), default=0)
        if longest < full:
            return f"With more budget, the last runs would be longer than {longest} of {full} updates."
        return "With more budget, the winner and its rivals would be run on more seeds."

    def _runner_up(self, arm: Arm) -> RunnerUp | None:
        """An arm against the champion over the levels and seeds that both have, longest first."""
        mine, other = (self._bests(one) for one in (self.champion, arm))
        shared = sorted(mine.keys() & other.keys())
        if not shared:
            return None
        longest = shared[-1][0]
        gaps = [
            self.forward(other[key].value) - self.forward(mine[key].value) for key in shared if key[0] == longest
        ]
        middle, half = statistics.fmean(gaps), math.inf
        if len(gaps) > 1:
            half = t_quantile(_LEVEL, len(gaps) - 1) * statistics.stdev(gaps) / math.sqrt(len(gaps))
        known = math.isfinite(half)
        tied = middle <= half if known else middle < CLOSE
        ends = (self._shown(middle - half), self._shown(middle + half)) if known else None
        rate = spoken(other[shared[-1]].x, 3)
        policy = self.ladder(arm).problem.policy(rate).over(self.task.updates, **self.task.units)
        interval = None if ends is None else (min(ends), max(ends))
        ratio, ours = self._shown(middle), self.conclusion().objective
        objective = ours * ratio if self._logarithmic else ours + ratio
        return RunnerUp(policy, rate, objective, ratio, interval, tied)

    def _bests(self, arm: Arm) -> dict[tuple[int, int], Seen]:
        """The best run of every level and seed."""
        found: dict[tuple[int, int], Seen] = {}
        for seen in self.ladder(arm).seen:
            if math.isfinite(seen.value):
                key = seen.updates, seen.seed
                kept = found.get(key)
                if kept is None or oriented(seen.value, self.task.mode) < oriented(kept.value, self.task.mode):
                    found[key] = seen
        return found

    @property
    def _logarithmic(self) -> bool:
        """Whether values are compared as ratios."""
        every = [seen.value for ladder in self.ladders.values() for seen in ladder.seen if math.isfinite(seen.value)]
        return self.task.mode == "min" and min(every) > 0

    def _shown(self, gap: float) -> float:
        """A gap as `RunnerUp` tells it: a ratio of losses, or a difference of what is maximised."""
        every = [seen.value for ladder in self.ladders.values() for seen in ladder.seen if math.isfinite(seen.value)]
        if self._logarithmic:
            return math.exp(gap)
        low, high = self.forward(min(every)), self.forward(max(every))
        spread = (max(every) - min(every)) / abs(high - low) if high != low else 1.0
        return gap * spread * (1 if self.task.mode == "min" else -1)
