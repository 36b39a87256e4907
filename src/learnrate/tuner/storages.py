"""Where studies are kept: any Optuna storage, opened with care.

Nothing given means one SQLite file for all studies of a folder, `.learnrate/studies.db`: a dashboard takes one storage
and lists the studies in it, so that one address shows them all, side by side. A path is a SQLite file, or a journal
file when it ends in `.log` or `.journal`; text with "://" is a database URL; a storage object of Optuna is used as it
is.

SQLite files that are made here have a write-ahead log: readers never wait for a writer, and a killed process leaves
nothing half written. A log needs memory that processes share, so several machines share a study in a database server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
import logging
import os
import random
import re
import shutil
import sqlite3
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import LearnrateError, MissingExtra, StudyError, UsageError
from ..spec import shorten

try:
    import optuna
    import sqlalchemy
    from optuna.storages import BaseStorage, RDBStorage
except ModuleNotFoundError as missing:
    if missing.name != "optuna":
        raise
    raise MissingExtra("optuna", "tune") from missing

FOLDER, FILE = ".learnrate", "studies.db"

BUSY = 30.0
"""For how many seconds a locked SQLite file is waited for."""

_MAGIC = b"SQLite format 3\0"
_JOURNALS = (".log", ".journal")
_SQLITE = (".db", ".sqlite", ".sqlite3")
_ATTEMPTS = 6  # two processes that make the same tables: one of them is told that they exist
_RACES = ("already exists", "unique constraint", "duplicate key", "duplicate entry", "no such table")


@dataclasses.dataclass
class Opened:
    """An open storage; `where` is its path or address, without a password."""

    storage: BaseStorage
    where: str
    writable: bool = True
    ours: bool = True
    folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def tables(self) -> RDBStorage | None:
        """The database behind it, if it is one."""
        behind = self.storage if isinstance(self.storage, RDBStorage) else getattr(self.storage, "_backend", None)
        return behind if isinstance(behind, RDBStorage) else None

    def close(self) -> None:
        """Close the connections that were opened here."""
        if self.ours and self.tables is not None:
            self.tables.scoped_session.remove()
            self.tables.engine.dispose()
        if self.folder is not None:
            self.folder.cleanup()

    @contextlib.contextmanager
    def asked(self, what: str) -> Iterator[None]:
        """Turn whatever a storage raises into a `StudyError` that says what to do."""
        try:
            yield
        except LearnrateError:
            raise
        except Exception as error:
            raise StudyError(f"{self.where}: cannot {what}: {_advice(error)}") from error


def resolve_storage(storage: Any = None, write: bool = True) -> Opened:
    """Open what was given for a storage; `write=False` also opens a file that may only be read, or fails if there is
    none.

    Raises `StudyError`, which names the path and the fix, for what cannot be opened: a folder that does not exist, a
    file that may not be written or is locked, that is no SQLite file, or holds another program's or another Optuna's
    tables.
    """
    if isinstance(storage, BaseStorage):
        return Opened(optuna.storages.get_storage(storage), type(storage).__name__, ours=False)
    if storage is None:
        if write:
            _made(Path(FOLDER))
        return _sqlite(Path(FOLDER) / FILE, write)
    if not isinstance(storage, (str, os.PathLike)):
        raise UsageError(f"storage must be a path, a database URL or an Optuna storage, got {shorten(storage)}")
    text = os.fspath(storage)
    if "://" not in text:
        path = Path(text).expanduser()
        return _journal(path, write) if path.suffix in _JOURNALS else _sqlite(path, write)
    file = re.fullmatch(r"sqlite(?:\+pysqlite)?:///([^?:]+)", text)
    return _sqlite(Path(urllib.parse.unquote(file[1])), write) if file else _database(text)


def hidden(url: str) -> str:
    """A URL without its password, and without those among its parameters."""
    url = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
    return re.sub(r"(?i)([?&][a-z_]*(?:password|passwd|pwd)=)[^&]*", r"\1***", url)


# -- SQLite files


def _sqlite(path: Path, write: bool) -> Opened:
    """A SQLite file; read-only ones are opened for reading if that is enough."""
    fresh = not path.exists() or (path.is_file() and path.stat().st_size == 0)
    if fresh:
        _refuse_nothing(path, write)
    elif not path.is_file():
        raise StudyError(f"{path} is a folder; give the name of a file in it, such as {path / FILE}")
    elif path.suffix not in _SQLITE and not _is_sqlite(path):
        raise StudyError(f"{path} is not a SQLite file; name a new one, such as {path.with_suffix('.db')}")
    elif not _is_sqlite(path):
        raise StudyError(f"{path} is not a SQLite file, or is damaged; restore it from a copy or name another")
    writable = os.access(path, os.W_OK) if not fresh else os.access(path.parent, os.W_OK)
    writable = writable and os.access(path.parent, os.W_OK)  # the log is another file in that folder
    if write and not writable:
        raise StudyError(
            f"{path} may not be written: a study needs a file and a folder that may; run chmod u+w on both, or copy "
            f"the file elsewhere. What is in it can still be listed and reported"
        )
    opened = Opened(_none(), str(path), writable)
    if fresh:
        with opened.asked("create the file"), contextlib.closing(sqlite3.connect(path, timeout=BUSY)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    try:
        with opened.asked("open it"):
            uri, query = _uri(path) if writable else _read_only(path, opened)
            if not fresh:
                _refuse_foreign(path, f"{uri}?{urllib.parse.urlencode(query)}")
    except StudyError:
        opened.close()
        raise
    return _open(_url(uri, query), opened, {"connect_args": {"timeout": BUSY, "factory": _Connection}})


class _Connection(sqlite3.Connection):
    """A connection that leaves the waiting for the disk to the checkpoints of the log, where there is one.

    A process that is killed loses nothing by it; a machine that loses power may lose the last few runs.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            self.execute("PRAGMA synchronous=NORMAL")


