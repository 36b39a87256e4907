"""The bridges to Lightning, Transformers and Accelerate, inside the real trainers, interrupted and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import learnrate as lr
from learnrate.errors import StateError, UnboundError, UsageError

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

UPDATES = 12
PLAN = lr.Linear(0, 1e-2, "25%") >> lr.Cosine(1e-2, 1e-3)
SCHEDULE = PLAN.over(UPDATES)
RULE = lr.Plateau(patience=0, factor=0.5)

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the trainers deprecate and warn on their own account
    pytest.mark.filterwarnings("error:.*lr_scheduler.step.*"),
    pytest.mark.filterwarnings("error:.*scheduler.*before.*"),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(batches: int = UPDATES) -> TensorDataset:
    inputs = torch.randn(batches * 4, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(inputs, inputs.sum(1, keepdim=True))


class Recorded(torch.optim.AdamW):
    """AdamW that keeps the rate each of its updates used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.used: list[float] = []

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        self.used.append(self.param_groups[0]["lr"])
        return loss


def expected(start: int = 0, stop: int = UPDATES) -> list[float]:
    return [SCHEDULE(k) for k in range(start, stop)]


# -- Lightning


def module(metrics: tuple[float, ...] = (), configured: Any = None) -> Any:
    """A module that returns just an optimizer, or what `configured` makes of it."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)
            self.metrics = list(metrics)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            self.log("flat", 1.0, on_step=False, on_epoch=True)
            return (self.layer(batch[0]) - batch[1]).square().mean()  # type: ignore[no-any-return]

        def validation_step(self, batch: Any, index: int) -> None:
            if not self.trainer.sanity_checking:
                self.log("val_loss", self.metrics.pop(0))

        def configure_optimizers(self) -> Any:
            self.optimizer = Recorded(self.parameters(), lr=1.0)
            return self.optimizer if configured is None else configured(self)

    return Module()


def fitted(folder: Path, model: Any, callbacks: list[Any], batches: int = UPDATES, **options: Any) -> Any:
    import lightning

    path, validated = options.pop("ckpt_path", None), options.pop("validated", None)
    trainer = lightning.Trainer(
        **{"max_epochs": 1, "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False}
        | {"enable_model_summary": False, "enable_checkpointing": False, "default_root_dir": folder}
        | options,
        callbacks=callbacks,
    )
    loader = None if validated is None else DataLoader(data(validated), 4)
    trainer.fit(model, DataLoader(data(batches), 4), val_dataloaders=loader, ckpt_path=path)
    return trainer


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_lightning_module_configures_an_unbound_schedule(tmp_path: Path, accumulate: int) -> None:
    model = module(configured=lambda it: lr.lightning.configure(it.optimizer, lr=PLAN, trainer=it.trainer))
    fitted(tmp_path, model, [], UPDATES * accumulate, accumulate_grad_batches=accumulate)
    assert model.optimizer.used == expected()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_lightning_callback_counts_updates_and_resumes(tmp_path: Path, accumulate: int) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": accumulate, "batches": 100, "max_epochs": -1}
    whole = module()
    fitted(tmp_path, whole, [lr.lightning.ScheduleCallback(PLAN)], max_steps=UPDATES, **options)
    assert whole.optimizer.used == expected()

    half = module()
    trainer = fitted(tmp_path, half, [lr.lightning.ScheduleCallback(SCHEDULE)], max_steps=5, **options)
    trainer.save_checkpoint(tmp_path / "five.ckpt")
    assert half.optimizer.used == expected(0, 5)
    resumed, callback = module(), lr.lightning.ScheduleCallback(PLAN)
    fitted(tmp_path, resumed, [callback], max_steps=UPDATES, ckpt_path=tmp_path / "five.ckpt", **options)
    assert resumed.optimizer.used == expected(5)
    assert callback.scheduler is not None
    assert callback.scheduler.update == UPDATES

    other = [lr.lightning.ScheduleCallback(PLAN)]
    with pytest.raises(StateError, match="first differs at update"):
        fitted(tmp_path, module(), other, max_steps=20, ckpt_path=tmp_path / "five.ckpt", **options)


def test_the_lightning_callback_knows_epochs_and_further_settings(tmp_path: Path) -> None:
    plan = lr.Linear(0, 1e-2, "1ep") >> lr.Cosine(1e-2)
    model = module()
    callback = lr.lightning.ScheduleCallback(plan, weight_decay=lr.Linear(0.1, 0.0))
    fitted(tmp_path, model, [callback], batches=10, max_epochs=3, accumulate_grad_batches=4)
    bound = lr.Linear(0, 1e-2, 3) >> lr.Cosine(1e-2, 0, 6)
    assert model.optimizer.used == [bound(k) for k in range(9)]
    assert model.optimizer.param_groups[0]["weight_decay"] == 0


def test_the_lightning_callback_reports_the_metric(tmp_path: Path) -> None:
    model = module(metrics=(1.0, 1.0, 0.5))
    callback = lr.lightning.ScheduleCallback(SCHEDULE, feedback=RULE, monitor="val_loss")
    fitted(tmp_path, model, [callback], batches=4, max_epochs=3, validated=1)
    factors = [1.0] * 8 + [0.5] * 4  # the second of two equal reports halves the rate
    assert model.optimizer.used == [SCHEDULE(k) * factor for k, factor in enumerate(factors)]


def test_the_lightning_callback_reports_to_what_the_module_configured(tmp_path: Path) -> None:
    model = module(
        metrics=(1.0, 1.0, 1.0),
        configured=lambda it: lr.lightning.configure(it.optimizer, lr=SCHEDULE, feedback=RULE),
    )
    fitted(tmp_path, model, [lr.lightning.ScheduleCallback(monitor="val_loss")], batches=4, max_epochs=3, validated=1)
    assert model.optimizer.used == [SCHEDULE(k) * (0.5 if k >= 8 else 1.0) for k in range(12)]


def test_without_validation_the_lightning_callback_reports_after_every_epoch(tmp_path: Path) -> None:
    model = module()
    callback = lr.lightning.ScheduleCallback(SCHEDULE, feedback=RULE, monitor="flat")
    fitted(tmp_path, model, [callback], batches=4, max_epochs=3)
    assert model.optimizer.used == [SCHEDULE(k) * (0.5 if k >= 8 else 1.0) for k in range(12)]


def test_the_lightning_callback_survives_a_resume_with_its_rule(tmp_path: Path) -> None:
    def callbacks() -> list[Any]:
        return [lr.lightning.ScheduleCallback(SCHEDULE, feedback=RULE, monitor="val_loss")]

    trainer = fitted(tmp_path, module((1.0, 1.0)), callbacks(), batches=4, max_epochs=2, validated=1)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    resumed, options = module((0.5,)), {"batches": 4, "max_epochs": 3, "validated": 1}
    fitted(tmp_path, resumed, callbacks(), ckpt_path=tmp_path / "two.ckpt", **options)
    assert resumed.optimizer.used == [SCHEDULE(k) * 0.5 for k in range(8, 12)]


def test_what_the_lightning_callback_refuses(tmp_path: Path) -> None:
    callback = lr.lightning.ScheduleCallback
    with pytest.raises(UsageError, match="needs a schedule, or a metric"):
        callback()
    with pytest.raises(UsageError, match="go together"):
        callback(SCHEDULE, monitor="val_loss")
    with pytest.raises(UsageError, match="go together"):
        callback(SCHEDULE, feedback=RULE)
    own = module(configured=lambda it: lr.lightning.configure(it.optimizer, lr=SCHEDULE))
    with pytest.raises(UsageError, match="configured a scheduler of its own"):
        fitted(tmp_path, own, [callback(SCHEDULE)])
    with pytest.raises(UsageError, match="must listen to the metric, found 0"):
        fitted(tmp_path, own, [callback(monitor="val_loss")])
    manual = module()
    manual.automatic_optimization = False
    with pytest.raises(UsageError, match="one optimizer that Lightning steps"):
        fitted(tmp_path, manual, [callback(SCHEDULE)])
    with pytest.raises(UsageError, match="'loss' was not logged; logged: .*val_loss"):
        fitted(tmp_path, module((1.0,)), [callback(SCHEDULE, feedback=RULE, monitor="loss")], validated=1)
    with pytest.raises(UsageError, match="does not know how long the run is"):
        fitted(tmp_path, module(), [callback(PLAN)], max_epochs=-1)
    with pytest.raises(UnboundError, match="bind it first"):
        lr.lightning.configure(Recorded([torch.nn.Parameter(torch.zeros(1))]), lr=PLAN)


# -- Transformers


class Regression(torch.nn.Module):
    """The smallest model that the Trainer takes: a loss for inputs and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        predictions = self.layer(inputs)
        return {"loss": (predictions - labels).square().mean(), "logits": predictions}


