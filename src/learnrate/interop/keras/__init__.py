"""keras.optimizers.schedules: classes with a config, and callbacks that set the rate; it computes in float32."""

from .reading import read_mapping, read_object
from .schedules import *  # noqa: F403 - the library's own names
from .schedules import __all__ as _names
from .writing import build, hook, hook_source, proposals, source

__all__ = [*_names, "build", "hook", "hook_source", "proposals", "read_mapping", "read_object", "source"]
