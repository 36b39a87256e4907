"""Rules that listen to a metric: pure functions `state, factor = rule(state, metric)`.

A rule never sees a rate. It answers with a factor, and whoever applies it multiplies the schedule by it, so that warmup
and plateau, or cosine and plateau, just work. The state is plain data (numbers, text, lists): it goes into any
checkpoint and into JSON, and a rule resumed from it continues exactly. Numbers that are not finite are kept as text.

Libraries bound the rate itself (`min_lr`); a factor is bounded here instead: a lower bound on the rate translates as
`floor = min_lr / base rate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .errors import ParameterError, StateError, UsageError
from .spec import NOT_FINITE, Declared, Registry, choice, number, shorten, spelled, unspelled

State = dict[str, Any]

RULES: Registry[type[Rule]] = Registry("feedback rule", form="text")

_MODES = ("min", "max")
_SPREAD = {"torch": "rel", "paddle": "rel", "optax": "rel", "keras": "abs"}


class Rule(Declared):
    """The contract of every rule that listens; a subclass is known by its name at once.

    `start()` is the first state, `rule(state, metric)` the next state and the factor, `multiplier(state)` the factor
    that holds until the next report, and `read(state)` a checked copy of a state that comes from a checkpoint.
    """

    fresh: ClassVar[State] = {"factor": 1.0}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        RULES.add(cls.__name__, cls)

    def start(self) -> State:
        """The state before the first report."""
        return {name: list(value) if isinstance(value, list) else value for name, value in self.fresh.items()}

    def __call__(self, state: Mapping[str, Any], metric: Any) -> tuple[State, float]:
        """The state and the factor after one more report."""
        after = self.listen(self._numbers(state), metric_value(metric))
        return {name: _plain(value) for name, value in after.items()}, after["factor"]

    def listen(self, state: State, value: float) -> State:
        """The next state; `state` is this call's own copy, with every number a float or an int."""
        raise NotImplementedError(f"{type(self).__name__} must say what it does with a report")

    def multiplier(self, state: Mapping[str, Any]) -> float:
        """The factor that holds until the next report."""
        return float(self._numbers(state)["factor"])

    def read(self, state: object) -> State:
        """A checked copy of a state; raises `StateError`."""
        return {name: _plain(value) for name, value in self._numbers(state).items()}

    def _numbers(self, state: object) -> State:
        """A checked copy, with the text of numbers that are not finite turned back into numbers."""
        name = type(self).__name__
        expected = self.start()
        if not isinstance(state, Mapping) or set(state) != set(expected):
            raise StateError(f"a state of {name} has the keys {sorted(expected)}, got {shorten(state)}")
        read = {key: _number(name, key, state[key], expected[key]) for key in expected}
        if not (math.isfinite(read["factor"]) and read["factor"] >= 0):
            raise StateError(f"{name} state: factor must be a finite number >= 0, got {shorten(state['factor'])}")
        return read


def metric_value(metric: Any) -> float:
    """A reported metric as a float: a number, or an array or tensor of one; NaN and infinity are reports too."""
    try:
        plain = metric.item() if hasattr(metric, "item") else metric
        if isinstance(plain, (bool, str, bytes)):
            raise TypeError
        return float(plain)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # RuntimeError: what torch says to .item() of many
        raise UsageError(f"a metric must be one number that fits a float, got {shorten(metric)}") from None


