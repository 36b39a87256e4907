"""The scheduler inside the real trainers of Lightning, Transformers and Accelerate, interrupted and resumed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from learnrate.errors import StateError, UsageError
from learnrate.feedback import Plateau
from learnrate.schedules import Cosine, Linear
from learnrate.torch import attach

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

UPDATES = 12
SCHEDULE = Linear(0, 1e-2, 3) >> Cosine(1e-2, 1e-3, 9)
DECAY = Linear(0.1, 0.0, UPDATES)

# The trainers deprecate and warn on their own account; a wrong order of steps would still be an error here.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error:.*lr_scheduler.step.*"),
    pytest.mark.filterwarnings("error:.*scheduler.*before.*"),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(size: int = UPDATES * 4) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 4, generator=generator)
    return TensorDataset(inputs, inputs.sum(1, keepdim=True))


class Recorded(torch.optim.AdamW):
    """AdamW that keeps the rate and the weight decay each of its updates used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.used: list[tuple[float, float]] = []

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        self.used.append((self.param_groups[0]["lr"], self.param_groups[0]["weight_decay"]))
        return loss


def expected(start: int, stop: int) -> list[tuple[float, float]]:
    return [(SCHEDULE(k), DECAY(k)) for k in range(start, stop)]


# -- Lightning


def lightning_module(schedule: Any = SCHEDULE) -> Any:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return (self.layer(batch[0]) - batch[1]).square().mean()  # type: ignore[no-any-return]

        def configure_optimizers(self) -> Any:
            self.optimizer = Recorded(self.parameters(), lr=1.0)
            self.scheduler = attach(self.optimizer, lr=schedule, weight_decay=DECAY)
            return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": self.scheduler, "interval": "step"}}

    return Module()


def lightning_trainer(folder: Path, steps: int, accumulate: int = 1, **options: Any) -> Any:
    import lightning

    return lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        accumulate_grad_batches=accumulate,
        **options,
    )


@pytest.mark.parametrize("accumulate", [1, 2])
def test_lightning_uses_the_rate_of_every_update_and_resumes(tmp_path: Path, accumulate: int) -> None:
    module = lightning_module()
    trainer = lightning_trainer(tmp_path, 5, accumulate)
    trainer.fit(module, DataLoader(data(), 4))
    assert module.optimizer.used == expected(0, 5)
    trainer.save_checkpoint(tmp_path / "five.ckpt")

    resumed, checkpoint = lightning_module(), tmp_path / "five.ckpt"
    lightning_trainer(tmp_path, UPDATES, accumulate).fit(resumed, DataLoader(data(), 4), ckpt_path=checkpoint)
    assert resumed.optimizer.used == expected(5, UPDATES)
    assert resumed.scheduler.update == UPDATES

    other = lightning_module(SCHEDULE.extend(20, at=0))
    with pytest.raises(StateError, match="first differs at update"):
        lightning_trainer(tmp_path, UPDATES).fit(other, DataLoader(data(), 4), ckpt_path=checkpoint)


