"""The contract of a schedule, and the algebra that makes schedules out of schedules."""

from .composites import (
    Chain,
    Clipped,
    Composite,
    Cut,
    Delayed,
    Fitted,
    Mirrored,
    Product,
    Repeated,
    Scaled,
    Skipped,
    Stepped,
    Sum,
)
from .contract import ALGEBRA, COMPOSITES, SCHEDULES, Schedule, above, first_difference
from .leaves import Recipe, Shape

__all__ = [
    "ALGEBRA",
    "COMPOSITES",
    "SCHEDULES",
    "Chain",
    "Clipped",
    "Composite",
    "Cut",
    "Delayed",
    "Fitted",
    "Mirrored",
    "Product",
    "Recipe",
    "Repeated",
    "Scaled",
    "Schedule",
    "Shape",
    "Skipped",
    "Stepped",
    "Sum",
    "above",
    "first_difference",
]
