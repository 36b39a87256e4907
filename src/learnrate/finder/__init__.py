"""Which rate, for this task, this schedule and this horizon; and the classic range test beside it.

`asking` is the contract between a search and the training it asks for; `engine` and `driving` make the runs; `ladder`
is the search and `belief` the model it reads them with; `conclusion` says what was found.
"""

from __future__ import annotations

from .rates import find
from .results import Probe, Result, RunnerUp
from .sweep import RangeTest, range_test

__all__ = ["Probe", "RangeTest", "Result", "RunnerUp", "find", "range_test"]
