"""keras.optimizers.schedules: classes with a config, and callbacks that set the rate; it computes in float32."""

from .schedules import *  # noqa: F403 - the library's own names
from .schedules import __all__ as _names

__all__ = list(_names)
