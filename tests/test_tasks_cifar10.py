"""CIFAR-10 from a folder: files as Python 2 wrote them, files that are wrong, and a task that trains on them.

The files here are written opcode by opcode as Python 2's cPickle wrote the real ones, with few images in them; the
images are random, and their mean colour tells their class.
"""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from learnrate.errors import TaskError, UsageError
from learnrate.policy import Policy
from learnrate.runs import Run, check_pairing, run, task
from learnrate.schedules import Linear
from learnrate.tasks import cifar10_files as files
from learnrate.tasks import find
from learnrate.tuner.places import Place

torch = pytest.importorskip("torch", reason="the task trains with torch")

from learnrate.tasks import cifar10 as module  # noqa: E402

NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
SGD = Policy("sgd", Linear(0.1, 0), {"momentum": 0.9})
ROWS = 32


class Written:
    """What Python 2.7's cPickle writes at protocol 2: text as (SHORT_)BINSTRING, and a memo entry for every object."""

    def __init__(self, value: object) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo = 0
        self.write(value)
        self.out += b"."

    def put(self) -> None:
        self.memo += 1
        self.out += b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def write(self, value: object) -> None:
        if isinstance(value, bytes):
            short = len(value) < 256
            self.out += (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
            self.put()
        elif isinstance(value, int):
            self.number(value)
        elif isinstance(value, list):
            self.several(b"]", value, b"e")
        elif isinstance(value, dict):
            self.several(b"}", [part for item in value.items() for part in item], b"u")
        else:
            assert isinstance(value, np.ndarray)
            self.array(value)

    def number(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += b"K" + bytes([value])
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        else:
            self.out += b"J" + struct.pack("<i", value)

    def several(self, empty: bytes, parts: list[object], end: bytes) -> None:
        """Items are appended by the thousand, as pickle does."""
        self.out += empty
        self.put()
        for start in range(0, len(parts), 1000):
            self.out += b"("
            for part in parts[start : start + 1000]:
                self.write(part)
            self.out += end

    def name(self, module: str, name: str) -> None:
        self.out += f"c{module}\n{name}\n".encode()
        self.put()

    def array(self, value: np.ndarray) -> None:
        self.name("numpy.core.multiarray", "_reconstruct")
        self.name("numpy", "ndarray")
        self.out += b"K\x00\x85"
        self.put()
        self.write(b"b")
        self.out += b"\x87"
        self.put()
        self.out += b"R"
        self.put()
        self.out += b"(K\x01"
        for size in value.shape:
            self.number(size)
        self.out += b"\x86" if value.ndim == 2 else b"\x85"
        self.put()
        self.name("numpy", "dtype")
        self.write(value.dtype.str[1:].encode())
        self.out += b"K\x00K\x01\x87"
        self.put()
        self.out += b"R"
        self.put()
        order = b"|" if value.dtype.itemsize == 1 else b"<"
        self.out += b"(K\x03"
        self.write(order)
        self.out += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        self.write(value.tobytes())
        self.out += b"tb"


def batch(rows: int, seed: int, title: bytes) -> dict[bytes, object]:
    """As the real ones: red rows first, then green, then blue; here a class has a brightness of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=rows)
    data = rng.integers(0, 60, size=(rows, 3072)) + 20 * labels[:, None]
    names = [b"picture_s_%06d.png" % row for row in range(rows)]
    return {
        b"batch_label": title,
        b"labels": [int(label) for label in labels],
        b"data": data.astype(np.uint8),
        b"filenames": names,
    }


def save(path: Path, value: object) -> None:
    path.write_bytes(bytes(Written(value).out))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    place = root / files.FOLDER
    place.mkdir()
    for number, name in enumerate(files.TRAINING, 1):
        save(place / name, batch(ROWS, number, b"training batch %d of 5" % number))
    save(place / files.HELD_OUT, batch(40, 6, b"testing batch 1 of 1"))
    save(place / files.META, {b"num_cases_per_batch": ROWS, b"label_names": NAMES, b"num_vis": 3072})
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "data"))


# -- reading


def test_the_files_are_those_that_the_standard_reader_knows(original: Path) -> None:
    """What is written here is a pickle that Python's own reader and NumPy read, and both readers read the same."""
    for name in (*files.TRAINING, files.HELD_OUT):
        path = original / files.FOLDER / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy 2.4 about the way in which dtypes were once written
            known = pickle.loads(path.read_bytes(), encoding="bytes")
        read = files._images(path)
        np.testing.assert_array_equal(read.pixels.reshape(-1, 3072), known[b"data"])
        assert read.labels.tolist() == known[b"labels"]
        assert read.pixels.dtype == np.uint8


def test_a_batch_of_full_size_begins_as_the_real_one_does(tmp_path: Path) -> None:
    whole = batch(10_000, 0, b"training batch 1 of 5")
    path = tmp_path / "data_batch_1"
    save(path, whole)
    content = path.read_bytes()
    begins = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(K"
    array = b"\x87R" + b"q\x0c(K\x01M\x10'M\x00\x0c\x86"
    assert content.startswith(begins)
    assert b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q" in content
    assert b"M\x10'M\x00\x0c\x86" in content, f"10000 times 3072, as in {array!r}"
    assert b"T\x00\xc0\xd4\x01" in content, "30,720,000 bytes in one piece"
    read = files._images(path)
    assert read.pixels.shape == (10_000, 3, 32, 32)
    np.testing.assert_array_equal(read.pixels.reshape(10_000, -1), whole[b"data"])
    assert read.labels.tolist() == whole[b"labels"]


def test_colours_rows_and_columns_are_in_their_places(root: Path) -> None:
    given = batch(ROWS, 1, b"")
    image = np.zeros((3, 32, 32), dtype=np.uint8)
    image[1, 2, 3] = 200
    given[b"data"][0] = image.ravel()  # type: ignore[index]
    save(root / files.FOLDER / "data_batch_1", given)
    read = files.read(root)
    assert read.train.pixels[0, 1, 2, 3] == 200
    assert np.count_nonzero(read.train.pixels[0]) == 1
    assert read.names == tuple(name.decode() for name in NAMES)
    assert read.train.pixels.shape == (5 * ROWS, 3, 32, 32)
    assert len(read.held_out.labels) == 40


def test_the_folder_or_the_one_above_it(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above, inside = files.read(original), files.read(original / files.FOLDER)
    np.testing.assert_array_equal(above.train.pixels, inside.train.pixels)
    assert find("cifar10", data=original).name == "cifar10"
    monkeypatch.delenv(module.PLACE, raising=False)
    with pytest.raises(TaskError, match="LEARNRATE_DATA"):
        find("cifar10")
    monkeypatch.setenv(module.PLACE, str(original))
    assert find("cifar10").meta["updates_per_epoch"] == 5 * ROWS // 128


def test_tasks_without_a_folder_refuse_one(original: Path) -> None:
    with pytest.raises(UsageError, match="task 'cartpole' reads no data"):
        find("cartpole", data=original)
    with pytest.raises(UsageError, match=r"mine\.py reads no data"):
        find("mine.py:task", data="somewhere")


# -- what is absent or wrong


def test_absent_data_says_where_to_get_it_and_how_it_lies(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(TaskError) as raised:
            module.cifar10(folder)
        for part in (files.PAGE, "cifar-10-python.tar.gz", str(folder), "cifar-10-batches-py", "test_batch"):
            assert part in str(raised.value)


def test_an_archive_that_is_still_packed(tmp_path: Path) -> None:
    (tmp_path / files.ARCHIVE).write_bytes(b"")
    with pytest.raises(TaskError, match="still packed; run: tar -xzf cifar-10-python.tar.gz"):
        module.cifar10(tmp_path)


def test_a_missing_file_is_named(root: Path) -> None:
    (root / files.FOLDER / "data_batch_3").unlink()
    with pytest.raises(TaskError, match=r"lacks data_batch_3 of CIFAR-10; get"):
        module.cifar10(root)


def _spoilt(**changed: object) -> bytes:
    return bytes(Written(batch(4, 0, b"") | {name.encode(): value for name, value in changed.items()}).out)


GOOD = bytes(Written(batch(4, 0, b"")).out)
FLOATS = np.zeros((4, 3072), dtype=np.float64)
WRONG = {
    "empty": (b"", "EOFError"),
    "cut short": (GOOD[:5000], "pickle data was truncated|EOFError|ran out of input"),
    "a web page": (b"<!DOCTYPE html>", "UnpicklingError|ValueError|KeyError|IndexError"),
    "a list": (bytes(Written([1, 2]).out), "it must hold a dict"),
    "no data": (bytes(Written({b"labels": [1]}).out), "data must be an array"),
    "data in a list": (_spoilt(data=[1, 2, 3, 4]), "data must be an array"),
    "grey images": (_spoilt(data=np.zeros((4, 1024), dtype=np.uint8)), r"got shape \(4, 1024\)"),
    "one row": (_spoilt(data=np.zeros(3072, dtype=np.uint8)), "written in another way"),
    "no images": (_spoilt(data=np.zeros((0, 3072), dtype=np.uint8), labels=[]), r"got shape \(0, 3072\)"),
    "floats": (_spoilt(data=FLOATS), r"got shape \(4, 3072\) of type b'f8'"),
    "too few pixels": (GOOD.replace(b"T\x00\x30\x00\x00", b"T\x00\x2f\x00\x00"), "damaged"),
    "wrong count": (GOOD.replace(b"K\x04M\x00\x0c\x86", b"K\x05M\x00\x0c\x86"), "5 images has 12288 bytes"),
    "more images than can be written": (
        GOOD.replace(b"K\x04M\x00\x0c\x86", b"\x8b\x88\x13\x00\x00" + b"\x01" * 5000 + b"M\x00\x0c\x86"),
        "12288 bytes in place of 3072 each",
    ),
    "a label too many": (_spoilt(labels=[1, 2, 3, 4, 5]), "4 images and 5 labels"),
    "class ten": (_spoilt(labels=[1, 2, 3, 10]), "from 0 to 9"),
    "CIFAR-100": (bytes(Written({b"fine_labels": [1], b"data": FLOATS[:1].astype(np.uint8)}).out), "labels must be"),
    "a repeat of labels": (_spoilt(labels=b"\x01\x02\x03\x04"), "labels must be"),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_a_damaged_file_is_named(root: Path, what: str) -> None:
    content, said = WRONG[what]
    path = root / files.FOLDER / "data_batch_2"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=said) as raised:
        module.cifar10(root)
    assert str(path) in str(raised.value)
    assert files.PAGE in str(raised.value)


def test_wrong_names_of_classes_are_seen(root: Path) -> None:
    path = root / files.FOLDER / files.META
    for names in (NAMES[:9], [1] * 10, b"cat"):
        save(path, {b"label_names": names})
        with pytest.raises(TaskError, match=r"batches\.meta .* label_names must be a list of ten names"):
            module.cifar10(root)


# -- pickles that are programs


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call  # type: ignore[return-value]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_writes_a_file_writes_none(root: Path, tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "written"
    attack = pickle.dumps({b"data": Evil(Path.touch, target)}, protocol)
    path = root / files.FOLDER / "data_batch_1"
    path.write_bytes(attack)
    with pytest.raises(TaskError, match="which no file of CIFAR-10 does"):
        module.cifar10(root)
    assert not target.exists()
    pickle.loads(attack)
    assert target.exists(), "the standard reader does what the file says"


@pytest.mark.parametrize(
    "name",
    ["builtins\neval", "os\nsystem", "numpy\nload", "numpy\nfromfile", "numpy\nndarray.tofile", "_codecs\nencode"],
)
def test_every_other_name_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "batch"
    path.write_bytes(b"\x80\x02c" + name.encode() + b"\nU\x01b\x85R.")
    with pytest.raises(TaskError, match="which no file of CIFAR-10 does"):
        files._unpickled(path)


def test_a_name_that_is_admitted_is_only_written_down(tmp_path: Path) -> None:
    """Neither a call, nor a state, nor attributes reach NumPy or the reader itself."""
    path = tmp_path / "batch"
    before = {name: getattr(np.ndarray, name) for name in ("shape", "tofile")}
    recorded = dict(vars(files._Recorded))
    for program in (
        b"cnumpy\nndarray\nN}U\x05shapeK\x01s\x86b",  # a state with attributes, put on the name
        b"cnumpy\nndarray\nM\x10\x27\x85R",  # an array of 10,000, made at once
        b"cnumpy\nndarray\n}U\x0c__setstate__K\x01sb",
        b"cnumpy\ndtype\nU\x02u1\x85RN}U\x04nameK\x01s\x86b",
    ):
        path.write_bytes(b"\x80\x02}U\x04data" + program + b"s.")
        value = files._unpickled(path)[b"data"]
        assert type(value) is files._Recorded
        with pytest.raises(TaskError, match="data must be an array"):
            files._images(path)
    assert {name: getattr(np.ndarray, name) for name in before} == before
    assert dict(vars(files._Recorded)) == recorded
    path.write_bytes(b"\x80\x02cnumpy\nndarray\n)\x81.")  # NEWOBJ wants a class, and there is none
    with pytest.raises(TaskError, match="is no batch of CIFAR-10"):
        files._unpickled(path)


def test_references_to_what_is_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    for program in (b"\x80\x02U\x01aQ.", b"Pa\n.", b"\x80\x02\x82\x01."):  # persistent ids, a registered extension
        path.write_bytes(program)
        with pytest.raises(TaskError, match="is no batch of CIFAR-10"):
            files._unpickled(path)


def test_lists_that_would_be_printed_without_end_are_not_printed(tmp_path: Path) -> None:
    """Ten references to a list of ten references, forty times over, are 10**40 numbers in a kilobyte."""
    nest = b"]q\x00(" + b"K\x01" * 10 + b"e"
    for level in range(1, 40):
        nest += b"q" + bytes([level]) + b"0](" + b"h" + b"h".join([bytes([level])] * 10) + b"e"
    path = tmp_path / "batch"
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    for begin, end in ((b"", b""), (b"}U\x04data", b"s"), (b"}U\x04data" + array, b"bs"), (b"}U\x0blabel_names", b"s")):
        path.write_bytes(b"\x80\x02" + begin + nest + end + b".")
        for reader in (files._images, files._names):
            with pytest.raises(TaskError, match="is no batch of CIFAR-10"):
                reader(path)


# -- training


def test_it_learns_from_a_folder(original: Path) -> None:
    task = module.cifar10(original, device="cpu")
    assert (task.name, task.objective, task.mode, task.updates) == ("cifar10", "val_loss", "min", module.UPDATES)
    assert task.meta["batch_size"] == 128
    trace = run(task, SGD, updates=5)
    assert trace.ended == "finished", trace.error
    assert set(trace.evaluations) == {"update", "val_loss", "val_accuracy"}
    assert trace.loss[-1] < 0.8 * trace.loss[0]
    worse = run(task, Policy("sgd", 1e-6), updates=2)
    assert worse.loss[0] == trace.loss[0]
    assert check_pairing([trace, worse]) is None
    assert run(task, SGD, seed=1, updates=1).loss[0] != trace.loss[0]


def test_the_same_seed_gives_the_same_trace_and_leaves_none(original: Path) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    task = module.cifar10(original, device="cpu")
    first = run(task, SGD, seed=3, updates=3)
    again = run(pickle.loads(pickle.dumps(task)), SGD, seed=3, updates=3)
    assert first.loss.tobytes() == again.loss.tobytes()
    assert first == again
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2
    live = Run(task, SGD, seed=3, updates=3).advance(1)
    forked = Run(task, SGD, seed=3, updates=3, snapshot=live.snapshot()).advance().trace()
    assert forked.loss.tobytes() == first.loss.tobytes()


def test_a_pickled_task_holds_its_folder_and_no_images(original: Path) -> None:
    task = module.cifar10(original, updates=17, device="cpu")
    sent = pickle.dumps(task)
    assert len(sent) < 1000
    back = pickle.loads(sent)
    wanted = {field.name for field in dataclasses.fields(task)} - {"function"}
    assert {name: getattr(back, name) for name in wanted} == {name: getattr(task, name) for name in wanted}
    assert str(original) not in repr(task.meta)


def test_a_worker_process_makes_it_from_its_folder(original: Path) -> None:
    place = Place.of(module.cifar10(original, updates=17, device="cpu"))
    with pytest.raises(UsageError, match="no name at the top of a module"):
        Place.of(task(3, "left")(lambda policy, seed: iter(())))
    found = pickle.loads(pickle.dumps(place)).find()
    assert (found.name, found.updates) == ("cifar10", 17)


def test_the_gpu_is_taken_where_there_is_one(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "device" not in module.cifar10(original, device="cpu").meta
    asked: list[object] = []
    monkeypatch.setattr(module, "TorchTask", lambda *_, **given: asked.append(given["device"]) or _Stop())
    for device in (None, "cpu"):
        with pytest.raises(TypeError):
            module.cifar10(original, device=device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TypeError):
        module.cifar10(original)
    assert asked == ["cuda", "cpu", "cpu"]


class _Stop:
    """No task: what is made of it fails."""


def test_an_epoch_shows_every_image_once(original: Path) -> None:
    train = files.read(original).train
    batches = list(module._epoch(train, 32, seed=1))
    assert len(batches) == 5
    assert all(images.shape == (32, 3, 32, 32) and images.dtype == torch.uint8 for images, _ in batches)
    labels = torch.cat([labels for _, labels in batches])
    assert labels.bincount().tolist() == np.bincount(train.labels).tolist()
    again = list(module._epoch(train, 32, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(batches[3], again[3], strict=True))
    other = next(iter(module._epoch(train, 32, seed=2)))
    assert not torch.equal(other[0], batches[0][0])


def test_augmentation_shifts_by_four_pixels_and_mirrors() -> None:
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(1, 256, size=(3, 32, 32)).astype(np.uint8))
    many = module._augmented(image.expand(2000, -1, -1, -1), torch.Generator().manual_seed(0))
    frame = torch.nn.functional.pad(image, (4, 4, 4, 4))
    known = {}
    for down in range(9):
        for right in range(9):
            crop = frame[:, down : down + 32, right : right + 32]
            known[crop.numpy().tobytes()] = (down, right, False)
            known[crop.flip(2).numpy().tobytes()] = (down, right, True)
    seen = [known[one.numpy().tobytes()] for one in many.contiguous()]
    assert len(set(seen)) == 162, "every shift, mirrored and not"
    assert 0.45 < np.mean([mirrored for _, _, mirrored in seen]) < 0.55


def test_images_are_normalised_by_the_training_images(original: Path) -> None:
    train = files.read(original).train
    mean, deviation = module._spread(train.pixels)
    np.testing.assert_allclose(mean, train.pixels.mean(axis=(0, 2, 3)) / 255, rtol=1e-6)
    np.testing.assert_allclose(deviation, train.pixels.std(axis=(0, 2, 3)) / 255, rtol=1e-6)
    seen: list[torch.Tensor] = []
    with torch.random.fork_rng(devices=[]):
        model = module.ResNet(mean, deviation)
    model.blocks = model.head = torch.nn.Identity()
    model.stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.from_numpy(train.pixels))
    assert abs(float(seen[0].mean())) < 1e-3
    assert abs(float(seen[0].std()) - 1) < 1e-3


def test_the_docstring_says_how_large_the_network_is() -> None:
    with torch.random.fork_rng(devices=[]):
        size = sum(parameter.numel() for parameter in module.ResNet((0.0,) * 3, (1.0,) * 3).parameters())
    assert f"{size:,} parameters" in str(module.ResNet.__doc__)


def test_reading_files_does_not_import_torch() -> None:
    program = "import sys; import learnrate.tasks.cifar10_files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