def trainer_for(folder: Path, accumulate: int = 1, scheduled: Any = None, **options: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    model = Regression()
    rows = [{"inputs": inputs, "labels": targets} for inputs, targets in data(UPDATES * accumulate)]
    arguments = transformers.TrainingArguments(
        **{"output_dir": str(folder), "per_device_train_batch_size": 4, "use_cpu": True, "report_to": []}
        | {"save_strategy": "steps", "save_steps": 5, "logging_steps": 1, "disable_tqdm": True}
        | {"gradient_accumulation_steps": accumulate, "dataloader_pin_memory": False, "num_train_epochs": 1}
        | options
    )
    optimizer = Recorded(model.parameters(), lr=1.0)
    pair = (optimizer, None) if scheduled is None else scheduled(optimizer)
    return transformers.Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:4], optimizers=pair)


def used(trainer: Any) -> list[float]:
    optimizer = trainer.optimizer
    while not isinstance(optimizer, Recorded):
        optimizer = optimizer.optimizer
    return optimizer.used


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_pair_for_the_trainer_resumes_as_if_never_interrupted(tmp_path: Path, accumulate: int) -> None:
    def scheduled(optimizer: Any) -> Any:
        return lr.transformers.optimizers(optimizer, lr=SCHEDULE)

    whole = trainer_for(tmp_path, accumulate, scheduled)
    whole.train()
    assert used(whole) == expected()
    resumed = trainer_for(tmp_path, accumulate, scheduled)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    assert used(resumed) == expected(5)
    there, here = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(there[name], here[name]) for name in there)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_attached_to_a_trainer_an_unbound_schedule_learns_the_length(tmp_path: Path, accumulate: int) -> None:
    trainer = lr.transformers.attach(trainer_for(tmp_path, accumulate), lr=PLAN)
    trainer.train()
    assert used(trainer) == expected()
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert logged == expected()
    resumed = lr.transformers.attach(trainer_for(tmp_path, accumulate), lr=PLAN)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    assert used(resumed) == expected(5)


