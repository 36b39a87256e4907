"""The catalogue: one class per schedule. Adding one class to one of these files is all it takes."""

from ..schedule import SCHEDULES
from .points import *  # noqa: F403 - the registry says what is public
from .recipes import *  # noqa: F403
from .shapes import *  # noqa: F403

__all__ = sorted(SCHEDULES)