def test_lightnings_rate_monitor_reads_it(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    module = lightning_module()
    trainer = lightning_trainer(tmp_path, 4, log_every_n_steps=1)
    trainer.loggers = [CSVLogger(tmp_path)]
    monitor = LearningRateMonitor(logging_interval="step")
    trainer.callbacks.append(monitor)
    trainer.fit(module, DataLoader(data(), 4))
    assert [float(rate) for rate in monitor.lrs["lr-Recorded"]] == [SCHEDULE(k) for k in range(4)]


# -- Accelerate


def fresh_accelerator(accumulate: int = 1) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    return Accelerator(cpu=True, gradient_accumulation_steps=accumulate)


def accelerated(accumulate: int = 1) -> tuple[Any, Any, Any, Any, Any]:
    torch.manual_seed(0)
    accelerator = fresh_accelerator(accumulate)
    model = torch.nn.Linear(4, 1)
    optimizer = Recorded(model.parameters(), lr=1.0)
    scheduler = attach(optimizer, lr=SCHEDULE, weight_decay=DECAY, feedback=Plateau(patience=0, factor=0.5))
    prepared = accelerator.prepare(model, optimizer, DataLoader(data(), 4), scheduler)
    return accelerator, *prepared


def accelerate_train(accelerator: Any, model: Any, optimizer: Any, loader: Any, scheduler: Any, batches: int) -> None:
    for index, (inputs, targets) in enumerate(loader):
        if index == batches:
            return
        with accelerator.accumulate(model):
            accelerator.backward((model(inputs) - targets).square().mean())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_accelerate_steps_it_once_per_update_and_resumes(tmp_path: Path, accumulate: int) -> None:
    accelerator, model, optimizer, loader, scheduler = accelerated(accumulate)
    accelerate_train(accelerator, model, optimizer, loader, scheduler, 4 * accumulate)
    assert optimizer.optimizer.used == expected(0, 4)
    assert scheduler.get_last_lr() == [SCHEDULE(4)]
    scheduler.scheduler.observe(1.0)
    scheduler.scheduler.observe(1.0)
    accelerator.save_state(tmp_path / "four")

    accelerator, model, optimizer, loader, scheduler = accelerated(accumulate)
    accelerator.load_state(tmp_path / "four")
    assert scheduler.get_last_lr() == [0.5 * SCHEDULE(4)]
    accelerate_train(accelerator, model, optimizer, loader, scheduler, 2 * accumulate)
    assert optimizer.optimizer.used == [(0.5 * rate, decay) for rate, decay in expected(4, 6)]


def test_attached_to_an_optimizer_that_accelerate_has_wrapped() -> None:
    inner = Recorded(torch.nn.Linear(4, 1).parameters(), lr=1.0)
    optimizer = fresh_accelerator().prepare(inner)
    scheduler = attach(optimizer, lr=SCHEDULE)
    state = optimizer.state_dict()
    optimizer.step()
    scheduler.step()
    optimizer.load_state_dict(state)
    assert [group["lr"] for group in optimizer.param_groups] == [SCHEDULE(1)]
    later = attach(inner, lr=SCHEDULE)  # the same optimizer, seen without its wrapper
    with pytest.raises(UsageError, match="follows a scheduler that was attached later"):
        scheduler.step()
    assert later.get_last_lr() == [SCHEDULE(0)]


# -- Transformers


class Regression(torch.nn.Module):
    """The smallest model that the Trainer takes: a loss for inputs and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        predictions = self.layer(inputs)
        return {"loss": (predictions - labels).square().mean(), "logits": predictions}


def transformers_trainer(folder: Path, steps: int, accumulate: int = 1) -> tuple[Any, Recorded, Any]:
    import transformers

    torch.manual_seed(0)
    model = Regression()
    optimizer = Recorded(model.parameters(), lr=1.0)
    scheduler = attach(optimizer, lr=SCHEDULE, weight_decay=DECAY)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=4, use_cpu=True, report_to=[],
        save_strategy="steps", save_steps=5, logging_steps=1, disable_tqdm=True, gradient_accumulation_steps=accumulate,
        dataloader_pin_memory=False,
    )  # fmt: skip
    rows = [{"inputs": inputs, "labels": targets} for inputs, targets in data(UPDATES * 4 * accumulate)]
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, scheduler))
    return trainer, optimizer, scheduler


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_trainer_of_transformers_uses_the_rate_of_every_update_and_resumes(tmp_path: Path, accumulate: int) -> None:
    trainer, optimizer, _ = transformers_trainer(tmp_path, 5, accumulate)
    trainer.train()
    assert optimizer.used == expected(0, 5)
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert logged == [SCHEDULE(k) for k in range(5)]

    trainer, optimizer, scheduler = transformers_trainer(tmp_path, UPDATES, accumulate)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-5"))
    assert optimizer.used == expected(5, UPDATES)
    assert scheduler.update == UPDATES


# -- no trainer at all


def test_rates_do_not_depend_on_who_drives() -> None:
    model = Regression()
    optimizer = Recorded(model.parameters(), lr=1.0)
    scheduler = attach(optimizer, lr=SCHEDULE, weight_decay=DECAY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for inputs, targets in DataLoader(data(), 4):
            optimizer.zero_grad()
            model(inputs, targets)["loss"].backward()
            optimizer.step()
            scheduler.step()
    assert optimizer.used == expected(0, UPDATES)
