"""What would fail only after all the runs, or in every one of them, is said before them."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .. import errors, report
from ..errors import TaskError, UsageError
from ..policy import Policy
from ..runs import Run, Task
from ..tasks import TASKS, find
from .streams import aside

_PAGES = (".html", ".htm")
_HARMLESS = frozenset({"test", "this", "antigravity"})  # modules that no library imports


def task(reference: str, data: Path | None = None) -> Task:
    """The task of that name, with its data in the folder `data`.

    It raises what `find` raises, also for a file that ends the process or hides a module.
    """
    path = reference if reference.endswith(".py") else reference.rpartition(":")[0]
    name = Path(path).stem
    if path.endswith(".py") and name in sys.stdlib_module_names - _HARMLESS:
        raise TaskError(f"{path} has the name of Python's own module {name!r}, which others import; rename the file")
    known = sys.path[:]
    try:
        with aside():
            return find(reference, data)
    except SystemExit as left:
        raise TaskError(f"{path or reference} cannot be imported: it ended with SystemExit({left.code!r})") from None
    finally:  # its folder comes last: the task may import from it while it runs, and a json.py there hides nothing
        sys.path[:] = known + [folder for folder in sys.path if folder not in known]


def files(page: Path | None, traces: Path | None) -> None:
    """Whether both can be written."""
    if page and page.suffix.lower() not in _PAGES:
        raise UsageError(f"cannot write a report to {page}; end its name with {' or '.join(_PAGES)}")
    if page and traces and os.path.realpath(page) == os.path.realpath(traces):
        raise UsageError(f"--report and --save both name {traces}; give each a file of its own")
    for path in filter(None, (page, traces)):
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise UsageError(f"cannot write {path}: it is a folder")
        if target.exists() and not target.is_file():
            raise UsageError(f"cannot write {path}: it is not a regular file; give the name of a file")
        if not target.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no folder {path.absolute().parent}")
        _try(path, target)
    if page:
        report.check_plotly()


def _try(path: Path, target: Path) -> None:
    """Write beside the target, which is replaced as a whole when its time comes."""
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".try"):
            pass
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror} ({target.parent}); give another file") from None


def policies(reference: str, task: Task, named: Mapping[str, Policy], updates: int) -> None:
    """Whether an embedded task can begin under each of them; another person's task is run when it was asked for."""
    if reference not in TASKS:
        return
    for name, policy in named.items():
        with Run(task, policy, updates=updates) as begun:
            begun.advance(1)
        if begun.ended == "failed" and begun.error and is_misuse(begun.error):
            raise UsageError(f"{name}: {begun.error.partition(': ')[2]}")


def is_misuse(error: str) -> bool:
    """Whether a run's error is one of the library's own: a value that was given, and not the run, is wrong."""
    kind = getattr(errors, error.partition(":")[0], None)
    return isinstance(kind, type) and issubclass(kind, errors.LearnrateError)


def notes(named: Mapping[str, Policy], updates: int) -> list[str]:
    """What lint has to say about the rate of each policy in a run of this length."""
    return [
        f"{name}: {finding}"
        for name, policy in named.items()
        for finding in policy.lr.lint(updates=updates)
        if finding.severity != "note"
    ]
