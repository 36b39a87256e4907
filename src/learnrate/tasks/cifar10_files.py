"""The files of CIFAR-10's "python version", read without ever running what is in them.

The six batches are pickles, written by Python 2. A pickle is a program: whoever unpickles a file lets it call any
function it names. Here every name becomes a `_Recorded`, which only writes down what it was called with, so nothing
but this module's own code runs, not even NumPy's. Names that these files do not hold are refused.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import TaskError
from ..spec import shorten

PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
HELD_OUT = "test_batch"
META = "batches.meta"
CLASSES = 10
SHAPE = (3, 32, 32)
"""Of an image: red, green and blue, then rows, then columns."""

_PIXELS = 3 * 32 * 32
_NAMES = frozenset(
    {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }
)


class Images(NamedTuple):
    """Images as uint8 of shape (images, 3, 32, 32), and their classes, int64 from 0 to 9."""

    pixels: np.ndarray
    labels: np.ndarray


class Files(NamedTuple):
    """What the folder holds: images to train on, images held out, and what the classes are called."""

    train: Images
    held_out: Images
    names: tuple[str, ...]


def read(folder: Path) -> Files:
    """Read all batches of a folder, which is `cifar-10-batches-py` itself or the folder that it is in.

    Raises `TaskError` that says where to get what is missing, or names the file that is damaged.
    """
    place = _place(folder)
    parts = [_images(place / name) for name in TRAINING]
    train = Images(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    return Files(train, _images(place / HELD_OUT), _names(place / META))


def advice() -> str:
    """Where the data comes from, and how it must lie."""
    return (
        f"get {ARCHIVE} (the CIFAR-10 python version, 163 MB) from {PAGE} and unpack it: DIR/{FOLDER}/ then holds "
        f"{TRAINING[0]} to {TRAINING[-1]}, {HELD_OUT} and {META}"
    )


def _place(folder: Path) -> Path:
    """The folder of the batches; every file must be there."""
    if not folder.is_dir():
        raise TaskError(f"there is no folder {folder} for task 'cifar10'; {advice()}")
    place = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    missing = [name for name in (*TRAINING, HELD_OUT, META) if not (place / name).is_file()]
    if (folder / ARCHIVE).is_file() and missing:
        raise TaskError(f"{folder / ARCHIVE} is still packed; run: tar -xzf {ARCHIVE} in {folder}")
    if missing:
        raise TaskError(f"{place} lacks {', '.join(missing)} of CIFAR-10; {advice()}")
    return place


def _images(path: Path) -> Images:
    """The images of one batch."""
    batch = _unpickled(path)
    pixels = _array(path, batch.get(b"data"))
    labels = batch.get(b"labels")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < CLASSES for label in labels):
        raise _wrong(path, f"labels must be a list of whole numbers from 0 to 9, got {_seen(labels)}")
    if len(labels) != len(pixels):
        raise _wrong(path, f"it has {len(pixels)} images and {len(labels)} labels; there must be one for each")
    return Images(pixels.reshape(-1, *SHAPE), np.array(labels, dtype=np.int64))


def _names(path: Path) -> tuple[str, ...]:
    """The names of the classes, in the order of their numbers."""
    names = _unpickled(path).get(b"label_names")
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(name, bytes) for name in names):
        raise _wrong(path, f"label_names must be a list of ten names, got {_seen(names)}")
    return tuple(name.decode("ascii", "replace") for name in names)


# -- pickles


class _Recorded:
    """What stands for a name, for what calling it would have returned, and for the state that would be set there."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name, self.arguments, self.state = name, arguments, None

    def __call__(self, *arguments: Any) -> _Recorded:
        return _Recorded(f"{self.name}()", arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Reads bytes, numbers, lists, tuples and dicts; names are recorded, or refused, and never looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {shorten(f'{module}.{name}')}, which no file of CIFAR-10 does")
        return _Recorded(name)


def _unpickled(path: Path) -> dict[Any, Any]:
    """The dict that a file holds."""
    try:
        value = _Reader(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise _wrong(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(value, dict):
        raise _wrong(path, f"it must hold a dict, got {_seen(value)}")
    return value


def _array(path: Path, found: Any) -> np.ndarray:
    """The pixels, (images, 3072) uint8, out of what was recorded of an array."""
    rule = f"data must be an array of bytes (uint8) of shape (images, {_PIXELS})"
    if not isinstance(found, _Recorded) or found.name != "_reconstruct()":
        raise _wrong(path, f"{rule}, got {_seen(found)}")
    match found.state:
        case (1, (int(images), int(columns)), _Recorded(name="dtype()", arguments=kind), False, bytes(content)):
            pass
        case _:
            raise _wrong(path, f"{rule}, got an array that is written in another way")
    if kind[:1] not in ((b"u1",), ("u1",)) or columns != _PIXELS or images < 1:
        raise _wrong(
            path, f"{rule}, got shape ({_seen(images)}, {_seen(columns)}) of type {_seen(kind[0] if kind else None)}"
        )
    if len(content) != images * columns:
        raise _wrong(path, f"its array of {_seen(images)} images has {len(content)} bytes in place of {_PIXELS} each")
    return np.frombuffer(bytearray(content), dtype=np.uint8).reshape(images, columns)  # one that may be written


def _seen(value: Any) -> str:
    """A value in few words. Nothing is printed whole: a few bytes of a pickle can nest lists to any size."""
    if value is None or isinstance(value, int):
        return shorten(value)
    if isinstance(value, (bytes, str)) and len(value) < 20:
        return repr(value)
    if isinstance(value, (bytes, str, list, tuple, dict)):
        return f"{type(value).__name__} of length {len(value)}"
    return value.name if isinstance(value, _Recorded) else type(value).__name__


def _wrong(path: Path, what: str) -> TaskError:
    return TaskError(f"{path} is no batch of CIFAR-10, or is damaged: {what}; unpack {ARCHIVE} again, from {PAGE}")
