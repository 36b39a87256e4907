"""Text that every Python installation carries: the source files of thirteen packages of the standard library.

Tests are left out, and so are short files. Of what is left in a package, the second longest file and every third one
after it are held out: no file is on both sides, and both have long ones. The text is another one in every version of
Python: results on it can be compared within one version, which a trace keeps in `meta["versions"]`.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import NamedTuple

from ..errors import TaskError

PACKAGES = (
    "asyncio",
    "concurrent",
    "ctypes",
    "email",
    "importlib",
    "json",
    "logging",
    "multiprocessing",
    "re",
    "unittest",
    "urllib",
    "wsgiref",
    "xml",
)
"""Packages that every version from 3.11 on has, and every distribution that leaves some out."""

_SHORTEST = 1500  # characters; below it a file is little more than imports
_TESTS = {"test", "tests"}  # folders; up to 3.11 some packages had theirs inside
_FIX = "use a Python whose standard library is a folder of .py files, not a zip file and not compiled code alone"


class Package(NamedTuple):
    """The source files of a package, (path, text), on either side of the split."""

    train: list[tuple[str, str]]
    held_out: list[tuple[str, str]]


def packages(library: Path | None = None) -> list[Package]:
    """The files of each of `PACKAGES`, in that order; of the running Python unless a folder like its own is given.

    Raises `TaskError` where a package has too few source files or one cannot be read: the standard library is inside a
    zip file, or was stripped of its sources.

    >>> [len(package.train) > len(package.held_out) > 0 for package in packages()] == [True] * len(PACKAGES)
    True
    """
    folder = Path(sysconfig.get_path("stdlib")) if library is None else library
    return [_split(folder, name) for name in PACKAGES]


def joined(files: list[tuple[str, str]]) -> str:
    """The text of files, one after the other.

    >>> joined([("a.py", "1"), ("b.py", "2")])
    '1\\n2'
    """
    return "\n".join(text for _, text in files)


def _split(folder: Path, name: str) -> Package:
    try:
        files = [(path.relative_to(folder).as_posix(), _text(path)) for path in (folder / name).rglob("*.py")]
    except OSError as error:
        raise TaskError(f"{name} of the standard library cannot be read: {error}; {_FIX}") from error
    long = [(path, text) for path, text in files if len(text) >= _SHORTEST and not _TESTS & set(path.split("/"))]
    if len(long) < 3:
        rule = f"the standard library must hold source files of {name} to learn from, at least 3"
        raise TaskError(f"{rule}, got {len(long)} in {folder}; {_FIX}")
    long.sort(key=lambda file: (-len(file[1]), file[0]))
    held_out = long[1::3]
    return Package([file for file in long if file not in held_out], held_out)


def _text(path: Path) -> str:
    """A file's text with one kind of line end, whatever the machine's own encoding is."""
    return path.read_text(encoding="utf-8", errors="replace")
