"""The statistics of a comparison, against SciPy, against textbook formulas written another way, and by simulation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from learnrate import Policy
from learnrate.comparison import FIRST, Comparison, compare, curves
from learnrate.comparison.student import t_quantile, t_tail
from learnrate.errors import ParameterError, TaskError, UsageError
from learnrate.feedback import Plateau
from learnrate.trace import Trace

Table = Mapping[str, Sequence[float | None]]


def ended(objective: float | None, seed: int, rate: float = 0.1, **changes: Any) -> Trace:
    """A short run that came to this objective."""
    t = np.arange(4)
    given = {
        "evaluations": {"update": [2, 4], "val_loss": [1.0, math.nan if objective is None else objective]},
        "objective": objective,
        "seconds": 1.0 + seed,
        "policy": Policy("sgd", rate),
        "meta": {"task": "toy", "objective": "val_loss", "mode": "min"},
    }
    return Trace(t, np.full(4, rate), 2.0 + seed - 0.25 * t, seed=seed, **(given | changes))


def traces(table: Table) -> dict[str, list[Trace]]:
    """Name -> one run per seed; None leaves a run out."""
    return {
        name: [ended(value, seed, 0.1 * (i + 1)) for seed, value in enumerate(row) if value is not None]
        for i, (name, row) in enumerate(table.items())
    }


def judged(table: Table, **options: Any) -> Comparison:
    return compare(traces(table), **options)


# --- Student's t -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7.5, 38, 1000, 1e6])
def test_tail_agrees_with_scipy(degrees: float) -> None:
    for t in (0.01, 0.5, 1, 2, 3, 8, 50, 1e4):
        ours, theirs = t_tail(t, degrees), 2 * stats.t.sf(t, degrees)
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-300)
        assert t_tail(-t, degrees) == ours


@pytest.mark.parametrize("degrees", [1, 2, 5, 38, 1000])
def test_quantile_agrees_with_scipy(degrees: float) -> None:
    for level in (0.5, 0.9, 0.95, 0.999, 1 - 1e-6):
        assert t_quantile(level, degrees) == pytest.approx(stats.t.isf((1 - level) / 2, degrees), rel=1e-7)


# --- the table -------------------------------------------------------------------------------------------------------


def textbook(y: np.ndarray, best: int) -> tuple[float, int, list[float]]:
    """Two-way analysis of variance and Holm's correction, from their definitions: noise, degrees, corrected p."""
    policies, seeds = y.shape
    residual = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0, keepdims=True) + y.mean()
    degrees = (policies - 1) * (seeds - 1)
    noise = math.sqrt((residual**2).sum() / degrees)
    gaps = np.delete(y.mean(axis=1) - y[best].mean(), best)
    p = 2 * stats.t.sf(np.abs(gaps) / (noise * math.sqrt(2 / seeds)), degrees)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return noise, degrees, corrected.tolist()


@pytest.mark.parametrize("scale", ["ratio", "difference"])
@pytest.mark.parametrize(("policies", "seeds"), [(2, 2), (3, 3), (6, 4), (20, 3)])
def test_table_is_the_textbook_two_way_layout(policies: int, seeds: int, scale: Any) -> None:
    rng = np.random.default_rng(policies * seeds)
    y = np.exp(rng.normal(size=(policies, seeds)) * 0.2 + rng.normal(size=seeds) + np.arange(policies)[:, None] * 0.1)
    comparison = judged({f"p{i}": row.tolist() for i, row in enumerate(y)}, scale=scale)
    best = int(np.argmin(y.mean(axis=1)))
    noise, degrees, corrected = textbook(np.log(y) if scale == "ratio" else y, best)
    assert comparison.noise == pytest.approx(noise, rel=1e-9)
    assert comparison.degrees == degrees
    found = {row.name: row for row in comparison.rows}
    others = [found[f"p{i}"] for i in range(policies) if i != best]
    assert [row.difference.p for row in others if row.difference] == pytest.approx(corrected, rel=1e-6)
    assert [row.mean for row in comparison.rows] == sorted(y.mean(axis=1))
    for i, row in enumerate(y):
        half = stats.t.isf(0.025, seeds - 1) * stats.sem(row)
        assert (found[f"p{i}"].low, found[f"p{i}"].high) == pytest.approx((row.mean() - half, row.mean() + half))


