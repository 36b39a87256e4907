"""The embedded tasks by name, each imported when it is asked for, and tasks from a person's own file.

`find("digits")` is an embedded task, `find("path/to/file.py:mine")` the task `mine` in that file, and
`find("path/to/file.py")` the only task there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

from ..errors import MissingExtra, TaskError, UnknownName, UsageError
from ..runs import Task
from ..spec import shorten, unknown

TASKS = {
    "digits": "digits:digits",
    "digits-mlp": "digits:digits_mlp",
    "text": "text:text",
    "charlm": "charlm:charlm",
    "cartpole": "cartpole:cartpole",
    "cifar10": "cifar10:cifar10",
}
"""Name -> module in this folder and the task in it, or the function that makes it from a folder of data."""


def find(reference: str, data: str | Path | None = None) -> Task:
    """The task of that name, or the one in a file: `"digits"`, `"path/to/file.py:mine"`, `"path/to/file.py"`.

    A file is imported, which runs it, with its folder on the import path as `python file.py` would have it. `data` is
    the folder of a task that reads its data from one, as `"cifar10"` does; left out, it is what the environment
    variable `LEARNRATE_DATA` names.

    Raises `UnknownName` that lists the known tasks, `TaskError` for a file that has no such task and for data that is
    absent or damaged, `UsageError` for `data` where a task takes none, and `MissingExtra` when a task needs a package
    that is not installed.

    >>> find("digits").objective
    'val_loss'
    """
    path, _, name = reference.rpartition(":") if not reference.endswith(".py") else (reference, "", "")
    if path.endswith(".py"):
        _refuse_data(data, path)
        return _chosen(path, name, _imported(Path(path)))
    if reference not in TASKS:
        hint = "; a task of your own is path/to/file.py:name"
        raise UnknownName(unknown("task", reference, list(TASKS)) + hint)
    module, _, attribute = TASKS[reference].partition(":")
    embedded = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    if not isinstance(embedded, Task):  # it is made from its folder
        return cast(Task, embedded(data))
    _refuse_data(data, f"task {reference!r}")
    return embedded


def _refuse_data(data: object, where: str) -> None:
    if data is not None:
        raise UsageError(f"{where} reads no data from a folder, got data={shorten(data)}; leave data out")


def _imported(path: Path) -> ModuleType:
    """The file as a module, under a name of its own so that it shadows nothing; imported once."""
    where = path.resolve()
    name = f"_task_{where.stem}_{hashlib.sha256(str(where).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, where)
    if spec is None or spec.loader is None or not where.is_file():
        raise TaskError(f"{path} is not a file; a task of your own is path/to/file.py:name")
    module = importlib.util.module_from_spec(spec)
    if str(where.parent) not in sys.path:
        sys.path.insert(0, str(where.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except MissingExtra:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise TaskError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _chosen(path: str, name: str, module: ModuleType) -> Task:
    known = {key: value for key, value in vars(module).items() if isinstance(value, Task)}
    if not known:
        raise TaskError(f"{path} has no task; decorate a generator function with @task(updates=..., objective=...)")
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        several = f"{path} has several tasks; name one: {', '.join(f'{path}:{key}' for key in known)}"
        raise TaskError(unknown(f"task of {path}", name, list(known)) if name else several)
    return known[name]
