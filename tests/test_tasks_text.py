"""The embedded tasks on the source of the standard library: real runs on real text."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from learnrate.errors import TaskError
from learnrate.policy import Policy
from learnrate.runs import Run, Task, check_pairing, run
from learnrate.schedules import Constant, Linear
from learnrate.tasks import find
from learnrate.trace import Trace

torch = pytest.importorskip("torch", reason="the text tasks train with torch")

from learnrate.tasks import charlm as gpt  # noqa: E402
from learnrate.tasks import corpus  # noqa: E402
from learnrate.tasks import text as reader  # noqa: E402

ADAMW = Policy("adamw", Linear(0, 0.005, "5%") >> Linear(0.005, 0))
SGD = Policy("sgd", 0.05, {"momentum": 0.9})


@pytest.fixture(params=["text", "charlm"])
def task(request: pytest.FixtureRequest) -> Task:
    return find(request.param)


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """No run may leave a trace in the process, whatever the number of threads and the random state were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before), "the global random state is as it was"
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


# --- runs ------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_trace_bit_for_bit(task: Task) -> None:
    first = run(task, ADAMW, seed=1, updates=30)
    torch.rand(3)
    torch.manual_seed(1234)
    torch.set_num_threads(1)
    second = run(task, ADAMW, seed=1, updates=30)
    torch.set_num_threads(2)
    assert first.ended == "finished", first.error
    assert first == second
    assert first.loss.tobytes() == second.loss.tobytes()
    assert first != run(task, ADAMW, seed=2, updates=30)


def test_another_process_gives_the_same_trace_from_the_start_and_from_a_snapshot(task: Task, tmp_path: Path) -> None:
    whole = run(task, ADAMW, seed=4, updates=30)
    live = Run(task, ADAMW, seed=4, updates=30).advance(17)
    live.snapshot().save(tmp_path / "paused")
    program = (
        "import json, sys; from learnrate.tasks import find; from learnrate.runs import run, Snapshot;"
        "from learnrate.notation import parse; task, held = find(sys.argv[1]), Snapshot.load(sys.argv[3]);"
        "print(json.dumps(run(task, parse(sys.argv[2]), seed=4, updates=30).to_json()));"
        "print(json.dumps(run(task, held.policy, held.seed, snapshot=held).to_json()))"
    )
    command = [sys.executable, "-c", program, task.name, repr(ADAMW), str(tmp_path / "paused")]
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for line in ran.stdout.splitlines():
        there = Trace.from_json(json.loads(line))
        assert there == whole
        assert there.loss.tobytes() == whole.loss.tobytes()
    assert len(ran.stdout.splitlines()) == 2
    assert live.advance().trace() == whole, "and a snapshot leaves the run that gave it alone"


def test_a_snapshot_of_a_later_pass_resumes_bit_for_bit() -> None:
    updates = int(reader.text.meta["updates_per_epoch"]) + 12
    live = Run(reader.text, SGD, seed=5, updates=updates).advance(updates - 6)
    resumed = Run(reader.text, SGD, seed=5, snapshot=live.snapshot()).advance()
    assert resumed.trace() == live.advance().trace()


def test_runs_of_a_seed_are_paired_across_policies(task: Task) -> None:
    policies = [Policy("sgd", Linear(0.0, 0.1)), ADAMW, SGD, Policy("rmsprop", 1e-3), Policy("sgd", 0.0)]
    traces = [run(task, policy, seed, updates=2) for seed in (0, 1) for policy in policies]
    assert check_pairing(traces) is None
    assert len({trace.loss[0] for trace in traces}) == 2, "bit for bit, one first loss per seed"
    still, warm = traces[4], traces[0]
    assert still.loss[1] == warm.loss[1], "the second batch is the same too: at rate 0 nothing has moved"


def test_pausing_and_evaluating_change_nothing(task: Task) -> None:
    whole = run(task, ADAMW, seed=4, updates=30)
    live = Run(task, ADAMW, seed=4, updates=30)
    for until in (7, 8, 20):
        live.advance(until, evaluate=True)
        run(task, SGD, seed=4, updates=2)
    np.testing.assert_array_equal(live.advance().trace().loss, whole.loss)
    assert live.objective == whole.objective