def test_attached_to_a_trainer_that_makes_its_own_optimizer(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, optim="sgd", max_steps=4)
    trainer.optimizer = None
    lr.transformers.attach(trainer, lr=lr.Linear(0.4, 0.0)).train()
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert logged == pytest.approx([0.4, 0.3, 0.2, 0.1])
    trainer.train()
    assert trainer.lr_scheduler.update == 4


def test_the_trainer_reports_the_metric(tmp_path: Path) -> None:
    class Flat(Regression):
        def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            found = super().forward(inputs, labels)
            return found if self.training else found | {"loss": torch.tensor(1.0)}

    def train(path: Path, monitor: str, attached: bool, resume: str | None = None) -> list[float]:
        scheduled = None if attached else lambda it: lr.transformers.optimizers(it, lr=SCHEDULE, feedback=RULE)
        trainer = trainer_for(path, scheduled=scheduled, eval_strategy="steps", eval_steps=3)
        trainer.model.__class__ = Flat
        if attached:
            lr.transformers.attach(trainer, lr=PLAN, feedback=RULE, monitor=monitor)
        else:
            trainer.add_callback(lr.transformers.MetricCallback(monitor))
        trainer.train(resume_from_checkpoint=resume)
        return used(trainer)

    # reports after updates 3, 6 and 9: the first is the best, each later one halves the rate
    factors = [1.0] * 6 + [0.5] * 3 + [0.25] * 3
    halved = [SCHEDULE(k) * factor for k, factor in enumerate(factors)]
    assert train(tmp_path / "a", "eval_loss", True) == halved
    assert train(tmp_path / "b", "loss", False) == halved
    assert train(tmp_path / "a", "eval_loss", True, str(tmp_path / "a" / "checkpoint-5")) == halved[5:]
    with pytest.raises(UsageError, match="'accuracy' was not evaluated; evaluated: .*eval_loss"):
        train(tmp_path / "c", "accuracy", True)