class Plateau(Rule):
    """Multiply the rate by `factor` whenever the metric has stopped improving.

    Pick it when the length of the run is not known, or as a safety net under another schedule; a schedule that knows
    its length (cosine, linear) usually ends better. Report one number per evaluation.

    The libraries that ship this rule disagree; `convention` names the one to follow, value for value:

    - `"torch"` (Transformers and mmengine too) and `"paddle"` reduce when more than `patience` reports in a row were
      bad, `"keras"` and `"optax"` when `patience` were: one report earlier.
    - What counts as better: `threshold` is relative to the best in torch, Paddle and optax, absolute in Keras.
      A relative one misbehaves for negative metrics (the bar lies on the wrong side), as it does in those libraries.
    - During `cooldown` torch, Keras and optax still remember a new best, Paddle does not. Keras starts no cooldown when
      the floor leaves nothing to reduce.
    - A first report of NaN is never beaten in Keras and Paddle; in torch and optax it counts as bad.
    - optax reduces when the count *equals* `patience`, so with `patience=0` it reduces on improvements.
      It has no `mode="max"`; here that is the mirror image.

    Units: `patience`, `cooldown` and `average` in reports; `floor` and `eps` in the factor (`floor = min_lr / base`).
    Raises `ParameterError` when built with a value that breaks its rule.

    >>> rule = Plateau(factor=0.1, patience=2)
    >>> state, factors = rule.start(), []
    >>> for metric in [1.0] * 7:
    ...     state, factor = rule(state, metric)
    ...     factors.append(round(factor, 6))
    >>> factors
    [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01]
    """

    factor: float = number("γ", "", "what each reduction multiplies the rate by", default=0.1, gt=0, lt=1)
    patience: int = number(
        "p", "reports", "bad reports in a row that are endured", default=10, ge=0, whole=True, span=(0, 6)
    )
    threshold: float = number("ε", "", "how much better than the best counts as better", default=1e-4, ge=0)
    threshold_mode: str = choice(
        "", "relative to the best, absolute, or what the convention does", ("auto", "rel", "abs"), default="auto"
    )
    cooldown: int = number(
        "c", "reports", "reports after a reduction that are not counted", default=0, ge=0, whole=True, span=(0, 4)
    )
    floor: float = number("m", "", "the factor never falls below this", default=0.0, ge=0, le=1)
    mode: str = choice("", "whether a lower or a higher metric is better", _MODES, default="min")
    convention: str = choice("", "the library whose details to follow", tuple(_SPREAD), default="torch")
    eps: float | None = number(
        "",
        "",
        "reductions of the factor up to this are left out; by default 1e-8 in torch and paddle, 0 in keras and optax",
        default=None,
        ge=0,
        le=0.1,
    )
    atol: float = number("", "", "an absolute margin on top of the relative threshold (optax only)", default=0.0, ge=0)
    average: int = number(
        "n", "reports", "reports averaged into one before it counts", default=1, ge=1, whole=True, span=(1, 3)
    )

    fresh: ClassVar[State] = {"factor": 1.0, "best": None, "bad": 0, "cooldown": 0, "pending": 0, "mean": 0.0}

    def check(self) -> None:
        if self.convention == "keras" and self.threshold_mode == "rel":
            raise ParameterError(
                "Plateau.threshold_mode must be 'abs' with convention='keras', got 'rel'; Keras compares differences"
            )
        if self.convention != "optax":
            if self.atol:
                raise ParameterError(
                    f"Plateau.atol belongs to convention='optax', got {self.atol!r} with {self.convention!r}; "
                    "use threshold with threshold_mode='abs'"
                )
        elif self.threshold > 1 and self._spread == "rel":
            raise ParameterError(f"Plateau.threshold must be <= 1 with convention='optax', got {self.threshold!r}")
        elif self.threshold == 0 and self.atol == 0:
            raise ParameterError("Plateau.threshold or Plateau.atol must be > 0 with convention='optax', got 0 and 0")

    @property
    def _spread(self) -> str:
        return _SPREAD[self.convention] if self.threshold_mode == "auto" else self.threshold_mode

    def listen(self, state: State, value: float) -> State:
        pending = state["pending"] + 1
        value = (state["pending"] * state["mean"] + value) / pending if self.average > 1 else value
        if pending < self.average:
            return state | {"pending": pending, "mean": value}
        state |= {"pending": 0, "mean": 0.0}
        fires = _CONVENTIONS[self.convention](self, state, value)
        return self._reduced(state) if fires else state

    def better(self, value: float, best: float | None) -> bool:
        """Whether a report counts as better than the best so far (None: there is none)."""
        sign = 1.0 if self.mode == "min" else -1.0
        if self.convention == "keras":
            return best is None or sign * (value + sign * self.threshold) < sign * best
        if best is None and self.convention == "paddle":
            return True
        best = sign * math.inf if best is None else best
        if self._spread == "abs":
            bar = best - sign * self.threshold
        elif self.convention == "paddle":
            bar = best - sign * best * self.threshold
        else:
            bar = best * (1.0 - sign * self.threshold) - sign * self.atol
        return sign * value < sign * bar

    def _reduced(self, state: State) -> State:
        eps = self.eps if self.eps is not None else 1e-8 if self.convention in ("torch", "paddle") else 0.0
        factor = max(state["factor"] * self.factor, self.floor)
        if state["factor"] - factor > eps:
            return state | {"factor": factor, "bad": 0, "cooldown": self.cooldown}
        return state if self.convention == "keras" else state | {"bad": 0, "cooldown": self.cooldown}


