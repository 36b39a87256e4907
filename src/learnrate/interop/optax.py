"""optax.schedules: pure functions of the count; it computes in float32."""

from __future__ import annotations

from ..schedule import Schedule
from ..schedules import Cosine
from ..spec import number
from .conventions import Conventions
from .dialect import Dialect
from .fields import count


class cosine_decay_schedule(Dialect):
    """optax.cosine_decay_schedule: half a cosine, to the power of `exponent`, down to `alpha` of the start.

    >>> cosine_decay_schedule(1.0, 10, alpha=0.1)([0, 5, 10, 15])
    array([1.  , 0.55, 0.1 , 0.1 ])
    """

    conventions = Conventions("cosine", horizon="whole", floor="ratio", past="holds")
    init_value: float = number("a", "rate", "the value at t = 0", span=(1e-4, 1.0))
    decay_steps: int = count("how many updates it decays over", least=1)
    alpha: float = number("\\alpha", "", "the end, as a share of the start", default=0.0, span=(0.01, 0.5))
    exponent: float = number("p", "", "power of the cosine", default=1.0, gt=0, span=(0.5, 3))

    def meaning(self) -> Schedule:
        return Cosine(self.init_value, self.alpha * self.init_value, self.decay_steps, power=self.exponent)
