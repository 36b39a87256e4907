"""Fine-tuning as a task: `learnrate tune examples/finetune_task.py`.

The model has learnt the digits of some writers, and is fine-tuned on those of others. Every run starts from the same
trained weights, so the model is trained once and copied; the seed decides on the batches. The right rate is lower than
for a new model, and one that is too high forgets what was learnt.
"""

from __future__ import annotations

import copy
import functools

import torch
from sklearn.datasets import load_digits
from torch import nn

import learnrate as lr

BATCH = 16

images, labels = (torch.as_tensor(column) for column in load_digits(return_X_y=True))
images = (images / 16).float()
known = torch.arange(len(labels)) < 1200  # the data set is in the order of its writers
held_out = ~known & (torch.arange(len(labels)) % 2 == 0)


def shuffled(chosen: torch.Tensor, seed: int):
    """Batches once through the chosen images, in an order that the seed gives."""
    rows = torch.nonzero(chosen)[:, 0]
    order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    return [(images[batch], labels[batch]) for batch in order.split(BATCH)]


@functools.cache
def pretrained() -> nn.Module:
    """Trained a little on the writers known before; always the same, whatever asks for it first."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    for epoch in range(5):
        for x, y in shuffled(known, epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    optimizer.zero_grad()
    return model


def evaluate(model: nn.Module) -> dict[str, float]:
    scores = model(images[held_out])
    right = (scores.argmax(dim=1) == labels[held_out]).float().mean()
    return {"val_loss": nn.functional.cross_entropy(scores, labels[held_out]).item(), "val_accuracy": right.item()}


new_writers = lr.TorchTask(
    model=lambda: copy.deepcopy(pretrained()),
    loss=nn.CrossEntropyLoss(),
    batches=lambda seed: shuffled(~known & ~held_out, seed),
    evaluate=evaluate,
    updates=100,
    name="new_writers",
    threads=1,
    packages=("scikit-learn",),
    batch_size=BATCH,
)

if __name__ == "__main__":
    for rate in (0.3, 0.003):
        print(rate, lr.run(new_writers, lr.Policy("adamw", lr.Linear(rate, 0))))
