"""`learnrate convert`, `explain` and `lint`: what they print, what they read, and what their exit codes say."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import Result
from transformers import TrainingArguments
from typer.testing import CliRunner

import learnrate as lr
from learnrate.cli import app
from learnrate.cli.subjects import load
from learnrate.errors import UsageError

DEEPSPEED = {
    "optimizer": {"type": "AdamW", "params": {"lr": 3e-4}},
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": {"warmup_min_lr": 0, "warmup_max_lr": 3e-4, "warmup_num_steps": 100, "total_num_steps": 1000},
    },
}
ARGUMENTS = {
    "learning_rate": 5e-5,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 10,
    "max_steps": 100,
    "num_train_epochs": 3.0,
}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def written(tmp_path: Path, name: str, data: object) -> str:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return str(path)


# --- convert


def test_convert_prints_source_that_runs_and_depends_on_that_library_alone(tmp_path: Path) -> None:
    shown = invoke("convert", "timm:CosineLRScheduler(t_initial=12, warmup_t=4)", "--to", "torch")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("# ")
    assert "learnrate" not in shown.stdout
    program = shown.stdout + (
        "\noptimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)\n"
        "made = scheduler(optimizer)\n"
        "for update in range(20):\n"
        "    print(optimizer.param_groups[0]['lr'])\n"
        "    optimizer.step()\n"
        "    made.step()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = lr.interop.timm.CosineLRScheduler(t_initial=12, warmup_t=4).curve(20)
    assert [float(line) for line in ran.stdout.split()] == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("target", ["torch", "optax", "keras", "transformers", "python"])
def test_convert_to_every_library_that_has_a_hook(target: str) -> None:
    shown = invoke("convert", "Linear(0, 1, 10) >> Cosine(1, 0.1, 90)", "--to", target)
    assert shown.exit_code == 0, shown.output
    compile(shown.stdout, "printed", "exec")


def test_convert_as_data() -> None:
    facts = json.loads(invoke("convert", "torch:StepLR(30, lr=0.1)", "--to", "torch", "--json").stdout)
    assert facts["from"] == "torch.StepLR(30, lr=0.1)"
    assert facts["to"] == "torch"
    assert "StepLR" in facts["says"]
    assert "StepLR(optimizer, " in facts["code"]


def test_a_config_that_cannot_say_it_is_the_answer_no() -> None:
    shown = invoke("convert", "Cosine(1, 0, 100).repeat(3)", "--to", "deepspeed")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert "DeepSpeed" in shown.stderr


def test_a_config_is_printed_as_the_library_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path, "ds.json", DEEPSPEED)
    shown = invoke("convert", path, "--to", "deepspeed")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["scheduler"]["type"] == "WarmupDecayLR"
    assert "exact" in shown.stderr


def test_a_run_makes_more_names_exact() -> None:
    whole = invoke("convert", "Cosine(0.1, 0, 100)", "--to", "torch").stdout
    run = invoke("convert", "Cosine(0.1, 0, 100)", "--to", "torch", "--updates", "100").stdout
    assert "LambdaLR" in whole
    assert "CosineAnnealingLR" in run.split("\n")[0]


# --- explain


def test_explain_says_where_and_why() -> None:
    shown = invoke("explain", "optax:cosine_decay_schedule(1.0, 10)", "torch:CosineAnnealingLR(10)")
    assert shown.exit_code == 1
    assert "past the end" in shown.stdout
    assert "11" in shown.stdout
    same = invoke("explain", "Cosine(1, 0, 10)", "optax:cosine_decay_schedule(1.0, 10)")
    assert same.exit_code == 0
    assert "the same" in same.stdout


def test_explain_as_data() -> None:
    shown = json.loads(invoke("explain", "Cosine(1, 0, 10)", "Cosine(1, 0, 11)", "--json").stdout)
    assert shown["name"] == "horizon"
    assert shown["evidence"]["first update"] == 1
    assert shown["a"] == "Cosine(1.0, updates=10)"


# --- lint


def test_lint_of_an_expression() -> None:
    assert invoke("lint", "Cosine(1, 0, 100)").stdout == "nothing to report\n"
    shown = invoke("lint", "torch:CosineAnnealingLR(100, lr=0.001)", "--updates", "25000")
    assert shown.exit_code == 1
    assert "250" in shown.stdout
    epochs = invoke("lint", "Cosine(1, 0, 30)", "--updates", "3000", "--updates-per-epoch", "100")
    assert epochs.exit_code == 1
    assert "horizon counted in another unit" in epochs.stdout


def test_lint_of_a_deepspeed_config(tmp_path: Path) -> None:
    path = written(tmp_path, "ds.json", DEEPSPEED)
    facts = json.loads(invoke("lint", path, "--updates", "1000", "--json").stdout)
    assert "one update late" in {finding["name"] for finding in facts["findings"]}
    short = invoke("lint", path, "--updates", "200000")
    assert "schedule shorter than the run" in short.stdout


def test_what_a_config_leaves_open_is_said_by_a_hint(tmp_path: Path) -> None:
    params = {**DEEPSPEED["scheduler"]["params"], "warmup_max_lr": "auto"}  # type: ignore[dict-item]
    path = written(tmp_path, "auto.json", {"scheduler": {"type": "WarmupDecayLR", "params": params}})
    assert invoke("lint", path, "--updates", "1000").exit_code == 2
    shown = invoke("convert", path, "--to", "python", "--hint", "warmup_max_lr=3e-4", "--json")
    assert lr.parse(json.loads(shown.stdout)["from"]).peak == pytest.approx(3e-4)


def test_lint_of_training_arguments(tmp_path: Path) -> None:
    path = written(tmp_path, "args.json", ARGUMENTS)
    shown = invoke("lint", path, "--updates", "1000")
    assert "schedule shorter than the run" in shown.stdout


def test_lint_of_real_training_arguments(tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), max_steps=100, use_cpu=True)
    for content in (arguments.to_json_string(), json.dumps(arguments.to_dict())):
        path = written(tmp_path, "args.json", content)
        assert "DeepSpeed" not in invoke("lint", path).output
        assert "schedule shorter than the run" in invoke("lint", path, "--updates", "1000").stdout


def test_the_length_of_the_run_is_kept_from_what_does_not_ask_for_it(tmp_path: Path) -> None:
    keras = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 10}}
    megatron = {"lr": 1.0, "lr_decay_style": "cosine", "train_iters": 10}
    for data in (keras, megatron, lr.Cosine(0.1, 0, 10).to_json()):
        shown = invoke("lint", written(tmp_path, "config.json", data), "--updates", "1000", "--json")
        assert shown.exit_code in (0, 1), shown.output
        assert "schedule shorter than the run" in shown.stdout


def test_json_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "ds.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(DEEPSPEED).encode())
    assert invoke("convert", str(path), "--to", "deepspeed").exit_code == 0


def test_the_key_says_which_of_several_schedulers(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    kinds = torch.optim.lr_scheduler
    states = [kinds.StepLR(optimizer, 3).state_dict(), kinds.ExponentialLR(optimizer, 0.9).state_dict()]
    path = tmp_path / "two.pt"
    torch.save({"lr_schedulers": states}, path)
    with pytest.raises(UsageError, match=r"key=.*lr_schedulers\[0\], lr_schedulers\[1\]"):
        load(str(path))
    expected = lr.interop.torch.ExponentialLR(0.9, lr=0.1)
    assert load(str(path), key="lr_schedulers[1]", name=None).schedule == expected
    assert load(str(path), key="lr_schedulers[1]", updates=5).schedule == expected
    config = written(tmp_path, "ds.json", DEEPSPEED)
    for subject in (config, "Cosine(0.1, 0, 10)", written(tmp_path, "own.json", lr.Cosine(0.1, 0, 10).to_json())):
        with pytest.raises(UsageError, match="hint .*key|key is a hint"):
            load(subject, key="x")


def test_lint_of_a_trainer_state(tmp_path: Path) -> None:
    logged = [
        {"step": step, "epoch": 0.1, "learning_rate": 1e-3 * (1 - step / 100), "loss": 1.0} for step in range(1, 51)
    ]
    state = {"global_step": 50, "max_steps": 100, "num_train_epochs": 1, "log_history": logged}
    facts = json.loads(invoke("lint", written(tmp_path, "trainer_state.json", state), "--json").stdout)
    assert facts["update"] == 50


def test_lint_of_a_checkpoint(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    for _ in range(7):
        optimizer.step()
        scheduler.step()
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": {}, "scheduler": scheduler.state_dict()}, path)
    shown = invoke("lint", str(path), "--name", "CosineAnnealingLR", "--updates", "25000", "--json")
    facts = json.loads(shown.stdout)
    assert facts["update"] == 7
    assert "schedule shorter than the run" in {finding["name"] for finding in facts["findings"]}


def test_what_is_printed_can_be_read_again(tmp_path: Path) -> None:
    schedule = lr.Linear(0, 1, 10) >> lr.Cosine(1, 0, 90)
    path = written(tmp_path, "schedule.json", schedule.to_json())
    shown = json.loads(invoke("convert", path, "--to", "python", "--json").stdout)
    assert lr.parse(shown["from"]) == schedule
    space: dict[str, object] = {}
    exec(compile(shown["code"], "printed", "exec"), space)  # noqa: S102 - what we printed ourselves
    assert math.isclose(space["schedule"](55), schedule(55), rel_tol=1e-12)  # type: ignore[operator]


# --- misuse


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["convert", "timn:CosineLRScheduler(12)", "--to", "torch"], "unknown library 'timn'; did you mean 'timm'?"),
        (["convert", "timm:CosinLRScheduler(12)", "--to", "torch"], "did you mean 'CosineLRScheduler'?"),
        (["convert", "timm:CosineLRScheduler(12, warmup=4)", "--to", "torch"], "unknown parameter of"),
        (["convert", "Cosine(1, 0, 10)", "--to", "tensorflow"], "unknown target 'tensorflow'"),
        (["convert", "Cosine(1)", "--to", "torch"], "say how long the run is: --updates N"),
        (["lint", "torch:StepLR(3)"], "say how long the run is: --updates N"),
        (["lint", "Cosine(1, 0, 10)", "--hint", "lr"], "--hint takes NAME=NUMBER"),
        (["explain", "Cosine(1, 0, 10)", "nothing.json"], "there is no file nothing.json"),
        (["lint", "Cosine(1, 0, 10)", "--stepped", "batch"], "stepped must be one of update, epoch"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    shown = invoke(*arguments)
    assert shown.exit_code == 2, shown.output
    assert line in shown.stderr
    assert "Traceback" not in shown.output


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    shown = invoke("lint", str(tmp_path))
    assert shown.exit_code == 2
    assert "is a directory, not a file" in shown.stderr


def test_broken_files_say_where(tmp_path: Path) -> None:
    broken = invoke("lint", written(tmp_path, "broken.json", '{"scheduler": {\n  "type": }\n}'))
    assert broken.exit_code == 2
    assert "line 2, column 11: not JSON" in broken.stderr
    foreign = invoke("lint", written(tmp_path, "foreign.json", {"colour": "blue"}))
    assert foreign.exit_code == 2
    assert "colour" in foreign.stderr
    not_one = invoke("lint", written(tmp_path, "no.pt", "not a checkpoint"))
    assert not_one.exit_code == 2
    assert "no.pt" in not_one.stderr


class Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("this must never run",)


def test_a_pickle_that_could_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "unsafe.pt"
    torch.save({"scheduler": Runs()}, path)
    shown = invoke("lint", str(path))
    assert shown.exit_code == 2
    assert "must never run" not in shown.output
    assert "not safe" in shown.stderr
