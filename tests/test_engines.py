"""Engines: this process and worker processes. The same runs, whatever becomes of the processes that make them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import learnrate
from learnrate.errors import LearnrateError, MissingExtra, ParameterError, TaskError, UsageError
from learnrate.finder import engine as engines
from learnrate.finder.asking import Answers, Ask
from learnrate.finder.driving import Driver
from learnrate.finder.engine import Engine, Local, Report
from learnrate.finder.keeping import Drawer
from learnrate.policy import Policy
from learnrate.runs import Run, Task, task
from learnrate.schedules import Constant, Function, Linear
from learnrate.tasks import find
from learnrate.trace import Trace
from learnrate.tuner.processes import Processes
from learnrate.tuner.serving import Folder

TASKS = """
import os
import signal
import time
from pathlib import Path

import numpy as np

import learnrate as lr
from learnrate.errors import MissingExtra


def first():
    "Whether no process has asked before."
    path = Path(f"{__file__}.asked")
    asked = path.exists()
    path.touch()
    return not asked


def moved(policy, seed, t, x):
    "One update, and what the optimizer's name asks for."
    if policy.optimizer in ("waits", "hangs"):
        time.sleep(0.01 if policy.optimizer == "waits" or t < 5 else 3600)
    if t == 12 and (policy.optimizer == "dies" or policy.optimizer == "dies_once" and first()):
        os.kill(os.getpid(), signal.SIGKILL)
    if policy.optimizer == "leaves" and t == 12:
        os._exit(3)
    if policy.optimizer == "hungry" and t == 3:
        np.zeros((10**7, 10**8))
    if policy.optimizer == "forks" and t == 3:
        child = os.fork()
        if child:
            Path(f"{__file__}.child").write_text(str(child))
    if policy.optimizer == "extra":
        raise MissingExtra("optuna", "tune")
    if policy.optimizer == "prints":
        print("chatter")
        os.write(1, b"prattle")
    noise = np.random.default_rng([seed, t]).normal()
    return x - policy.lr(t) * (x + 0.1 * noise)


@lr.task(updates=50, objective="left", evaluation=2)
def tiny(policy, seed, updates, snapshot=None):
    t, x = snapshot or [0, 8.0 + seed]
    while t < updates:
        loss, x = abs(x), float(moved(policy, seed, t, x))
        t += 1
        shown = "text" if policy.optimizer == "speaks" and t == 5 else float(os.environ.get("OMP_NUM_THREADS", "0"))
        request = yield {"loss": loss, "threads": shown} if policy.optimizer in ("speaks", "counts") else {"loss": loss}
        while request:
            request = yield {"snapshot": [t, x]} if request == "snapshot" else {"left": abs(x)}


@lr.task(updates=50, objective="left", evaluation=2)
def plain(policy, seed, updates):
    "The same without snapshots."
    x = 8.0 + seed
    for t in range(updates):
        loss, x = abs(x), float(moved(policy, seed, t, x))
        if (yield {"loss": loss}) == "evaluate":
            yield {"left": abs(x)}


if Path(f"{__file__}.armed").exists():
    from learnrate.tuner.processes import Processes

    Processes(tiny, 1)
if Path(f"{__file__}.broken").exists():
    raise RuntimeError("no longer what it was")
"""

RATE = Policy("sgd", 0.1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engines") / "mine.py"
    path.write_text(TASKS, encoding="utf-8")
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of a test's own, whose runs leave their marks beside it."""
    path = tmp_path / "mine.py"
    path.write_text(TASKS, encoding="utf-8")
    return path


@pytest.fixture(params=["tiny", "plain"])
def either(request: pytest.FixtureRequest, file: Path) -> Task:
    return find(f"{file}:{request.param}")


def ask(policy: Policy = RATE, until: int | None = None, **more: Any) -> Ask:
    return Ask(policy, **({"seed": 0, "updates": 50} | more), until=until)


def under(optimizer: str) -> Policy:
    return RATE.replace(optimizer=optimizer)