def _refuse_nothing(path: Path, write: bool) -> None:
    if not write:
        raise StudyError(f"there are no studies in {path}: no such file; run `learnrate tune` here, or give --storage")
    if not path.parent.is_dir():
        raise StudyError(f"the folder {path.parent} does not exist; create it, or give another path than {path}")


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}; run chmod u+r on it, or give another") from None


def _uri(path: Path, **flags: str) -> tuple[str, dict[str, str]]:
    """What SQLite calls a file, whatever signs are in its name, and how to open it."""
    return path.absolute().as_uri(), flags


def _url(uri: str, query: dict[str, str]) -> str:
    """What Optuna calls it; no sign of the name is taken for a part of the URL."""
    url = sqlalchemy.URL.create("sqlite", database=uri, query={**query, "uri": "true"})
    return url.render_as_string(hide_password=False)


def _read_only(path: Path, opened: Opened) -> tuple[str, dict[str, str]]:
    """A file that needs no log to be written; where a log was left behind, a copy of both."""
    log = path.with_name(path.name + "-wal")
    if not log.exists():
        return _uri(path, immutable="1")
    opened.folder = tempfile.TemporaryDirectory()
    copies: list[Path] = []
    for _ in range(_ATTEMPTS):
        before = _marks(path, log)
        copies = [shutil.copyfile(each, Path(opened.folder.name) / each.name) for each in (path, log)]
        if _marks(path, log) == before:  # else someone has written meanwhile, and the two may not fit
            break
    for copy in copies:
        copy.chmod(0o600)
    return _uri(copies[0])


def _marks(*paths: Path) -> list[tuple[int, int]]:
    return [(stat.st_size, stat.st_mtime_ns) for stat in map(Path.stat, paths)]


def _refuse_foreign(path: Path, uri: str) -> None:
    """Before Optuna makes its tables in another program's file."""
    with contextlib.closing(sqlite3.connect(uri, timeout=BUSY, uri=True)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and not {"studies", "trials"} <= names:
        told = ", ".join(sorted(names)[:3])
        raise StudyError(f"{path} belongs to another program (it holds {told}); give the name of another file")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder {folder.absolute()} cannot be made: {error.strerror}; run this elsewhere or give --storage"
        ) from None


# -- other storages


def _database(url: str) -> Opened:
    """A database server; PostgreSQL is spoken to through psycopg, unless the URL or the machine says otherwise."""
    opened = Opened(_none(), hidden(url))
    server = re.match(r"postgres(?:ql)?://", url)
    if server:
        url = f"postgresql+{_postgres_driver()}://{url[server.end() :]}"
    return _open(url, opened, {"pool_pre_ping": True})


def _postgres_driver() -> str:
    for name in ("psycopg", "psycopg2"):
        if importlib.util.find_spec(name) is not None:
            return name
    raise MissingExtra("psycopg", "postgres")


def _journal(path: Path, write: bool) -> Opened:
    if not path.exists():
        _refuse_nothing(path, write)
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    opened = Opened(_none(), str(path), writable)
    if write and not writable:
        raise StudyError(f"{path} may not be written; run chmod u+w on it, or give another path")
    with opened.asked("open it"):
        from optuna.storages.journal import JournalFileBackend

        opened.storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    return opened


def _open(url: str, opened: Opened, settings: dict[str, Any]) -> Opened:
    with opened.asked("open it"):
        for attempt in range(_ATTEMPTS):
            try:
                with quiet():
                    tables = RDBStorage(url, engine_kwargs=dict(settings))
            except Exception as error:
                raced = any(words in str(error).lower() for words in _RACES)
                if not raced or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0.02, 0.3))
            else:
                opened.storage = optuna.storages.get_storage(tables)
                break
    return opened


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's own words about what it creates."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@functools.cache
def _none() -> BaseStorage:
    """What an `Opened` holds until it is open."""
    return optuna.storages.InMemoryStorage()


def _advice(error: Exception) -> str:
    """What a storage has said, and what to do about it."""
    causes: list[BaseException] = [error]
    while (deeper := causes[-1].__cause__ or causes[-1].__context__) is not None and deeper not in causes:
        causes.append(deeper)
    text = " ".join(str(cause) for cause in causes)
    first = str(causes[-1]).strip().partition("\n")[0]
    for words, fix in _FIXES.items():
        if words in text.lower():
            return f"{first}; {fix}" if fix[0] != "=" else fix[1:]
    return first or type(error).__name__


_FIXES = {
    "storage upgrade": "=an older Optuna made its tables; run: optuna storage upgrade --storage URL (keep a copy)",
    "updating optuna": "=a newer Optuna made its tables; run: pip install -U optuna",
    "locked": "another process holds it; end that process, or use a database server for many processes",
    "readonly": "it may not be written; run chmod u+w on the file and its folder",
    "read-only": "it may not be written; make it writable, or give another storage",
    "not a database": "it is not a SQLite file; give another path",
    "malformed": "it is damaged; restore it from a copy",
    "disk is full": "free some space; what was finished is kept",
    "connection": "check that the server runs, and the user, password and database in the URL",
}
