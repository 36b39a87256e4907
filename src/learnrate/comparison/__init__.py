"""Which policy is best, by how much and how sure: pure functions from traces to a value.

Runs are paired: one seed fixes the initial weights and the batches, so every policy meets the same luck. The objective
of policy p with seed s is read as `policy effect + seed effect + residual` (a two-way layout). The seed effect cancels
in differences; what is left, the residual, is the noise that decides what can be told apart.
"""

from __future__ import annotations

from .curves import Curve, curves
from .judgement import FIRST, compare
from .values import Comparison, Difference, Row

__all__ = ["FIRST", "Comparison", "Curve", "Difference", "Row", "compare", "curves"]
