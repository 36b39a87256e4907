"""A model, a criterion, a DataLoader and an evaluation as a task: `learnrate tune examples/torch_task.py`.

`lr.TorchTask` writes the loop. Its runs are seeded, and can be paused, forked and resumed.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate as lr

BATCH = 32

rows, classes = (torch.as_tensor(column) for column in load_breast_cancer(return_X_y=True))
rows = ((rows - rows.mean(dim=0)) / rows.std(dim=0)).float()
held_out = torch.arange(len(classes)) % 4 == 0
train = TensorDataset(rows[~held_out], classes[~held_out])


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))


def evaluate(model: nn.Module) -> dict[str, float]:
    scores = model(rows[held_out])
    right = (scores.argmax(dim=1) == classes[held_out]).float().mean()
    return {"val_loss": nn.functional.cross_entropy(scores, classes[held_out]).item(), "val_accuracy": right.item()}


tumours = lr.TorchTask(
    model=model,
    loss=nn.CrossEntropyLoss(),
    batches=DataLoader(train, BATCH, shuffle=True, drop_last=True),
    evaluate=evaluate,
    updates=200,
    name="tumours",
    clip=1.0,
    threads=1,
    packages=("scikit-learn",),
    batch_size=BATCH,
)

if __name__ == "__main__":
    for rate in (1e-5, 1e-2):
        print(rate, lr.run(tumours, lr.Policy("adamw", lr.Linear(rate, 0))))