def _count_then_cool(rule: Plateau, state: State, value: float) -> bool:
    """torch and optax: the best is kept also during cooldown. True when the rate is to be reduced."""
    if rule.better(value, state["best"]):
        state |= {"best": value, "bad": 0}
    else:
        state["bad"] += 1
    if state["cooldown"] > 0:
        state |= {"cooldown": state["cooldown"] - 1, "bad": 0}
        return False
    bad: int = state["bad"]
    return bad == rule.patience if rule.convention == "optax" else bad > rule.patience


def _cool_then_count(rule: Plateau, state: State, value: float) -> bool:
    """Keras: the report that ends the cooldown already counts."""
    if state["cooldown"] > 0:
        state |= {"cooldown": state["cooldown"] - 1, "bad": 0}
    if rule.better(value, state["best"]):
        state |= {"best": value, "bad": 0}
        return False
    if state["cooldown"] > 0:
        return False
    state["bad"] += 1
    return bool(state["bad"] >= rule.patience)


def _deaf_while_cooling(rule: Plateau, state: State, value: float) -> bool:
    """Paddle: a report during cooldown is not even compared."""
    if state["cooldown"] > 0:
        state["cooldown"] -= 1
        return False
    if rule.better(value, state["best"]):
        state |= {"best": value, "bad": 0}
    else:
        state["bad"] += 1
    return bool(state["bad"] > rule.patience)


_CONVENTIONS: dict[str, Callable[[Plateau, State, float], bool]] = {
    "torch": _count_then_cool,
    "optax": _count_then_cool,
    "keras": _cool_then_count,
    "paddle": _deaf_while_cooling,
}


