"""The algebra of schedules and the binding of their lengths, sentence by sentence.

Each operation is compared with what its definition says, computed here in plain Python from the values of its operand:
f is the schedule, L its length.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import learnrate as lr
from drawn import LONGEST, OPERATIONS, OWN, composite, ended, instance, operands, peak_of, times
from learnrate import Constant, Cosine, Exponential, Interpolation, InverseSqrt, Linear, Schedule
from learnrate.errors import ParameterError, UnboundError
from learnrate.schedule import COMPOSITES, Chain, Product, Sum


@pytest.fixture(autouse=True)
def _every_floating_point_warning_is_an_error() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


def same(a: Schedule, b: Schedule, updates: Any, tolerance: float = 1e-13) -> None:
    x, y = a(updates), b(updates)
    worst = np.abs(x - y).max(initial=0.0)
    assert worst <= tolerance * peak_of(y), f"{a!r}\n{b!r}\nat {np.asarray(updates)[np.abs(x - y).argmax()]}"


def close(schedule: Schedule, t: Any, expected: float, peak: float = 1.0) -> None:
    assert abs(schedule(t) - expected) <= 1e-13 * max(peak, abs(expected)), (schedule, t)


# --- >>


def test_a_chain_starts_anew_at_each_join_where_the_next_part_speaks() -> None:
    rng = random.Random(1)
    for _ in range(30):
        a, b, c = ended(rng, 1), ended(rng, 1), composite(rng, 1)
        chain = a >> b >> c
        first, second = a.length, a.length + b.length
        peak = max(peak_of(one(np.arange(400))) for one in (a, b, c))
        for t in sorted(
            {0, 1, *range(int(first) - 2, int(first) + 3), *range(int(second) - 2, int(second) + 3), 10**6}
        ):
            if t < 0:
                continue
            expected = a(t) if t < first else b(t - first) if t < second else c(t - second)
            if c.length == 0 and t >= second:
                expected = b(b.length) if b.length else a(a.length) if a.length else c(0)
            close(chain, t, expected, peak)
        assert chain.length == first + b.length + c.length


def test_chains_are_stored_flat_and_so_associative() -> None:
    a, b, c, d = Linear(0, 1, 3), Constant(1, 4), Cosine(1, 0, 5), Constant(0)
    flat = Chain([a, b, c, d])
    for chain in ((a >> b) >> (c >> d), a >> (b >> (c >> d)), ((a >> b) >> c) >> d, a >> (b >> c) >> d):
        assert chain == flat
        assert chain.parts == (a, b, c, d)  # type: ignore[attr-defined]
        assert repr(chain) == repr(flat)
    assert Chain([Chain([a, b]), Chain([c, d])]) == flat
    waiting = Linear(0, 1, "10%") >> (Cosine(1) >> Linear(0, 1, "10%"))
    assert waiting.over(100) == (Linear(0, 1, "10%") >> Cosine(1) >> Linear(0, 1, "10%")).over(100)


def test_a_part_of_no_length_vanishes_and_alone_is_its_end_value() -> None:
    for cls in OWN.values():
        if "updates" in cls.kinds and cls is not lr.Function:
            drawn = instance(cls, random.Random(cls.__name__))
            nothing = drawn.replace(updates=0) if not issubclass(cls, lr.schedule.Recipe) else drawn.cut(0)
            assert nothing.length == 0
            for around in (
                nothing >> Constant(5),
                Constant(5, 3) >> nothing,
                Constant(5, 3) >> nothing >> Constant(5, 2),
            ):
                assert (around(np.arange(8)) == 5).all(), around
            assert nothing(0) == nothing(7) == nothing([7.0])[0]
    assert Linear(0, 3, 0)(0) == 3
    assert Cosine(1, 0.25, 0)([0, 9]).tolist() == [0.25, 0.25]
    assert (Linear(0, 1, 0) >> Cosine(2, 0.5, 0))(0) == 0.5, "all have vanished: the end of the last"
    assert (Linear(0, 1, 10) >> Cosine(5, 3, 0))([10, 99]).tolist() == [1, 1]
    assert ((Linear(0, 1, 0) >> Linear(0, 2, 0)) >> Linear(3, 4, 2))(0) == 3
    assert Interpolation([0], [0.3])([0, 1, 5]).tolist() == [0.3] * 3


def test_a_chain_needs_an_end_where_something_follows() -> None:
    assert (Exponential(1, 0.5) >> Constant(7)).bound is False
    with pytest.raises(UnboundError, match=r"no length in updates yet; bind it with \.over\(total\)"):
        (Exponential(1, 0.5) >> Constant(7))(3)
    with pytest.raises(ParameterError, match=r"at most one part without a length, got 2: Linear\(0\.0, 1\.0\), Cosine"):
        Linear(0, 1) >> Cosine(1)
    with pytest.raises(ParameterError, match="at most one part without a length, got 2"):
        Linear(0, 1) >> (Constant(1, 5) >> Cosine(1))
    with pytest.raises(ParameterError, match="at most one part without a length"):
        Exponential(1, 0.5) >> Constant(1).repeat(2) >> Constant(2)


# --- * and +


def test_sums_and_products_are_as_long_as_the_longest_and_shorter_ones_hold() -> None:
    rng = random.Random(4)
    for _ in range(30):
        a, b, c = composite(rng, 1), composite(rng, 1), composite(rng, 1)
        t = np.concatenate([times(one, rng, 10) for one in (a, b, c)])
        product, total = a * b * c, a + b + c
        assert product.length == total.length == max(a.length, b.length, c.length)
        x, y, z = (np.abs(one(t)).max() + 1 for one in (a, b, c))
        assert np.abs(product(t) - a(t) * b(t) * c(t)).max() <= 1e-14 * x * y * z
        assert np.abs(total(t) - (a(t) + b(t) + c(t))).max() <= 1e-14 * (x + y + z)


def test_sums_and_products_keep_the_order_of_their_arithmetic() -> None:
    a, b, c = Constant(0.1), Constant(0.2), Constant(0.3)
    assert ((a + b) + c)(0) == (0.1 + 0.2) + 0.3 != (a + (b + c))(0)
    assert (a + (b + c))(0) == 0.1 + (0.2 + 0.3)
    assert Sum([a, b, c]) == (a + b) + c
    assert Product([a, b, c]) == (a * b) * c
    assert repr(a + (b + c)) == "Constant(0.1) + (Constant(0.2) + Constant(0.3))"


def test_a_number_times_a_schedule() -> None:
    schedule = Linear(0, 1, 4) >> Cosine(1, 0, 4)
    t = np.arange(12)
    for factor in (2, 2.0, np.float64(2), np.float32(2), np.int64(2), Fraction(2)):
        for scaled in (factor * schedule, schedule * factor):
            assert type(scaled) is COMPOSITES["Scaled"]
            assert (scaled(t) == 2 * schedule(t)).all()
    assert (schedule / 4)(4) == 0.25
    assert (0 * schedule)(3) == 0
    assert (-1 * schedule)(4) == -1
    assert (2 * schedule).length == schedule.length
    for wrong in (True, "2", None, [1, 2], np.array([1.0, 2.0]), 1j):
        with pytest.raises(TypeError, match="unsupported operand|can't multiply|does not support"):
            _ = wrong * schedule
        with pytest.raises(TypeError, match="unsupported operand|can't multiply|does not support"):
            _ = schedule * wrong
    for wrong in (math.nan, math.inf):
        with pytest.raises(ParameterError, match=r"Scaled\.factor must be a finite number"):
            _ = wrong * schedule
    for combine in (lambda: schedule + 1, lambda: 1 + schedule, lambda: schedule >> 1, lambda: 1 >> schedule):
        with pytest.raises(TypeError, match="unsupported operand"):
            combine()


# --- the methods, each as it is defined


def test_clip() -> None:
    for f in operands():
        low, high = 0.02, 0.3
        for t in (0, 3, 50, 400):
            close(f.clip(low, high), t, min(max(f(t), low), high))
            close(f.clip(low), t, max(f(t), low))
            close(f.clip(high=high), t, min(f(t), high))
        assert f.clip(low).length == f.length
    with pytest.raises(ParameterError, match="low <= high, got 2.0 and 1.0"):
        Constant(1).clip(2, 1)
    with pytest.raises(ParameterError, match="a lowest or a highest value"):
        Constant(1).clip()


def test_mirror() -> None:
    for f in operands():
        L = f.length
        mirrored = f.mirror()
        assert mirrored.length == 2 * L
        for t in (0, 1, L // 2, L - 1, L, L + 1, 2 * L - 1, 2 * L, 2 * L + 5):
            if t >= 0:
                close(mirrored, t, f(L - abs(L - min(t, 2 * L))), peak_of(f(np.arange(400))))


def test_mirrored_beyond_what_can_be_counted() -> None:
    schedule: Schedule = Linear(0, 1, 3)
    for _ in range(80):
        schedule = schedule.mirror()
    t = np.array([0, 1, 3, 5, 6, 7, 1000, 10**15 + 1])
    assert np.abs(schedule(t) - np.abs((t + 3) % 6 - 3) / 3).max() <= 1e-15
    assert [schedule(int(x)) for x in t] == schedule(t).tolist()


def cycles(f: Schedule, count: int, stretch: float, scale: float) -> list[tuple[int, float, float]]:
    """Start, stretch and height of each cycle, by exact arithmetic; starts rounded half up."""
    exact, start, found = Fraction(repr(stretch)), Fraction(0), []
    for k in range(count + 1):
        found.append((math.floor(start + Fraction(1, 2)), stretch**k, scale**k))
        start += int(f.length) * exact**k
    return found


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("stretch", [1.0, 1.01, 1.2, 1.5, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_repeat(count: int, stretch: float, scale: float) -> None:
    rng = random.Random(9)
    for f in [ended(rng, 1) for _ in range(6)] + [Cosine(1, 0.1, 3), Linear(0, 1, 1)]:
        if f.length == 0:
            continue
        repeated = f.repeat(count, stretch, scale)
        table = cycles(f, count, stretch, scale)
        end = table[-1][0]
        assert repeated.length == end
        peak = peak_of(f(np.arange(400)))
        for (start, longer, height), (following, _, _) in pairwise(table):
            close(repeated, start, height * f(0), peak)
            for t in {start, start + 1, (start + following) // 2, following - 1}:
                if start <= t < following:
                    local = (t - start) / longer
                    assert abs(repeated(t) - height * f(local)) <= 1e-12 * peak, (repeated, t)
        for t in (end, end + 1, 2 * end + 3):
            close(repeated, t, table[-2][2] * f(f.length), peak)


def test_restarts_are_exact_for_ever() -> None:
    """Libraries that find the cycle with a floating logarithm give the floor instead of the peak here."""
    for stretch, restart in ((3, 1210), (10, 1110), (10, 1_111_110)):
        schedule = Cosine(1, 0, 10).repeat(stretch=stretch)
        assert schedule(restart) == 1.0
        assert schedule([restart])[0] == 1.0
        assert schedule(restart - 1) < 1e-3
        assert lr.SGDR(1, 0, 10, stretch=stretch)(restart) == 1.0
    for stretch in (1.01, 1.1, 1.3, 1.5, 2, 2.5, 3, 7, 10, 1000):
        schedule = Linear(1, 0, 10).repeat(stretch=stretch)
        exact, start, length = Fraction(repr(float(stretch))), Fraction(0), Fraction(10)
        while start < 2**53:
            restart = math.floor(start + Fraction(1, 2))
            assert schedule(restart) == 1.0, (stretch, restart)
            assert schedule([restart])[0] == 1.0
            if restart:
                assert schedule(restart - 1) < 0.2, (stretch, restart)
            start, length = start + length, length * exact


def test_restarts_of_equal_cycles_are_exact_up_to_the_last_update() -> None:
    for period in (1, 3, 7, 10, 49, 1000, 12_345, 2**20 + 1):
        schedule = Linear(1, 0, period).repeat()
        for cycle in (1, 2, 3, 1000, 10**8 // period + 1, 10**9 + 7, (2**53 - 1) // period):
            restart = cycle * period
            if restart <= 2**53:
                assert schedule(restart) == schedule([restart])[0] == 1.0, restart
                assert schedule(restart - 1) == pytest.approx(1 / period, abs=1e-9)
    assert Cosine(1, 0, 10).repeat(scale=0.5)(10**9) == 0.0, "2**-100000000 is 0, without a warning"
    assert Cosine(1, 0, 10).repeat(scale=0.5)([10**9]).tolist() == [0.0]


def test_repeat_has_its_rules() -> None:
    f = Cosine(1, 0, 10)
    for stretch in (0.5, 0, -1, 1.001, 1.00999, math.inf):
        with pytest.raises(ParameterError, match=r"Repeated\.stretch must be"):
            f.repeat(stretch=stretch)
    for scale in (0, -0.5, 1.01):
        with pytest.raises(ParameterError, match=r"Repeated\.scale must be"):
            f.repeat(scale=scale)
    for count in (0, -1, 1.5, True, "3"):
        with pytest.raises(ParameterError, match=r"Repeated\.times must be"):
            f.repeat(count)
    with pytest.raises(ParameterError, match=r"needs times=\.\.\. or first \.over\(total\)"):
        Cosine(1).repeat()
    for body in (Cosine(1, 0, 0), Exponential(1, 0.5)):
        with pytest.raises(ParameterError, match="a cycle must last some updates and end"):
            body.repeat()
    assert f.repeat(stretch=1e308)(10) == 1.0
    assert f.repeat(2**53, scale=0.9)(math.inf) == 0.0
    assert f.repeat(3, 2, 0.5) == f.repeat(times=3, stretch=2.0, scale=0.5)
    assert f.repeat().length == math.inf
    assert Cosine(1, 0.5, 0).repeat(3)(5) == 0.5


def test_every() -> None:
    for f in operands():
        for n in (1, 2, 7, 1000):
            stairs = f.every(n)
            assert stairs.length == f.length
            for t in (0, 1, n - 1, n, n + 1, 5 * n + 3, 10**6):
                inside = min(t, f.length)
                close(stairs, t, f(n * math.floor(inside / n)), peak_of(f(np.arange(400))))
    assert Cosine(1, 0).every("10%").over(100) == Cosine(1, 0, 100).every(10)
    for wrong in (0, -1, 1.5, "5x"):
        with pytest.raises(ParameterError, match=r"Stepped\.updates must be"):
            Constant(1).every(wrong)  # type: ignore[arg-type]


def test_delay() -> None:
    for f in operands():
        for n in (0, 1, 7):
            assert f.delay(n).length == f.length + n
            for t in (0, 1, n - 1, n, n + 1, n + 50, n + 5000):
                if t >= 0:
                    close(f.delay(n), t, f(max(t - n, 0)), peak_of(f(np.arange(400))))


def test_cut_and_skip() -> None:
    for f in operands():
        for n in (0, 1, 7, 100, LONGEST):
            assert f.cut(n).length == n
            assert f.skip(n).length == max(f.length - n, 0)
            for t in (0, 1, n - 1, n, n + 1, n + 50):
                if t >= 0:
                    close(f.cut(n), t, f(min(t, n)), peak_of(f(np.arange(400))))
                    close(f.skip(n), t, f(t + n), peak_of(f(np.arange(400))))


def test_fit() -> None:
    for f in operands():
        for n in (1, 7, 100, 1000):
            fitted = f.fit(n)
            assert fitted.length == n
            for t in (0, n):
                close(fitted, t, f(f.length * t / n), peak_of(f(np.arange(400))))
        assert f.fit(0)(0) == f(f.length)
        if f.length:
            same(f.fit(int(f.length)), f, np.arange(300))
    stretched = Linear(0, 1, 10).fit(40)
    assert stretched([0, 1, 20, 40, 50]).tolist() == [0, 0.025, 0.5, 1, 1]
    assert Exponential(1, 0.5).fit(10).bound is False, "what goes on for ever has no length to stretch"


def test_cutting_and_going_on_changes_nothing() -> None:
    rng = random.Random(12)
    for _ in range(80):
        f = composite(rng)
        t = times(f, rng)
        for k in (0, 1, rng.randint(0, 300), int(min(f.length, 500)), int(min(f.length, 500)) + 9):
            joined = f.cut(k) >> f.skip(k)
            worst = np.abs(joined(t) - f(t)).max()
            assert worst <= 1e-12 * peak_of(f(t)), (f, k)
            assert joined(k) == f(k)


def test_unbound_schedules_are_cut_and_go_on_too() -> None:
    for f in (
        Linear(0, 1, "10%") >> Cosine(1),
        Cosine(1),
        lr.WSD(1),
        Cosine(1).mirror(),
        Cosine(1) * Linear(0, 1, "50%"),
    ):
        same(f.over(100), (f.cut(30) >> f.skip(30)).over(100), np.arange(120), 1e-12)


def test_extend_spreads_what_is_left_and_does_not_jump() -> None:
    for f in [g for g in operands() if g.length > 20]:
        at, total = int(f.length) // 2, int(f.length) + 40
        extended = f.extend(total, at=at)
        assert extended == f.cut(at) >> f.skip(at).fit(total - at)
        assert extended.length == total
        same(extended, f, np.arange(at + 1))
        assert extended(at) == f(at)
        close(extended, total, f(f.length), peak_of(f(np.arange(400))))
    smooth = Cosine(1, 0, 100).extend(300, at=50)
    assert np.abs(np.diff(smooth.curve(310))).max() <= math.pi / 200
    assert Cosine(1, 0, 100).extend(40, at=30)(40) == 0, "it may also be shortened"
    with pytest.raises(ParameterError, match="at <= total updates, got at=60, total=50"):
        Cosine(1, 0, 100).extend(50, at=60)
    with pytest.raises(ParameterError, match="goes on for ever: there is no end to move"):
        Exponential(1, 0.9).extend(50, at=10)
    for wrong in ("5%", -1, 1.5, None):
        with pytest.raises(ParameterError, match=r"extend\.at must be"):
            Cosine(1, 0, 100).extend(50, at=wrong)  # type: ignore[arg-type]


def test_cooldown_leaves_in_a_straight_line_and_does_not_jump() -> None:
    for f in [*operands(), Exponential(0.5, 0.99), Constant(2)]:
        cooled = f.cooldown(at=30, updates=20, end=0.001)
        assert cooled == f.cut(30) >> Linear(f([30])[0], 0.001, 20)
        same(cooled, f, np.arange(31))
        assert cooled.length == 50
        close(cooled, 40, (f(30) + 0.001) / 2)
        assert cooled([50, 51, 999]).tolist() == [0.001] * 3
    assert Constant(1).cooldown(at=4, updates=4)([4, 6, 8]).tolist() == [1, 0.5, 0]
    with pytest.raises(UnboundError, match="bind it with"):
        Cosine(1).cooldown(at=4, updates=4)
    with pytest.raises(ParameterError, match="must be >= 0"):
        Constant(1).cooldown(at=-4, updates=4)


@pytest.mark.parametrize("method", ["delay", "cut", "skip", "fit"])
@pytest.mark.parametrize("wrong", [-1, 1.5, True, None, "5", "5 steps", "-5%", math.nan, math.inf, [3], 2**53 + 2])
def test_lengths_of_methods_have_rules(method: str, wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"\.updates must be"):
        getattr(Cosine(1, 0, 10), method)(wrong)


def test_every_operation_was_drawn() -> None:
    """The random expressions of these tests use all of the algebra."""
    rng = random.Random(13)
    seen = {type(operation(rng, 1)).__name__ for operation in OPERATIONS.values() for _ in range(3)}
    assert seen >= set(COMPOSITES)


# --- .over: lengths become numbers of updates


def parts_of(schedule: Schedule) -> list[float]:
    return [part.length for part in schedule.parts]  # type: ignore[attr-defined]


def test_every_unit_of_length_is_bound() -> None:
    assert Linear(0, 1, "5%").over(1000).length == 50
    assert Linear(0, 1, "3ep").over(1000, updates_per_epoch=17).length == 51
    assert Linear(0, 1, "2e9tok").over(10_000, tokens_per_update=4e6).length == 500
    assert Linear(0, 1, "1e6smp").over(10_000, samples_per_update=256).length == 3906
    assert Linear(0, 1).over(1000).length == 1000
    assert Linear(0, 1, 30).over(1000).length == 30
    assert Exponential(1, 0.5).over(1000).length == math.inf


def test_an_unbound_schedule_says_how_to_bind_it() -> None:
    for waiting in (Cosine(1), Linear(0, 1, "5%"), Linear(0, 1, "3ep") >> Constant(1), lr.WSD(1), Cosine(1).mirror()):
        assert not waiting.bound
        for ask in (lambda s: s(0), lambda s: s([0]), lambda s: s.length, lambda s: s.curve(), lambda s: s.area()):
            with pytest.raises(
                UnboundError, match=r"bind it with \.over\(total\).*updates_per_epoch, tokens_per_update"
            ):
                ask(waiting)
    with pytest.raises(UnboundError, match=r"in epochs; bind with \.over\(total, updates_per_epoch=\.\.\.\)"):
        Linear(0, 1, "3ep").over(100)
    with pytest.raises(UnboundError, match="tokens_per_update"):
        (Linear(0, 1, "1e6tok") >> Cosine(1)).over(100)
    with pytest.raises(UnboundError, match="samples_per_update"):
        Cosine(1).delay("1e6smp").over(100)


def test_lengths_round_half_up() -> None:
    for percent, total, length in (("5%", 50, 3), ("5%", 30, 2), ("5%", 29, 1), ("0.5%", 100, 1), ("2.5%", 100, 3)):
        assert Linear(0, 1, percent).over(total).length == length, (percent, total)
    assert Linear(0, 1, "5ep").over(100, updates_per_epoch=0.7).length == 4, "3.5 exactly, though 0.7 is less in binary"
    assert Linear(0, 1, "3tok").over(100, tokens_per_update=2).length == 2
    assert Linear(0, 1, "29%").over(100).length == 29, "0.29 * 100 is 28.999999999999996 in binary"


def test_the_rest_is_the_total_without_the_others() -> None:
    bound = (Linear(0, 1, "5%") >> Cosine(1, 0.1)).over(10_000)
    assert parts_of(bound) == [500, 9500]
    assert bound(0) == 0
    assert bound(500) == 1
    assert bound(10_000) == 0.1
    assert parts_of((Linear(0, 1, 30) >> Constant(1) >> Linear(1, 0, "20%")).over(100)) == [30, 50, 20]
    assert parts_of((Linear(0, 1) >> Constant(1, 40)).over(100)) == [60, 40]
    assert parts_of((Exponential(1, 0.5) >> Linear(1, 0, "10%")).over(100)) == [90, 10]
    assert parts_of((InverseSqrt(1, 4).clip(0.1) >> Linear(1, 0, "10%")).over(100)) == [90, 10]
    assert parts_of((lr.Triangular(0, 1, 5) >> Linear(1, 0, "10%")).over(100)) == [90, 10]
    assert parts_of((Linear(0, 1, "50%") >> Constant(1) >> Linear(1, 0, "50%")).over(100)) == [50, 0, 50]
    open_ended = (Linear(0, 1, "5%") >> Exponential(1, 0.99)).over(100)
    assert parts_of(open_ended) == [5, math.inf], "last, an open-ended shape goes on"


def test_each_operand_gets_the_whole_total() -> None:
    bound = (Cosine(1) * Linear(0, 1, "10%") + Linear(0, 1)).over(100)
    assert bound == Cosine(1, 0, 100) * Linear(0, 1, 10) + Linear(0, 1, 100)
    behind = (Constant(1, 40) >> Cosine(1) * Linear(0, 1, "10%")).over(100)
    assert behind == Constant(1, 40) >> Cosine(1, 0, 60) * Linear(0, 1, 10)


def test_repeat_and_mirror_divide_it_among_their_cycles() -> None:
    assert Cosine(1).repeat(4).over(100) == Cosine(1, 0, 25).repeat(4)
    assert Cosine(1).mirror().over(100) == Cosine(1, 0, 50).mirror()
    assert Cosine(1).repeat(3, stretch=2).over(70) == Cosine(1, 0, 10).repeat(3, stretch=2)
    bound = (Linear(0, 1, "10%") >> Cosine(1)).repeat(4).over(400)
    assert bound == (Linear(0, 1, 10) >> Cosine(1, 0, 90)).repeat(4), "percent is of the enclosing total, one cycle's"
    assert (Cosine(1).mirror() >> Constant(0, 40)).over(100)(60) == 0
    for count in range(1, 12):
        for total in range(count, 60):
            repeated = Cosine(1).repeat(count).over(total)
            assert repeated.length == total
            assert repeated(0) == 1
        if count <= 4:
            assert Cosine(1).repeat(count, stretch=1.5).over(97).length == 97
    for total in range(1, 30):
        assert Cosine(1).mirror().over(total).length == total


def test_what_is_inside_a_chain_has_the_length_it_was_counted_with() -> None:
    """Percent inside a wrapper means the same when the chain is added up and when the part is bound."""
    for part in (
        Cosine(1, 0, "50%").repeat(2),
        Linear(0, 1, "10%").mirror(),
        (Linear(0, 1, "10%") >> Cosine(1, 0, "20%")).repeat(2, stretch=2),
        Linear(0, 1, "10%").delay("5%"),
        Cosine(1, 0, "50%").skip("10%"),
        Cosine(1, 0).fit("30%"),
        Cosine(1, 0).cut("30%"),
        Cosine(1, 0).mirror().fit("30%").clip(0.1),
        Linear(0, 1, "10%") * Cosine(1, 0, "30%"),
        lr.SGDR(1, 0, "10%", times=3),
        lr.SGDR(1, 0, "10%", times=2, stretch=2, scale=0.5),
        lr.WSD(1, 0, "40%"),
        lr.OneCycle(1, "30%", warmup="50%"),
    ):
        chain = (part >> Linear(1, 0)).over(100)
        assert chain.length == 100, chain
        fixed = part.over(100)
        assert chain.parts[0].length == fixed.length, chain  # type: ignore[attr-defined]
        last = (Linear(1, 0) >> part).over(100)
        assert last.length == 100, last


def test_parts_longer_than_the_total_are_an_error() -> None:
    for waiting in (
        Linear(0, 1, 200) >> Cosine(1),
        Linear(0, 1, "60%") >> Cosine(1, 0, "60%"),
        Linear(0, 1, "60%") >> Cosine(1) >> Linear(0, 1, "50%"),
        Cosine(1, 0, "50%").delay("60%"),
        Cosine(1).delay(101),
        Cosine(1) * Linear(0, 1, 101),
        Cosine(1).fit(101),
        (Linear(0, 1, 60) >> Cosine(1)).repeat(2),
        (Linear(0, 1, 60) >> Cosine(1)).mirror(),
        lr.WSD(1, warmup=60, decay=60),
        Constant(1, 50) >> lr.WSD(1, warmup=30, decay=30),
    ):
        with pytest.raises(ParameterError, match=r"longer than|take \d+ of \d+ updates; shorten them"):
            waiting.over(100)
    with pytest.raises(ParameterError, match="longer than the total of 100 updates"):
        Linear(0, 1, "3ep").over(100, updates_per_epoch=40)
    with pytest.raises(ParameterError, match=r"at most 100% of the total"):
        Linear(0, 1, "101%")


def test_bound_parts_are_left_alone() -> None:
    rng = random.Random(14)
    for _ in range(40):
        schedule = composite(rng, 2)
        assert schedule.over(10) is schedule
    assert Linear(0, 1, 200).over(100) == Linear(0, 1, 200)
    assert (Linear(0, 1, 5) >> Cosine(1, 0, 5)).over(100).length == 10


def test_a_total_of_nothing_is_the_end() -> None:
    assert Cosine(1, 0.25).over(0)(0) == 0.25
    assert (Linear(0, 1, "5%") >> Cosine(1, 0.25)).over(0)(0) == 0.25
    assert Cosine(1, 0.25).mirror().over(0)(0) == 0.25
    assert Cosine(1, 0.25).over(0).curve().shape == (0,)
    assert Cosine(1, 0.25).over(0).area() == 0


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "100", None, math.nan, math.inf, 2**53 + 2, [3]])
def test_the_total_has_its_rule(wrong: Any) -> None:
    with pytest.raises(ParameterError, match="total must be"):
        Cosine(1).over(wrong)