def until(engine: Engine, *runs: int) -> dict[int, Report]:
    """Wait for these runs; the last report of each run that was heard of."""
    reports: dict[int, Report] = {}
    for _ in range(120):
        reports |= {report.run: report for report in engine.wait(0.5)}
        if all(run in reports and (reports[run].trace or reports[run].lost) for run in runs):
            return reports
    pytest.fail(f"no end of {runs} in a minute; heard {reports}")


def shown(report: Report) -> Trace:
    assert report.trace is not None, report
    return report.trace


def workers() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def gone(pids: list[int]) -> None:
    """Until none of these processes is there."""
    for _ in range(100):
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return
        time.sleep(0.1)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    pytest.fail("a worker outlived its parent by ten seconds")


def script(path: Path, *lines: str, **options: Any) -> subprocess.Popen[str]:
    """A person's script without a `__main__` guard, run in its folder."""
    path.write_text("\n".join(lines), encoding="utf-8")
    here = os.environ | {"PYTHONPATH": str(Path(learnrate.__file__).parents[1]), "TMPDIR": str(path.parent)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": here, "cwd": path.parent}
    return subprocess.Popen([sys.executable, path.name], **(pipes | options))


# --- every engine shows the same -------------------------------------------------------------------------------------


def study(updates: int, seeds: int = 2) -> Iterator[Any]:
    """A search with limits, pauses, promotions and forks; its result is everything that it was told."""
    told: Answers = []
    rates = [Policy("sgd", rate) for rate in (0.02, 0.1, 0.3)]
    first = [Ask(rate, seed, updates, updates // 5, limit=9.5) for rate in rates for seed in range(seeds)]
    told += yield first
    told += yield [Ask(each.policy, each.seed, updates, updates // 2, limit=9.5) for each in first]
    told += yield [Ask(rates[2], 0, updates, limit=1e-9), Ask(rates[1], 0, updates)]
    trunk = Ask(rates[0], 1, updates, updates // 2)
    cooled = Policy("sgd", Constant(0.02, updates // 2) >> Linear(0.02, 0))
    for horizon in (updates, updates - 2):
        told += yield [Ask(cooled, 1, horizon, trunk=trunk)]
    told += yield [Ask(rates[0], 1, updates)]
    return told


def driven(engine: Any, updates: int) -> Answers:
    with engine:
        answers: Answers = Driver(engine).drive(study(updates))
    return answers


@pytest.mark.parametrize("alive", [1, 8])
def test_the_same_search_shows_the_same_in_every_engine(either: Task, alive: int) -> None:
    here = driven(Local(either), 50)
    assert {answer.trace.ended for answer in here} == {"paused", "diverged", "finished"}
    for engine in (Local(either, alive=alive), Processes(either, workers=2, alive=alive)):
        answers = driven(engine, 50)
        assert [answer.trace for answer in answers] == [answer.trace for answer in here]


def test_the_embedded_task_shows_the_same_in_every_engine() -> None:
    digits = find("digits")
    here = driven(Local(digits, alive=2), 10)
    assert driven(Processes(digits, workers=1, alive=1), 10) == here, "and it costs the same"


def test_a_run_that_makes_way_is_made_again_as_it_was(file: Path) -> None:
    plain = find(f"{file}:plain")
    with Local(plain, alive=1) as engine:
        for run in range(2):
            engine.start(run, ask(until=10, seed=run))
        until(engine, 0, 1)
        for run in range(2):
            engine.advance(run, ask(until=30, seed=run))
        reports = until(engine, 0, 1)
    assert (reports[1].cost, reports[1].again) == (22, 0), "it was the last one touched"
    assert (reports[0].cost, reports[0].again) == (34, 12)
    for run in range(2):
        straight = Run(plain, RATE, run, 50).advance(10, evaluate=True).advance(30, evaluate=True)
        assert shown(reports[run]) == straight.trace()


def test_a_snapshot_takes_the_place_of_a_run_that_makes_way(file: Path) -> None:
    with Local(find(f"{file}:tiny"), alive=1) as engine:
        for run in range(3):
            engine.start(run, ask(until=10, seed=run))
        until(engine, 0, 1, 2)
        engine.fork(3, 0, ask(seed=0, updates=40))
        engine.advance(0, ask(until=30, seed=0))
        reports = until(engine, 0, 3)
    assert [(reports[run].cost, reports[run].again) for run in (0, 3)] == [(22, 0), (32, 0)]


def test_nothing_to_do_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(engines.time, "sleep", slept.append)
    assert Local(find(f"{file}:tiny")).wait(0.25) == []
    assert slept == [0.25]


# --- where a run goes on ---------------------------------------------------------------------------------------------


def occupied(engine: Processes) -> None:
    """Pause runs 0 and 1 in a worker, and send it on a long run, so that they have to go on in another."""
    engine.start(0, ask(until=10))
    until(engine, 0)
    engine.start(1, ask(until=10, seed=1))
    until(engine, 1)
    engine.start(2, ask(under("waits"), updates=100_000))
    assert engine.wait(30)
    assert len(workers()) == 1


def test_a_run_goes_on_in_another_worker(file: Path) -> None:
    tiny = find(f"{file}:tiny")
    cooled = Policy("sgd", Constant(0.1, 10) >> Linear(0.1, 0))
    with Processes(tiny, workers=2) as engine, Local(tiny) as here:
        occupied(engine)
        for run in range(2):
            here.start(run, ask(until=10, seed=run))
        until(here, 0, 1)
        for each in (engine, here):
            each.fork(3, 0, ask(cooled))
            each.advance(1, ask(until=30, seed=1))
        moved, stayed = until(engine, 1, 3), until(here, 1, 3)
        assert len(workers()) == 2
        for run in (1, 3):
            assert shown(moved[run]) == shown(stayed[run])
            assert (moved[run].cost, moved[run].again) == (stayed[run].cost, 0)
        engine.advance(0, ask(until=20))
        assert until(engine, 0)[0].cost == 12, "the trunk is still where it was"


def test_a_run_without_snapshots_is_made_again_in_another_worker(file: Path) -> None:
    plain = find(f"{file}:plain")
    with Processes(plain, workers=2) as engine:
        occupied(engine)
        engine.advance(1, ask(until=30, seed=1))
        report = until(engine, 1)[1]
    assert (report.cost, report.again) == (34, 12)
    assert shown(report) == Run(plain, RATE, 1, 50).advance(10, evaluate=True).advance(30, evaluate=True).trace()


def test_a_command_that_ends_with_its_reader_does_not_end_with_its_workers(own: Path) -> None:
    lines = [
        "import signal",
        "from mine import tiny",
        *STARTED[:4],
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
        "with Processes(tiny, workers=1) as engine:",
        "    engine.start(0, Ask(Policy('sgd', 0.1), 0, 20, 10))",
        "    while not (reports := engine.wait(1.0)) or reports[0].trace is None:",
        "        pass",
        "    (worker,) = engine._workers",
        "    worker.process.kill()",
        "    worker.process.wait()",
        "    engine.stop(0)",
        "print('still here', signal.getsignal(signal.SIGPIPE).name)",
    ]
    assert script(own.parent / "script.py", *lines).communicate(timeout=60) == ("still here SIG_DFL\n", "")


@pytest.mark.parametrize("name", ["tiny", "plain"])
def test_a_paused_run_outlives_its_worker(file: Path, name: str) -> None:
    with Processes(find(f"{file}:{name}"), workers=1) as engine:
        engine.start(0, ask(until=10))
        until(engine, 0)
        (worker,) = workers()
        worker.kill()
        worker.wait()
        engine.advance(0, ask())
        report = until(engine, 0)[0]
    assert (report.cost, report.again) == ((42, 0) if name == "tiny" else (54, 12))
    assert shown(report).ended == "finished"


def test_a_stopped_run_makes_room_and_is_not_heard_of_again(file: Path) -> None:
    with Processes(find(f"{file}:plain"), workers=1) as engine:
        engine.start(0, ask(under("waits"), updates=100_000))
        assert engine.wait(30)
        engine.stop(0)
        engine.start(1, ask())
        assert list(until(engine, 1)) == [1]
        assert len(workers()) == 1


# --- workers that die ------------------------------------------------------------------------------------------------


def test_a_killed_worker_is_replaced_and_its_run_tried_again(own: Path) -> None:
    tiny = find(f"{own}:tiny")
    with Processes(tiny, workers=2) as engine:
        engine.start(0, ask(under("dies_once")))
        engine.start(1, ask(seed=1))
        reports = until(engine, 0, 1)
    assert shown(reports[0]) == Run(tiny, under("dies_once"), 0, 50).advance().trace()
    assert shown(reports[1]) == Run(tiny, RATE, 1, 50).advance().trace()
    assert reports[0].cost == 52 + reports[0].again


def test_what_the_first_try_is_known_to_have_spent_is_charged(file: Path) -> None:
    with Processes(find(f"{file}:plain"), workers=1) as engine:
        engine.start(0, ask(under("waits")))
        (heard,) = engine.wait(30)
        assert 0 < heard.t < 50
        workers()[0].kill()
        report = until(engine, 0)[0]
    assert report.again >= heard.t
    assert report.cost == 52 + report.again


def test_a_run_that_loses_its_worker_twice_is_lost_and_the_others_go_on(own: Path) -> None:
    with Processes(find(f"{own}:tiny"), workers=2) as engine:
        engine.start(0, ask(under("dies")))
        engine.start(1, ask(under("leaves")))
        engine.start(2, ask(seed=2))
        reports = until(engine, 0, 1, 2)
    assert reports[0].lost == (
        "its worker process was killed 2 times, the last time by SIGKILL: the usual reason is that memory ran out; "
        "make the model or its batches smaller, or use fewer workers"
    )
    assert reports[1].lost == "its worker process ended 2 times, the last time with exit code 3"
    assert shown(reports[2]).ended == "finished"


def test_a_search_says_which_run_was_lost(own: Path) -> None:
    def search() -> Iterator[Any]:
        yield [ask(under("dies"))]

    said = r"^the run of dies at rate 0.1, seed 0, 50 updates was lost: its worker"
    with Processes(find(f"{own}:plain"), workers=1) as engine, pytest.raises(TaskError, match=said):
        Driver(engine).drive(search())


def test_workers_leave_when_their_parent_is_killed(own: Path) -> None:
    lines = [
        "from mine import tiny",
        *STARTED,
        "    for report in engine.wait(1.0):",
        "        print(report, flush=True)",
    ]
    started = script(own.parent / "script.py", *lines)
    assert started.stdout is not None
    heard = {started.stdout.readline()[:12] for _ in range(8)}
    assert heard >= {"Report(run=0"}
    pids = [child.pid for child in psutil.Process(started.pid).children(recursive=True)]
    assert len(pids) == 2
    assert list(own.parent.glob("learnrate-*")), "where snapshots go"
    started.kill()
    started.wait()
    gone(pids)
    started.communicate()
    assert not list(own.parent.glob("learnrate-*"))


STARTED = (
    "from learnrate import Policy",
    "from learnrate.finder.asking import Ask, Interrupted",
    "from learnrate.finder.driving import Driver",
    "from learnrate.tuner.processes import Processes",
    "engine = Processes(tiny, workers=2)",
    "for run, optimizer in enumerate(('waits', 'hangs')):",
    "    engine.start(run, Ask(Policy(optimizer, 0.1), run, 100_000))",
    "while True:",
)


def test_ctrl_c_is_heard_by_the_search_alone(own: Path) -> None:
    lines = [
        "from mine import tiny",
        *STARTED[:4],
        "def search():",
        "    try:",
        "        yield [Ask(Policy('waits', 0.1), seed, 100_000) for seed in range(2)]",
        "    except Interrupted:",
        "        return 'what is known'",
        "seen = []",
        "def watch(progress):",
        "    if progress.lines and all(line.t for line in progress.lines) and not seen:",
        "        print('both go', flush=True)",
        "        seen.append(True)",
        "with Processes(tiny, workers=2) as engine:",
        "    print(Driver(engine, watch=watch).drive(search()), flush=True)",
        "print('closed')",
    ]
    started = script(own.parent / "script.py", *lines, start_new_session=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "both go\n"
    pids = [child.pid for child in psutil.Process(started.pid).children(recursive=True)]
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: every process of the group hears it
    assert started.communicate(timeout=60) == ("what is known\nclosed\n", "")
    assert len(pids) == 2
    gone(pids)


def test_closing_in_the_middle_leaves_nothing_behind(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(own.parent))
    engine = Processes(find(f"{own}:tiny"), workers=2)
    engine.start(0, ask(until=10))
    until(engine, 0)
    assert [path.name for path in own.parent.glob("learnrate-*/*")] == ["0-1.snapshot"]
    for run, optimizer in enumerate(("hangs", "waits", "waits"), start=1):
        engine.start(run, ask(under(optimizer), updates=100_000))
    assert engine.wait(30)
    assert len(workers()) == 2
    engine.close()
    assert not workers()
    assert not list(own.parent.glob("learnrate-*"))
    engine.close()


# --- what workers say ------------------------------------------------------------------------------------------------


def raised(engine: Any, policy: Policy) -> LearnrateError:
    with engine:
        engine.start(0, ask(policy))
        with pytest.raises(LearnrateError) as caught:
            until(engine, 0)
    return caught.value


@pytest.mark.parametrize(("optimizer", "kind"), [("speaks", TaskError), ("extra", MissingExtra)])
def test_an_error_is_the_same_from_a_worker(file: Path, optimizer: str, kind: type[LearnrateError]) -> None:
    tiny = find(f"{file}:tiny")
    near, far = raised(Local(tiny), under(optimizer)), raised(Processes(tiny, workers=1), under(optimizer))
    assert type(near) is type(far) is kind
    assert str(near) == str(far)
    assert vars(near).keys() == vars(far).keys()
    if optimizer == "speaks":
        assert near.trace.ended == "failed"
        assert len(near.trace) == len(far.trace) == 4
    else:
        assert far.extra == "tune"


def test_what_was_finished_before_an_error_is_said_before_it(file: Path) -> None:
    with Processes(find(f"{file}:tiny"), workers=1) as engine:
        engine.start(0, ask())
        engine.start(1, ask(under("speaks")))
        assert shown(until(engine, 0)[0]).ended == "finished"
        with pytest.raises(TaskError, match="must yield numbers"):
            until(engine, 1)
        engine.start(2, ask())
        assert shown(until(engine, 2)[2]).ended == "finished"


@pytest.mark.parametrize("make", [Local, lambda task: Processes(task, workers=1)], ids=["local", "processes"])
def test_a_task_that_needs_too_much_memory_says_so(file: Path, make: Callable[[Task], Any]) -> None:
    def search() -> Iterator[Any]:
        yield [ask(under("hungry"))]

    said = r"failed: _?\w*MemoryError: .*more memory than there is: make its model"
    with make(find(f"{file}:tiny")) as engine, pytest.raises(TaskError, match=said):
        Driver(engine).drive(search())


def test_what_a_task_prints_is_kept_from_standard_output(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Processes(find(f"{file}:tiny"), workers=1) as engine:
        engine.start(0, ask(under("prints"), until=2))
        until(engine, 0)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("chatter") == err.count("prattle") == 2


@pytest.mark.parametrize(("threads", "told"), [(1, "1"), (3, "3")])
def test_a_worker_has_the_threads_it_was_given(file: Path, threads: int, told: str) -> None:
    before = dict(os.environ)
    with Processes(find(f"{file}:tiny"), workers=1, threads=threads) as engine:
        engine.start(0, ask(under("counts"), until=2))
        assert shown(until(engine, 0)[0]).signals["threads"].tolist() == [float(told)] * 2
    assert dict(os.environ) == before


# --- misuse ----------------------------------------------------------------------------------------------------------


def test_a_task_that_no_worker_can_find_is_refused() -> None:
    @task(updates=5, objective="left")
    def mine(policy: Policy, seed: int) -> Iterator[Any]:
        yield {"loss": 1.0}

    with pytest.raises(UsageError, match=r"^task 'mine' has no name at the top of a module, .* or use engine='local'$"):
        Processes(mine)


def test_a_script_is_told_where_to_put_its_task(tmp_path: Path) -> None:
    lines = [
        "import learnrate as lr",
        "from learnrate.tuner.processes import Processes",
        "@lr.task(updates=5, objective='left')",
        "def mine(policy, seed):",
        "    yield {'loss': 1.0}",
        "Processes(mine)",
    ]
    _, err = script(tmp_path / "script.py", *lines).communicate(timeout=60)
    assert "UsageError: task 'mine' is defined in __main__ (a script, or a notebook), which worker processes" in err
    assert "put it in a file of its own and import it, or use engine='local'" in err


def test_a_script_without_a_guard_is_run_once(own: Path) -> None:
    lines = [
        "from mine import tiny",
        *STARTED[:4],
        "print('begun')",
        "with Processes(tiny, workers=1) as engine:",
        "    engine.start(0, Ask(Policy('sgd', 0.1), 0, 20))",
        "    while not (reports := engine.wait(1.0)) or reports[0].trace is None:",
        "        pass",
        "print(len(reports[0].trace))",
    ]
    assert script(own.parent / "script.py", *lines).communicate(timeout=60) == ("begun\n20\n", "")


def test_a_file_that_starts_a_search_when_it_is_imported_is_refused(own: Path) -> None:
    tiny = find(f"{own}:tiny")
    Path(f"{own}.armed").touch()
    assert "put that under: if __name__ == '__main__':" in str(raised(Processes(tiny, workers=1), RATE))


def test_a_file_that_changed_says_what_is_wrong_with_it(own: Path) -> None:
    tiny = find(f"{own}:tiny")
    Path(f"{own}.broken").touch()
    error = raised(Processes(tiny, workers=1), RATE)
    assert str(error) == f"{own} cannot be imported in a worker process: RuntimeError: no longer what it was"


def test_a_policy_that_cannot_cross_is_refused(file: Path) -> None:
    with Processes(find(f"{file}:tiny"), workers=1) as engine:
        with pytest.raises(UsageError, match=r"^a policy holds a function that cannot be sent .* engine='local'$"):
            engine.start(0, ask(Policy("sgd", Function(lambda t: 0.1))))
        assert not workers()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"workers": 0}, "workers must be >= 1, got 0"),
        ({"workers": 1.5}, "workers must be a whole number, got 1.5"),
        ({"threads": "two"}, "threads must be a whole number, got 'two'"),
        ({"alive": 0}, "alive must be >= 1, got 0"),
    ],
)
def test_a_wrong_number_is_refused(file: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Processes(find(f"{file}:tiny"), **arguments)
    assert str(caught.value) == said


@pytest.mark.parametrize("engine", [Local, Processes])
def test_an_engine_needs_a_task(engine: Callable[[Any], Any]) -> None:
    with pytest.raises(UsageError, match=r"^an engine needs a task; make one with @task"):
        engine(lambda policy, seed: None)


def test_a_worker_for_every_core_unless_told_otherwise(file: Path) -> None:
    engine = Processes(find(f"{file}:tiny"))
    assert engine.slots == len(os.sched_getaffinity(0))
    assert engine.forks
    assert not Processes(find(f"{file}:plain")).forks
    assert not workers(), "they are started when they are needed"


def test_a_process_that_a_task_forks_does_not_stay(own: Path) -> None:
    """It goes on in the loop of the task, and then has nobody to listen to."""
    with Processes(find(f"{own}:plain"), 1) as engine:
        engine.start(0, ask(under("forks")))
        assert shown(until(engine, 0)[0]).ended == "finished"
        child = int(Path(f"{own}.child").read_text(encoding="utf-8"))
    gone([child])


def test_a_snapshot_is_not_read_to_see_whether_it_is_there(tmp_path: Path) -> None:
    for shelf in (Drawer(), Folder(tmp_path)):
        assert not shelf.has((1, 1))
        shelf.put((1, 1), Run(find("digits"), Policy("sgd", 0.1)).snapshot())
        assert shelf.has((1, 1))
        assert not shelf.has((1, 2))
    Folder(tmp_path).file((1, 1)).write_bytes(b"no longer whole")
    assert Folder(tmp_path).has((1, 1))