def test_what_the_bridge_to_transformers_refuses(tmp_path: Path) -> None:
    optimizer = Recorded([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(UnboundError, match="needs bound schedules"):
        lr.transformers.optimizers(optimizer, lr=PLAN)
    given = trainer_for(tmp_path, scheduled=lambda it: lr.transformers.optimizers(it, lr=SCHEDULE))
    with pytest.raises(UsageError, match="was given a scheduler already"):
        lr.transformers.attach(given, lr=PLAN)
    with pytest.raises(UsageError, match="go together"):
        lr.transformers.attach(trainer_for(tmp_path), lr=PLAN, feedback=RULE)
    theirs = trainer_for(tmp_path, eval_strategy="steps", eval_steps=3)
    theirs.add_callback(lr.transformers.MetricCallback("loss"))
    with pytest.raises(UsageError, match="must be attached by learnrate"):
        theirs.train()


# -- Accelerate


def prepared(accumulate: int = 1, ours: bool = True) -> tuple[Any, Any, Any, Any, Any]:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    layer = torch.nn.Linear(4, 1)
    optimizer = Recorded(layer.parameters(), lr=1.0)
    scheduler = lr.torch.attach(optimizer, lr=SCHEDULE)
    model, wrapped, loader = accelerator.prepare(layer, optimizer, DataLoader(data(UPDATES * accumulate), 4))
    stepped = lr.transformers.prepare(accelerator, wrapped, scheduler) if ours else accelerator.prepare(scheduler)
    return accelerator, model, wrapped, loader, stepped


def loop(accelerator: Any, model: Any, optimizer: Any, loader: Any, scheduler: Any, batches: int) -> list[float]:
    for index, (inputs, targets) in enumerate(loader):
        if index == batches:
            break
        with accelerator.accumulate(model):
            accelerator.backward((model(inputs) - targets).square().mean())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return optimizer.optimizer.used  # type: ignore[no-any-return]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_accelerate_counts_updates_and_resumes(tmp_path: Path, accumulate: int) -> None:
    first = prepared(accumulate)
    assert loop(*first, 4 * accumulate) == expected(0, 4)
    first[0].save_state(tmp_path / "four")
    second = prepared(accumulate)
    second[0].load_state(tmp_path / "four")
    assert loop(*second, 2 * accumulate) == expected(4, 6)


class FourProcesses:
    """What Accelerate asks for the number of processes."""

    num_processes = 4


def test_accelerate_on_many_processes_counts_updates_still(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = prepared(ours=False), prepared()
    monkeypatch.setattr("accelerate.scheduler.AcceleratorState", FourProcesses)
    assert loop(*theirs, 3) == [SCHEDULE(k) for k in (0, 4, 8)]
    assert loop(*ours, 3) == expected(0, 3)


def test_accelerate_needs_its_own_optimizer() -> None:
    optimizer = Recorded([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(UsageError, match="prepare the optimizer first"):
        lr.transformers.prepare(None, optimizer, lr.torch.attach(optimizer, lr=SCHEDULE))


# -- what is missing


@pytest.mark.parametrize(
    ("package", "room", "extra"),
    [
        ("lightning", "lightning", "lightning"),
        ("transformers", "transformers", "transformers"),
        ("accelerate", "transformers", "transformers"),
        ("torch", "lightning", "torch"),
        ("torch", "transformers", "torch"),
    ],
)
def test_a_missing_package_names_its_extra(package: str, room: str, extra: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nimport learnrate.{room}"
    here = os.environ | {"PYTHONPATH": str(Path(lr.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=here, check=False)
    assert f"{package} is not installed; run: pip install 'learnrate[{extra}]'" in ran.stderr
