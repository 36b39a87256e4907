"""The catalogue: one class per schedule. Adding one class to one of these files is all it takes."""

# Imported in the order in which the catalogue is shown: shapes first, named recipes, then numbers and functions.
# isort: off
from ..schedule import SCHEDULES
from .shapes import *  # noqa: F403 - the registry says what is public
from .points import *  # noqa: F403
from .recipes import *  # noqa: F403

# isort: on

__all__ = sorted(SCHEDULES)