def test_lengths_in_their_units_bind() -> None:
    lengths = [(gpt.charlm, "25600tok", 100), (gpt.charlm, "800smp", 100)]
    lengths += [(reader.text, "7680tok", 10), (reader.text, "1ep", 130), (reader.text, "320smp", 10)]
    for task, length, updates in lengths:
        bound = Run(task, Policy("adamw", Linear(0, 0.01, length) >> Constant(0.01))).policy.lr
        assert bound.parts[0].updates == updates, length


def test_it_learns_far_more_than_chance_and_the_rate_matters(task: Task) -> None:
    found = run(task, ADAMW)
    slow = run(task, Policy("adamw", Linear(1e-4, 0)))
    assert found.ended == slow.ended == "finished"
    assert found.objective is not None
    assert slow.objective is not None
    assert found.objective == found.evaluations["val_loss"][-1]
    assert found.objective < 0.75 * slow.objective
    assert found.objective < {"text": 0.7 * math.log(13), "charlm": 0.85 * _without_context()}[task.name]
    assert task.mode == "min"
    if task.name == "text":
        assert found.evaluations["val_accuracy"][-1] > 0.45


def _without_context() -> float:
    """The held-out loss, in nats, of knowing how common each character is, and nothing else."""
    data = gpt._data()
    counts = data.train.bincount(minlength=len(gpt.ALPHABET)) + 1
    return float(-(counts / counts.sum()).log()[data.held_out[:, 1:]].mean())


def test_a_rate_that_is_far_too_high_diverges(task: Task) -> None:
    trace = run(task, Policy("sgd", 1e4), updates=20)
    assert trace.ended == "diverged"
    assert len(trace) < 20


def test_what_each_task_says_of_itself(task: Task) -> None:
    network = {"text": reader.Reader, "charlm": gpt._gpt}[task.name]()
    torch.manual_seed(1234)
    assert f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters" in str(task.__doc__)
    assert pickle.loads(pickle.dumps(task)) is task
    assert task.resumable


# --- the text --------------------------------------------------------------------------------------------------------


def test_no_file_is_on_both_sides() -> None:
    for package in corpus.packages():
        train, held_out = ({path for path, _ in side} for side in package)
        assert train
        assert held_out
        assert not train & held_out


