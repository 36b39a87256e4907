"""Where to look: for every optimizer, the lowest rate worth trying, the usual one and the highest.

The usual rate is what the authors, or the library that people take it from, recommend. Ranges reach 10,000 times below
it, because fine-tuning a trained model takes a rate 100 times lower than training it does (BERT: Devlin et al., 2019,
arXiv:1810.04805, 2e-5 to 5e-5 with Adam), and far enough above it that a run diverges before the range ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class RateRange(NamedTuple):
    """The lowest rate worth trying, the usual one, and the highest."""

    low: float
    usual: float
    high: float


GENERAL = RateRange(1e-7, 1e-3, 10.0)
"""For an optimizer that nobody here knows: for rules that follow the gradient and for those that scale it."""

# Rules that divide by the size of the gradient move every weight by about the rate, whatever the loss is.
_ADAM = RateRange(1e-7, 1e-3, 1.0)
_SIGN = RateRange(1e-8, 1e-4, 0.1)

RANGES: Mapping[str, RateRange] = MappingProxyType(
    {
        # Goyal et al., 2017, arXiv:1706.02677: 0.1 for a batch of 256, with momentum 0.9.
        "sgd": RateRange(1e-5, 0.1, 30.0),
        # Kingma and Ba, 2015, arXiv:1412.6980; Loshchilov and Hutter, 2019, arXiv:1711.05101.
        "adam": _ADAM,
        "adamw": _ADAM,
        "sparseadam": _ADAM,
        # Kingma and Ba, 2015, section 7.1: alpha = 0.002.
        "adamax": RateRange(2e-7, 2e-3, 2.0),
        # Dozat, 2016, ICLR workshop: 0.002.
        "nadam": RateRange(2e-7, 2e-3, 2.0),
        # Liu et al., 2020, arXiv:1908.03265: as Adam.
        "radam": _ADAM,
        # Hinton, 2012, Coursera lecture 6e: 0.001 (torch's default is 0.01).
        "rmsprop": _ADAM,
        # Duchi et al., 2011, JMLR 12; the rate is torch's default. The sum in the divisor slows it down by itself.
        "adagrad": RateRange(1e-6, 1e-2, 10.0),
        # Zeiler, 2012, arXiv:1212.5701: no rate, which is a rate of 1.
        "adadelta": RateRange(1e-4, 1.0, 1000.0),
        # Polyak and Juditsky, 1992, SIAM J. Control Optim. 30; the rate is torch's default.
        "asgd": RateRange(1e-6, 1e-2, 30.0),
        # Riedmiller and Braun, 1993, ICNN: the rate is only the first step of every weight, which then adapts.
        "rprop": RateRange(1e-6, 1e-2, 1.0),
        # Liu and Nocedal, 1989, Math. Program. 45: the full quasi-Newton step.
        "lbfgs": RateRange(1e-4, 1.0, 100.0),
        # Jordan et al., 2024, kellerjordan.github.io/posts/muon: 0.02. An update is an orthogonal matrix.
        "muon": RateRange(1e-6, 2e-2, 10.0),
        # Shazeer and Stern, 2018, arXiv:1804.04235: relative step sizes of at most 0.01.
        "adafactor": RateRange(1e-6, 1e-2, 10.0),
        # Chen et al., 2023, arXiv:2302.06675: 3 to 10 times less than AdamW.
        "lion": _SIGN,
        "tiger": _SIGN,
        # Bernstein et al., 2018, arXiv:1802.04434: the update is the sign of the gradient.
        "signsgd": _SIGN,
        "signum": _SIGN,
        # You et al., 2020, arXiv:1904.00962, and 2017, arXiv:1708.03888: trust ratios times the norm of the weights.
        "lamb": RateRange(1e-6, 2e-3, 10.0),
        "lars": RateRange(1e-4, 1.0, 1000.0),
    }
)
"""The range of every optimizer that is known, by its usual name."""


def rate_range(optimizer: Any) -> RateRange:
    """The range to search for an optimizer; `GENERAL` for one that is not known.

    Capitals and underscores do not matter, as when a policy is built.

    >>> rate_range("adamw")
    RateRange(low=1e-07, usual=0.001, high=1.0)
    >>> rate_range("SGD").usual, rate_range("sparse_adam").usual, rate_range("my_own") == GENERAL
    (0.1, 0.001, True)
    """
    return RANGES.get(str(optimizer).lower().replace("_", ""), GENERAL)


__all__ = ["GENERAL", "RANGES", "RateRange", "rate_range"]
