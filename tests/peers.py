"""Loads one file of an installed library whose other imports are not here: what a scheduler file never runs is stubbed.

Used for libraries whose package needs a GPU, a cluster or hundreds of packages to be imported, while the file with its
schedules needs torch at most. The code that runs is the library's own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class _Stub(types.ModuleType):
    """A module in which every name exists; nothing in it is used by what the tests run."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package: what is stubbed below it may be imported

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {"__init__": lambda self, *args, **kwargs: None})
        setattr(self, name, value)
        return value


def load(
    distribution: str, file: str, stubs: Iterable[str] = (), module_name: str = "", **attributes: Any
) -> types.ModuleType:
    """The module in `file` of an installed distribution; the rest as in `load_file`."""
    path = Path(str(importlib.metadata.distribution(distribution).locate_file(file)))
    name = module_name or "peer_" + file.removesuffix(".py").replace("/", "_")
    return load_file(path, stubs, name, **attributes)


def load_file(path: Path, stubs: Iterable[str], name: str, **attributes: Any) -> types.ModuleType:
    """The module in a file, under a name of its own; `stubs` are the imports that it does not use here.

    `attributes` are names of stubs given a value that the file needs while it is imported: `{"pkg.mod": {"name": x}}`
    as keywords with dots written as `__`. A file that imports its neighbours needs the name that they know it by.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = {stub: sys.modules.get(stub) for stub in stubs}
    sys.modules[name] = module
    try:
        for stub in before:
            sys.modules[stub] = _Stub(stub)
            for key, value in attributes.get(stub.replace(".", "__"), {}).items():
                setattr(sys.modules[stub], key, value)
        spec.loader.exec_module(module)
    finally:
        for stub, known in before.items():
            if known is None:
                sys.modules.pop(stub, None)
            else:
                sys.modules[stub] = known
    return module
