"""Where a worker process finds what it is to run: a task crosses as the name of a module and a name in it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import operator
import pickle
import sys
from pathlib import Path
from types import ModuleType

from ..errors import LearnrateError, TaskError, UsageError
from ..runs import Task
from ..spec import shorten

_OTHERWISE = "or use engine='local'"


@dataclasses.dataclass(frozen=True)
class Place:
    """The name `name` in a module; `file` is where that is, for a module that no import would find.

    A task that has no name there, but knows how it is made, crosses `packed`.
    """

    module: str
    name: str
    file: str | None
    packed: bytes | None = None

    @classmethod
    def of(cls, task: Task) -> Place:
        """Where a task is; `UsageError` for one that only this process can reach, and what to do about it."""
        if not isinstance(task, Task):
            raise UsageError(
                f"an engine needs a task; make one with @task(updates=..., objective=...), got {shorten(task)}"
            )
        found = _home(task)
        if (found is None or found[0] == "__main__") and type(task).__reduce__ is not Task.__reduce__:
            return cls(type(task).__module__, task.name, None, pickle.dumps(task))
        if found is None:
            raise UsageError(
                f"task {task.name!r} has no name at the top of a module, so a worker process cannot find it: assign it "
                f"there, in a file, {_OTHERWISE}"
            )
        module, name = found
        if module == "__main__":
            raise UsageError(
                f"task {task.name!r} is defined in __main__ (a script, or a notebook), which worker processes do not "
                f"run: put it in a file of its own and import it, {_OTHERWISE}"
            )
        return cls(module, name, getattr(sys.modules[module], "__file__", None))

    def find(self) -> Task:
        """The task, in another process; raises what importing it raises, or `TaskError` that says what that was."""
        try:
            task = self._unpacked() if self.packed else operator.attrgetter(self.name)(self._module())
        except LearnrateError:
            raise
        except Exception as error:
            where = self.file or self.module
            raise TaskError(f"{where} cannot be imported in a worker process: {_said(error)}") from error
        if not isinstance(task, Task):
            raise TaskError(f"{self.name} in {self.file or self.module} is no task in a worker process")
        return task

    def _unpacked(self) -> object:
        return pickle.loads(self.packed or b"")  # noqa: S301 - from the process that has started this one

    def _module(self) -> ModuleType:
        if self.file is not None and not _imported(self.module, Path(self.file)):
            return _loaded(self.module, Path(self.file))
        return importlib.import_module(self.module)


def _home(task: Task) -> tuple[str, str] | None:
    """The module and the name of a task: where its function says it is, else wherever it is found."""
    module, name = getattr(task.function, "__module__", ""), getattr(task.function, "__qualname__", "")
    if _at(module, name) is task:
        return module, name
    homes = [
        (where, key)
        for where, module in list(sys.modules.items())
        for key, value in list(getattr(module, "__dict__", {}).items())
        if value is task
    ]
    return min(homes, key=lambda home: home[0] == "__main__", default=None)


def _at(module: str, name: str) -> object:
    try:
        return operator.attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _imported(module: str, file: Path) -> bool:
    """Whether that file is what an import of the module gives."""
    try:
        spec = importlib.util.find_spec(module)
        origin = None if spec is None else spec.origin
    except (ImportError, ValueError):
        return False
    try:
        return origin is not None and (origin == str(file) or file.samefile(origin))
    except OSError:
        return False


def _loaded(name: str, file: Path) -> ModuleType:
    """A person's file under the name that it has in the process that sent it, with its folder on the import path."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TaskError(f"{file} is not a file of Python code")
    module = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