class Greedy(Rule):
    """Raise the rate while the metric keeps improving, lower it while it does not.

    After more than `patience` improvements in a row the factor is divided by `factor`; after more than `patience` bad
    reports it is multiplied by it. Pick it when no good rate is known and reports are frequent and smooth; a tuned
    schedule is better where one can be had. Source: "GreedyLR: A Novel Adaptive Learning Rate Scheduler", 2025,
    arXiv:2512.14527; value for value the `GreedyLR` of Hugging Face Transformers.

    Transformers bounds the rate (`min_lr=1e-3`, `max_lr=1.0`); here the factor is bounded: `floor = min_lr / base` and
    `ceiling = max_lr / base`, whose defaults are Transformers' at a base rate of 0.1.
    Units: `patience`, `cooldown`, `warmup` and `window` in reports, `reset` in reductions at the floor.

    >>> rule = Greedy(factor=0.5, patience=1)
    >>> state, factors = rule.start(), []
    >>> for metric in [5.0, 4.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0]:
    ...     state, factor = rule(state, metric)
    ...     factors.append(factor)
    >>> factors
    [1.0, 2.0, 2.0, 4.0, 4.0, 2.0, 2.0, 1.0]
    """

    factor: float = number(
        "γ", "", "multiplies the rate when reports are bad, divides it when good", default=0.95, gt=0, lt=1
    )
    patience: int = number(
        "p", "reports", "equal verdicts in a row before the rate moves", default=10, ge=0, whole=True, span=(0, 6)
    )
    threshold: float = number("ε", "", "how much better than the best counts as better", default=1e-6, ge=0)
    threshold_mode: str = choice("", "relative to the best, or absolute", ("rel", "abs"), default="abs")
    cooldown: int = number(
        "c", "reports", "reports after a reduction that are not counted", default=0, ge=0, whole=True, span=(0, 4)
    )
    warmup: int = number(
        "w", "reports", "reports after an increase that are not counted", default=0, ge=0, whole=True, span=(0, 4)
    )
    floor: float = number("m", "", "the factor never falls below this", default=0.01, ge=0, le=1)
    ceiling: float = number("M", "", "the factor never rises above this", default=10.0, ge=1, span=(1.0, 20.0))
    mode: str = choice("", "whether a lower or a higher metric is better", _MODES, default="min")
    window: int = number(
        "n",
        "reports",
        "reports in the running mean that is judged; 1 judges each report",
        default=1,
        ge=1,
        whole=True,
        span=(1, 5),
    )
    reset: int = number(
        "r",
        "reductions",
        "reductions at the floor before the rule starts over",
        default=500,
        ge=1,
        whole=True,
        span=(1, 6),
    )
    eps: float = number("", "", "changes of the factor up to this are left out", default=1e-8, ge=0, le=0.1)

    fresh: ClassVar[State] = {
        "factor": 1.0, "best": None, "good": 0, "bad": 0, "cooldown": 0, "warmup": 0, "at_floor": 0,
        "recent": [], "sum": 0.0,
    }  # fmt: skip

    def listen(self, state: State, value: float) -> State:
        if self.window > 1:
            value = self._smoothed(state, value)
        for pause in ("cooldown", "warmup"):
            if state[pause] > 0:
                return state | {pause: state[pause] - 1, "good": 0, "bad": 0}
        if self.better(value, state["best"]):
            state |= {"best": value, "good": state["good"] + 1, "bad": 0}
        else:
            state |= {"good": 0, "bad": state["bad"] + 1}
        if state["good"] > self.patience:
            return self._raised(state) | {"warmup": self.warmup, "good": 0}
        if state["bad"] > self.patience:
            return self._lowered(state) | {"cooldown": self.cooldown, "bad": 0}
        return state

    def _smoothed(self, state: State, value: float) -> float:
        state |= {"recent": [*state["recent"], value], "sum": state["sum"] + value}
        if len(state["recent"]) > self.window:
            state["sum"] -= state["recent"].pop(0)
        return float(state["sum"] / len(state["recent"]))

    def better(self, value: float, best: float | None) -> bool:
        """Whether a report counts as better than the best so far (None: there is none)."""
        sign = 1.0 if self.mode == "min" else -1.0
        best = sign * math.inf if best is None else best
        relative = self.threshold_mode == "rel"
        bar = best * (1.0 - sign * self.threshold) if relative else best - sign * self.threshold
        return sign * value < sign * bar

    def _raised(self, state: State) -> State:
        factor = min(state["factor"] / self.factor, self.ceiling)
        change = {"factor": factor} if factor - state["factor"] > self.eps else {}
        return state | change | {"at_floor": 0}

    def _lowered(self, state: State) -> State:
        factor = max(state["factor"] * self.factor, self.floor)
        if state["factor"] - factor > self.eps:
            state["factor"] = factor
        if state["factor"] > self.floor:
            return state
        at_floor = state["at_floor"] + 1
        return state | {"at_floor": at_floor} if at_floor < self.reset else self.start()


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they travel as text."""
    return [_plain(item) for item in value] if isinstance(value, list) else spelled(value)


_MOST_REPORTS = 2**53


def _number(name: str, key: str, value: Any, like: Any) -> Any:
    """One entry of a state, checked against what a fresh state holds there: a count, a number, a list, nothing yet."""
    if isinstance(like, list) and isinstance(value, (list, tuple)):
        return [_number(name, key, item, 0.0) for item in value]
    if like is None and value is None:
        return None
    if type(like) is int:
        if type(value) is int and 0 <= value <= _MOST_REPORTS:
            return value
        raise StateError(f"{name} state: {key} must be a whole number >= 0, got {shorten(value)}")
    if not isinstance(like, list) and (type(value) in (int, float) or (isinstance(value, str) and value in NOT_FINITE)):
        try:
            return float(unspelled(value))
        except OverflowError:
            raise StateError(f"{name} state: {key} must be a number that fits a float, got {shorten(value)}") from None
    raise StateError(
        f"{name} state: {key} must be {'a list of numbers' if isinstance(like, list) else 'a number'}, "
        f"got {shorten(value)}"
    )
