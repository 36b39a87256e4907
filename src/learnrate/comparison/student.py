"""Student's t, by the incomplete beta function: the core needs NumPy alone, and SciPy for one function is heavy."""

from __future__ import annotations

import math


def t_tail(t: float, degrees: float) -> float:
    """P(|T| >= |t|) for Student's t with so many degrees of freedom.

    >>> round(t_tail(2.228138852, 10), 9)
    0.05
    """
    square = t * t
    if math.isinf(square):
        return 0.0
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))


def t_quantile(level: float, degrees: float) -> float:
    """The t whose interval -t..t holds the probability `level`.

    >>> round(t_quantile(0.95, 2), 6)
    4.302653
    """
    tail, high = 1 - level, 1.0
    while t_tail(high, degrees) > tail and high < 1e300:
        high *= 2
    low = 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, degrees) > tail else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with `rest` = 1 - x given to spare its digits."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1 - _incomplete_beta(b, a, rest, x)
    front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / (a * _beta_fraction(a, b, x))


def _beta_fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), DLMF 8.17.22, by Lentz's method."""
    value = numerator = 1.0
    denominator = 0.0
    for m in range(1, 2000):
        half, odd = divmod(m, 2)
        if odd:
            d = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            d = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        denominator = 1 / ((1 + d * denominator) or 1e-300)
        numerator = (1 + d / numerator) or 1e-300
        change = numerator * denominator
        value *= change
        if abs(change - 1) < 1e-16:
            break
    return value