@pytest.mark.parametrize("scale", ["ratio", "difference"])
def test_intervals_leave_out_zero_exactly_when_a_policy_is_told_apart(scale: Any) -> None:
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(30):
        y = np.exp(0.1 * rng.normal(size=(5, 3)) + np.linspace(0, 0.6, 5)[:, None])
        for row in judged({f"p{i}": row.tolist() for i, row in enumerate(y)}, scale=scale).rows[1:]:
            assert row.difference is not None
            assert row.difference.low is not None
            assert row.difference.p is not None
            assert (row.difference.low > 0) == (not row.tied) == (row.difference.p <= 0.05)
            seen.add(row.tied)
    assert seen == {True, False}


def test_two_policies_are_the_paired_t_test() -> None:
    a, b = [0.30, 0.33, 0.37, 0.31], [0.35, 0.36, 0.44, 0.33]
    comparison = judged({"a": a, "b": b}, scale="difference")
    theirs = stats.ttest_rel(b, a)
    gap = comparison.rows[1].difference
    assert gap is not None
    assert gap.p == pytest.approx(theirs.pvalue, rel=1e-8)
    interval = theirs.confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((interval.low, interval.high))


def test_seconds_are_the_median() -> None:
    assert judged({"a": [1.0, 2.0, 3.0]}).rows[0].seconds == 2.0


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)), st.floats(1e-6, 1e6))
def test_neither_order_nor_unit_changes_the_answer(order: Sequence[int], unit: float) -> None:
    y = np.array([[0.30, 0.33, 0.36], [0.31, 0.35, 0.37], [0.50, 0.52, 0.57]])
    runs = [ended(unit * y[i, s], s, 0.1 * (i + 1)) for i in range(3) for s in range(3)]
    first, second = compare(runs), compare([ended(y[k // 3, k % 3], k % 3, 0.1 * (k // 3 + 1)) for k in order])
    assert [row.policy for row in first.rows] == [row.policy for row in second.rows]
    for a, b in zip(first.rows[1:], second.rows[1:], strict=True):
        assert a.difference is not None
        assert b.difference is not None
        assert a.difference.p == pytest.approx(b.difference.p, rel=1e-6)


# --- errors of the verdict, by simulation ----------------------------------------------------------------------------


@pytest.mark.parametrize(("policies", "most"), [(2, 0.08), (4, 0.05)])
def test_a_single_winner_among_equals_is_rare(policies: int, most: float) -> None:
    rng = np.random.default_rng(0)
    named, trials = 0, 400
    for _ in range(trials):
        y = np.exp(0.2 * rng.normal(size=(policies, 3)) + rng.normal(size=3))
        named += judged({f"p{i}": row.tolist() for i, row in enumerate(y)}).winner is not None
    assert named / trials <= most


def test_a_clear_winner_is_found() -> None:
    rng = np.random.default_rng(1)
    found, trials = 0, 60
    for _ in range(trials):
        y = np.exp(0.1 * rng.normal(size=(4, 3)) + rng.normal(size=3) + np.array([0, 0.6, 0.7, 0.8])[:, None])
        winner = judged({f"p{i}": row.tolist() for i, row in enumerate(y)}).winner
        found += winner is not None and winner.name == "p0"
    assert found >= 0.9 * trials


# --- runs that are missing or came to grief --------------------------------------------------------------------------

GOOD: Table = {"a": [0.30, 0.33, 0.36], "b": [0.33, 0.32, 0.37], "c": [0.60, 0.63, 0.70]}


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_runs_that_came_to_grief_rank_last_and_change_nothing_else(outcome: Any) -> None:
    alone = judged(GOOD)
    bad = [
        ended(0.01, 0, 9.0),
        ended(math.nan, 1, 9.0, ended=outcome, error="loss is inf at update 3"),
        ended(0.01, 2, 9.0),
    ]
    both = compare({"bad": bad, **traces(GOOD)})
    assert both.rows[:3] == alone.rows
    assert (both.noise, both.degrees) == (alone.noise, alone.degrees)
    last = both.rows[3]
    assert (last.outcome, last.mean, last.difference, last.tied) == (outcome, None, None, False)
    assert last.note == f"{outcome} in 1 of 3 runs: loss is inf at update 3"
    assert f'1 policy {outcome}: "bad".' in both.verdict


def test_an_objective_that_is_not_finite_is_divergence() -> None:
    assert compare({"a": [ended(math.inf, 0)]}).rows[0].outcome == "diverged"


def test_nobody_converged() -> None:
    comparison = compare({"a": [ended(math.nan, 0, ended="diverged")]})
    assert (comparison.best, comparison.winner, comparison.group) == (None, None, ())
    assert comparison.verdict == 'No policy converged, so there is nothing to rank. 1 policy diverged: "a".'


def test_interrupted_runs_are_missing_rather_than_bad() -> None:
    halfway = traces({"a": [0.30, 0.33, 0.36], "b": [0.32, 0.36, None], "c": [0.60, 0.63, None]})
    halfway["b"].append(ended(None, 2, 0.2, ended="stopped"))
    comparison = compare(halfway, scale="difference")
    rows = {row.name: row for row in comparison.rows}
    assert [row.outcome for row in comparison.rows] == ["converged"] * 3
    assert rows["b"].seeds == (0, 1)
    gap = rows["b"].difference
    assert gap is not None
    assert gap.seeds == (0, 1)
    assert gap.mean == pytest.approx(0.025)
    assert comparison.degrees == 7 - 3 - 3 + 1
    design = np.array([[i == 0, i == 1, i == 2, s == 1, s == 2] for i, s in
                       [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1)]], dtype=float)  # fmt: skip
    values = np.array([0.30, 0.33, 0.36, 0.32, 0.36, 0.60, 0.63])
    residual = values - design @ np.linalg.solve(design.T @ design, design.T @ values)
    assert comparison.noise == pytest.approx(math.sqrt(residual @ residual / 2))


def test_a_policy_without_a_common_seed_cannot_be_told_apart() -> None:
    comparison = compare({**traces({"a": [0.30, 0.33], "b": [0.60, 0.64]}), "c": [ended(0.9, 7)]})
    last = comparison.rows[-1]
    assert (last.name, last.difference, last.tied) == ("c", None, True)


def test_only_unfinished_runs() -> None:
    row = compare({"a": [ended(None, 0, ended="stopped")]}).rows[0]
    assert (row.outcome, row.note) == ("unfinished", "unfinished in 1 of 1 run")


# --- the verdict -----------------------------------------------------------------------------------------------------


def test_verdict_names_the_winner_by_how_much_and_how_sure() -> None:
    verdict = judged({"a": [0.30, 0.33, 0.36], "b": [0.40, 0.43, 0.47], "c": [0.60, 0.67, 0.70]}).verdict
    assert verdict.startswith('"a" is best: val_loss 0.33; "b" ends 31 % higher, interval 2')
    assert "Holm's correction for 2 comparisons, 3 seeds)." in verdict


def test_verdict_names_the_group() -> None:
    comparison = judged(GOOD)
    assert comparison.winner is None
    assert [row.name for row in comparison.group] == ["a", "b"]
    assert comparison.verdict.startswith('2 policies cannot be told apart with 3 seeds: "a" and "b". "a" has the best')
    assert comparison.verdict.endswith('The other one that converged, "c", is worse.')


def test_one_seed_says_nothing_about_noise() -> None:
    comparison = judged({"a": [0.30], "b": [0.60]})
    assert (comparison.noise, comparison.degrees, comparison.winner) == (None, 0, None)
    assert [row.tied for row in comparison.rows] == [True, True]
    assert comparison.verdict == (
        '"a" has the best mean (val_loss 0.3; "b" ends 100 % higher), but with 1 seed nothing can be said about noise: '
        "run at least 3 seeds."
    )


def test_one_policy_has_nothing_to_compare() -> None:
    assert (
        judged({"a": [0.3, 0.4]}).verdict == 'Only "a" converged (val_loss 0.35); there is nothing to compare it with.'
    )


def test_policies_that_end_exactly_alike_are_tied() -> None:
    comparison = judged({"a": [0.30, 0.40], "b": [0.30, 0.40]})
    assert [row.tied for row in comparison.rows] == [True, True]
    assert comparison.rows[1].difference is not None
    assert comparison.rows[1].difference.p == 1.0


def test_differences_without_any_noise_are_certain() -> None:
    comparison = judged({"a": [0.25, 0.5], "b": [0.5, 1.0]})
    assert comparison.noise == 0.0
    assert comparison.winner is not None
    assert comparison.rows[1].difference is not None
    assert comparison.rows[1].difference.p == 0.0


def test_more_may_be_better() -> None:
    comparison = judged({"a": [0.80, 0.82, 0.81], "b": [0.95, 0.97, 0.98]}, mode="max")
    assert comparison.scale == "difference"
    assert comparison.winner is not None
    assert comparison.winner.name == "b"
    assert '"a" ends 16 % lower' in comparison.verdict


def test_objectives_below_zero_have_no_percentage() -> None:
    comparison = judged({"a": [-3.0, -2.0, -2.6], "b": [1.0, 2.1, 1.5]})
    assert comparison.scale == "difference"
    assert "%" not in comparison.verdict.partition("(p =")[0]
    assert comparison.winner is not None


def test_the_tasks_own_mode_counts() -> None:
    runs = {
        name: [trace.replace(meta={**trace.meta, "mode": "max"}) for trace in each]
        for name, each in traces({"a": [0.1, 0.2], "b": [0.8, 0.9]}).items()
    }
    assert compare(runs).rows[0].name == "b"


# --- the value, and misuse -------------------------------------------------------------------------------------------


def test_json_is_plain_data() -> None:
    comparison = compare({**traces(GOOD), "d": [ended(math.nan, 0, ended="diverged", error="loss is nan")]})
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert data == comparison.to_json()
    assert data["verdict"] == comparison.verdict
    assert data["group"] == ["a", "b"]
    assert data["winner"] is None
    assert data["rows"][0]["policy"] == "Policy('sgd', Constant(0.1))"
    assert data["rows"][1]["difference"]["seeds"] == [0, 1, 2]


def test_traces_alone_are_grouped_by_policy() -> None:
    comparison = compare([trace for runs in traces(GOOD).values() for trace in runs])
    assert [row.name for row in comparison.rows] == [repr(row.policy) for row in comparison.rows]
    assert [row.mean for row in comparison.rows] == [row.mean for row in judged(GOOD).rows]


def test_curves_are_means_over_the_seeds() -> None:
    (curve,) = curves(traces({"a": [0.3, 0.5]}), "val_loss")
    assert curve.converged
    assert curve.update.tolist() == [0, 1, 2, 3]
    assert curve.rate.tolist() == pytest.approx([0.1] * 4)
    assert curve.loss.tolist() == [2.5, 2.25, 2.0, 1.75]
    assert curve.averaged.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert curve.evaluated.tolist() == [2, 4]
    assert curve.objective.tolist() == [1.0, 0.4]


def test_curves_are_thin() -> None:
    t = np.arange(10_000)
    long = Trace(t, 0.1 * np.ones(len(t)), 1.0 + t / len(t), objective=1.0, policy=Policy("sgd", 0.1))
    (curve,) = curves([long], "val_loss", points=100)
    assert len(curve.loss) == 100
    assert len(curve.rate) == 200
    assert curve.loss[0] == pytest.approx(1.0 + 49.5 / 10_000)
    assert (curve.update[0], curve.update[-1]) == (0, 9999)


def test_a_run_that_failed_at_once_has_an_empty_curve() -> None:
    (curve,) = curves({"a": [Trace([], [], [], ended="failed", error="RuntimeError: no")]}, "val_loss")
    assert (len(curve.update), len(curve.objective), curve.converged) == (0, 0, False)


def test_a_task_that_ignores_its_seed_is_an_error() -> None:
    runs = traces(GOOD)
    runs["a"][0] = runs["a"][0].replace(loss=[9.0, 1.0, 1.0, 1.0])
    with pytest.raises(TaskError, match="task ignores its seed"):
        compare(runs)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"mode": "least"}, "mode must be 'min' or 'max', got 'least'"),
        ({"level": 95}, "level must be >= 0.5 and < 1, got 95"),
        ({"scale": "log"}, "scale must be 'ratio', 'difference' or None, got 'log'"),
    ],
)
def test_misuse_says_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError) as caught:
        judged(GOOD, **options)
    assert str(caught.value) == rule