def test_no_sample_held_out_stands_in_the_text_to_train_on() -> None:
    found = corpus.packages()
    train = [reader._words(corpus.joined(package.train)) for package in found]
    numbers = reader._vocabulary(train)
    text = [b" ".join(b"%d" % numbers.get(word, reader.UNKNOWN) for word in words) for words in train]
    seen = b" | ".join(text) + b" "
    data = reader._data()
    for sample in data.train[:: reader.SAMPLES // 4]:
        assert b" ".join(b"%d" % number for number in sample) + b" " in seen
    for sample in data.held_out:
        assert b" ".join(b"%d" % number for number in sample) + b" " not in seen


def test_every_package_has_as_many_samples() -> None:
    data = reader._data()
    assert data.train.shape == (13 * 320, reader.LENGTH)
    assert data.held_out.shape == (13 * 32, reader.LENGTH)
    assert data.train_classes.bincount().tolist() == [320] * 13
    assert data.held_out_classes.bincount().tolist() == [32] * 13
    assert int(data.train.max()) == reader.WORDS - 1
    assert len({tuple(sample.tolist()) for sample in data.held_out}) == 13 * 32


def test_a_pass_shows_every_sample_once_with_a_quarter_of_its_words_hidden() -> None:
    data = reader._data()
    batches = list(reader._batches(seed=0))
    assert len(batches) == reader.text.meta["updates_per_epoch"]
    assert {len(words) for words, _ in batches} == {reader.text.meta["batch_size"]}
    assert torch.cat([classes for _, classes in batches]).bincount().tolist() == [320] * 13
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    shown, whole = torch.cat([words for words, _ in batches]), data.train[order]
    assert ((shown == whole) | (shown == reader.UNKNOWN)).all()
    known = whole != reader.UNKNOWN
    assert float((shown == reader.UNKNOWN)[known].float().mean()) == pytest.approx(0.25, abs=0.01)


def test_what_is_predicted_is_hidden_from_the_gpt_and_nothing_from_the_reader() -> None:
    model, windows = gpt._gpt(), gpt._data().held_out[:1, :-1]
    other = windows.clone()
    other[0, 20] = (other[0, 20] + 1) % len(gpt.ALPHABET)
    moved = (model(windows) - model(other)).detach().abs().amax(dim=(0, 2))
    assert float(moved[:20].max()) == 0.0
    assert float(moved[20:].min()) > 0.0
    seer = reader.Transformer(9, 8, 3, width=8, heads=2, layers=1, causal=False)
    moved = (seer(torch.tensor([[1, 2, 3]])) - seer(torch.tensor([[1, 2, 4]]))).detach().abs().amax(dim=(0, 2))
    assert float(moved.min()) > 0.0
    torch.manual_seed(1234)


def test_the_gpt_is_judged_on_text_of_files_held_out() -> None:
    found = corpus.packages()
    data = gpt._data()
    written = "".join(gpt.ALPHABET[number] for number in data.train.tolist())
    plain = {side: [_plain(text) for package in found for _, text in package[side]] for side in (0, 1)}
    assert all(text in written for text in plain[0])
    assert not any(text in written for text in plain[1])
    rest = "\n".join(plain[1])
    for window in data.held_out:
        assert "".join(gpt.ALPHABET[number] for number in window) in rest
    assert {len(batch) for batch, _ in zip(gpt._batches(0), range(3), strict=False)} == {gpt.BATCH}
    assert gpt.charlm.meta["tokens_per_update"] == next(gpt._batches(0))[:, 1:].numel()


def _plain(text: str) -> str:
    return "".join(sign if sign in gpt.ALPHABET else "?" for sign in text)


def test_other_characters_are_question_marks() -> None:
    assert "".join(gpt.ALPHABET[number] for number in gpt._read("A\té\U0001f600~\n")) == "A???~\n"


# --- a library of one's own ------------------------------------------------------------------------------------------


def _library(folder: Path, sizes: dict[str, int]) -> Path:
    """Every package with files of these lengths, written in different letters."""
    for name in corpus.PACKAGES:
        for number, (path, size) in enumerate(sizes.items()):
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(chr(97 + number) * size, encoding="utf-8")
    return folder


def test_the_second_longest_and_every_third_after_it_are_held_out(tmp_path: Path) -> None:
    sizes = {"c.py": 3000, "a.py": 5000, "in/b.py": 4000, "d.py": 2500, "e.py": 2000, "f.py": 2000}
    aside = {"g.py": 1499, "tests/t.py": 9000, "test/t.py": 9000, "h.txt": 9000}
    for package in corpus.packages(_library(tmp_path, sizes | aside)):
        assert [path.partition("/")[2] for path, _ in package.train] == ["a.py", "c.py", "d.py", "f.py"]
        assert [path.partition("/")[2] for path, _ in package.held_out] == ["in/b.py", "e.py"]
        assert corpus.joined(package.held_out) == "c" * 4000 + "\n" + "e" * 2000


def test_a_library_without_its_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TaskError, match=r"source files of asyncio .*at least 3, got 0 in .*python311\.zip; use a Python"
    ):
        corpus.packages(tmp_path / "python311.zip")
    with pytest.raises(TaskError, match="source files of asyncio .*got 2"):
        corpus.packages(_library(tmp_path / "few", {"a.py": 2000, "b.py": 2000}))


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    folder = _library(tmp_path, {"a.py": 2000, "b.py": 2000, "c.py": 2000})
    (folder / "xml" / "d.py").mkdir()
    with pytest.raises(TaskError, match="xml of the standard library cannot be read: .*d.py"):
        corpus.packages(folder)


def test_too_little_text_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _library(tmp_path, {"a.py": 2000, "b.py": 2000, "c.py": 2000})
    monkeypatch.setattr(reader, "packages", lambda: corpus.packages(folder))
    with pytest.raises(TaskError, match="must find 320 samples in the standard library's source of asyncio, got 0"):
        reader._data.__wrapped__()


def test_a_run_without_the_text_says_why(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"text": reader, "charlm": gpt}[task.name]
    monkeypatch.setattr(module, "_data", module._data.__wrapped__)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    with pytest.raises(TaskError, match="the standard library must hold source files of asyncio"):
        run(task, SGD)
