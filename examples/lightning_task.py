"""A Lightning `Trainer` as a task: `learnrate tune examples/lightning_task.py`.

`Trainer.fit` comes back when all is done, and a task has to stop after every update. So `fit` runs in a thread of its
own and hands over after each one. The two never work at the same time. A run that is stopped ends its thread.
"""

from __future__ import annotations

import logging
import queue
import threading

import lightning
import torch
from sklearn.datasets import load_digits
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import learnrate as lr

BATCH = 32
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # it greets every run


class Digits(lightning.LightningModule):
    """A module as anyone has it; only the optimizer comes from the policy."""

    def __init__(self, policy: lr.Policy) -> None:
        super().__init__()
        self.policy = policy
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

    def training_step(self, batch, index):
        images, labels = batch
        return functional.cross_entropy(self.net(images), labels)

    def configure_optimizers(self):
        optimizer, scheduler = lr.torch.build(self.policy, self)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Stopped(Exception):
    """Nobody wants another update."""


class HandOver(lightning.Callback):
    """After every update: give the loss to the task, and wait until it wants the next one."""

    def __init__(self) -> None:
        self.given: queue.Queue = queue.Queue()
        self.wanted: queue.Queue = queue.Queue()

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.given.put(outputs["loss"].item())
        if not self.wanted.get():
            raise Stopped


@lr.task(
    updates=200, objective="val_loss", evaluation=1, packages=("lightning", "torch", "scikit-learn"), batch_size=BATCH
)
def digits_in_lightning(policy: lr.Policy, seed: int, updates: int) -> lr.runs.Loop:
    train, held_out = data()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = Digits(policy)
    loader = DataLoader(train, BATCH, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(seed))
    hand = HandOver()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(max_steps=updates, accelerator="cpu", callbacks=[hand], **quiet)

    def fit() -> None:
        try:
            trainer.fit(module, loader)
            raise RuntimeError("Trainer.fit came back before the last update")
        except BaseException as error:  # the task raises it, if it still waits for an update
            hand.given.put(error)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    try:
        for _ in range(updates):
            given = hand.given.get()
            if isinstance(given, BaseException):
                raise given
            request = yield {"loss": given}
            if request == "evaluate":
                with torch.no_grad():
                    images, labels = held_out
                    yield {"val_loss": functional.cross_entropy(module.net(images), labels)}
            hand.wanted.put(True)
    finally:  # at the end, and wherever the runner stops
        hand.wanted.put(False)
        thread.join()


def data():
    images, labels = (torch.as_tensor(column) for column in load_digits(return_X_y=True))
    images = (images / 16).float()
    held_out = torch.arange(len(labels)) % 4 == 0
    return TensorDataset(images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])


if __name__ == "__main__":
    for rate in (1e-4, 1e-2):
        print(rate, lr.run(digits_in_lightning, lr.Policy("adamw", lr.Linear(rate, 0))))