def test_ratios_need_positive_objectives() -> None:
    with pytest.raises(ParameterError, match="positive"):
        judged({"a": [0.0, 1.0], "b": [1.0, 2.0]}, scale="ratio")


def test_nothing_and_twice_the_same_are_errors() -> None:
    with pytest.raises(UsageError, match="at least one trace"):
        compare([])
    with pytest.raises(UsageError, match="two runs with one seed"):
        compare({"a": [ended(0.1, 0), ended(0.2, 0)]})


def test_a_rule_that_changed_nothing_is_no_rival() -> None:
    plain = traces({"fixed": [1.0, 1.1, 1.2], "low": [2.0, 2.2, 2.3]})
    deaf = [trace.replace(policy=trace.policy.replace(feedback=Plateau())) for trace in plain["fixed"]]
    alone, beside = compare(plain), compare({"deaf": deaf, **plain})
    assert (beside.noise, beside.degrees) == (alone.noise, alone.degrees)
    assert [row.difference for row in beside.converged] == [row.difference for row in alone.converged]
    assert beside.best is not None
    assert beside.best.name == "fixed"
    (idle,) = (row for row in beside.rows if row.outcome == "idle")
    assert (idle.name, idle.tied, idle.mean) == ("deaf", False, beside.best.mean)
    assert 'it trained exactly as "fixed" did' in idle.note
    assert idle.note in beside.verdict


def test_a_rule_that_acted_once_is_a_rival() -> None:
    plain = traces({"fixed": [1.0, 1.1, 1.2]})["fixed"]
    heard = [trace.replace(policy=trace.policy.replace(feedback=Plateau())) for trace in plain]
    heard[2] = heard[2].replace(rate=heard[2].rate * np.array([1, 1, 1, 0.1]))
    assert len(compare({"fixed": plain, "plateau": heard}).converged) == 2


def test_seconds_leave_out_the_first_run_of_a_process() -> None:
    runs = [ended(1.0, seed, meta={FIRST: True} if seed == 2 else {}) for seed in range(3)]
    assert compare({"a": runs}).rows[0].seconds == 1.5
    assert compare({"a": runs[2:]}).rows[0].seconds == 3.0


def test_two_that_end_alike_have_no_percentage() -> None:
    said = judged({"a": [1.0, 1.0], "b": [1.0, 1.0]}).verdict
    assert '"b" ends exactly there too' in said
    assert "0 %" not in said.partition(";")[0]
