"""optax.schedules: pure functions of the count; it computes in float32 unless JAX is told otherwise."""

from .schedules import *  # noqa: F403 - the library's own names
from .schedules import __all__ as _names
from .writing import build, hook, hook_source, proposals, read_object, source

__all__ = [*_names, "build", "hook", "hook_source", "proposals", "read_object", "source"]
