"""Small training loops on real data, written for the benchmarks of searches: 0.1 to 0.3 s a run, on one torch thread.

Each is a plain generator task. The seed fixes the weights and the batches, so that runs of one seed are paired; the
data that a run is judged on is no part of what it trains on, and is the same for every seed.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional

import learnrate as lr
from learnrate.policy import Policy
from learnrate.runs import Loop, Task
from learnrate.torch import build

EVALUATIONS = 10
PIXELS = 64  # of a digit

Loss = Callable[[Tensor, Tensor], Tensor]
State = dict[str, Any]

_small = functools.partial(lr.task, objective="val_loss", evaluation=1, packages=("torch", "scikit-learn"))


# -- what one trains to develop a search


@_small(updates=300, batch_size=16)
def diabetes(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A perceptron that predicts how diabetes goes on: noisy, small, and overfitted by a rate too high."""
    return _train(
        diabetes, _perceptron(10, 32, 1), _diabetes(), functional.mse_loss, 16, policy, seed, updates, snapshot
    )


@_small(updates=240, batch_size=8)
def wine(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A perceptron that tells three cultivars of wine apart, in batches of eight; its labels are smoothed."""
    loss = functools.partial(functional.cross_entropy, label_smoothing=0.1)  # or the loss goes to 0, and regret with it
    return _train(wine, _perceptron(13, 24, 3), _wine(), loss, 8, policy, seed, updates, snapshot)


@_small(updates=200, batch_size=32)
def noisy_digits(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A convolutional network with batch normalisation; a fifth of its training labels is random."""
    return _train(
        noisy_digits, _conv_net, _noisy_digits(), functional.cross_entropy, 32, policy, seed, updates, snapshot
    )


@_small(updates=300, batch_size=32)
def autoencoder(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Digits through a bottleneck of eight numbers and back."""
    return _train(autoencoder, _bottleneck, _digit_pictures(), functional.mse_loss, 32, policy, seed, updates, snapshot)


@_small(updates=300, batch_size=64)
def flower(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A network that learns a photograph: from the waves of a place to its colour."""
    data = _picture("flower.jpg", octaves=4)
    return _train(flower, _perceptron(18, 48, 3), data, functional.mse_loss, 64, policy, seed, updates, snapshot)


@_small(updates=250, batch_size=32)
def deep_tanh(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Eight layers of tanh without normalisation, on digits."""
    return _train(
        deep_tanh, _deep_tanh, _digit_classes(), functional.cross_entropy, 32, policy, seed, updates, snapshot
    )


@_small(updates=200, batch_size=16)
def faded_digits(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Fine-tuning: a network that knows digits, and 120 noisy ones to learn from, some of them labelled wrongly."""
    return _train(
        faded_digits, _knows_digits, _faded_digits(), functional.cross_entropy, 16, policy, seed, updates, snapshot
    )


@_small(updates=400, batch_size=64)
def parity(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Whether four of twelve bits sum to an odd number; a tenth of the answers is wrong. Nothing is learnt at first."""
    return _train(
        parity, _perceptron(12, 96, 2), _parity(), functional.cross_entropy, 64, policy, seed, updates, snapshot
    )


@_small(updates=400, batch_size=32)
def spirals(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Two spirals wound into each other, a few points on the wrong one: a long plateau before the first turn."""
    return _train(
        spirals, _perceptron(2, 48, 2), _spirals(), functional.cross_entropy, 32, policy, seed, updates, snapshot
    )


@_small(updates=250, batch_size=8)
def iris(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A perceptron that tells three irises apart: almost separable, so that a rate too high ends in sure mistakes."""
    return _train(iris, _perceptron(4, 24, 3), _iris(), functional.cross_entropy, 8, policy, seed, updates, snapshot)


@_small(updates=200, batch_size=16)
def even_digits(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Fine-tuning: a network that knows odd digits, trained in all its layers on 200 even ones."""
    return _train(
        even_digits, _knows_odd, _even_digits(), functional.cross_entropy, 16, policy, seed, updates, snapshot
    )


@_small(updates=240, batch_size=32)
def columns(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A recurrent network without gates that reads a digit column by column."""
    return _train(columns, _Columns, _digit_classes(), functional.cross_entropy, 32, policy, seed, updates, snapshot)


# -- what it is scored on


@_small(updates=300, batch_size=64)
def china(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Another photograph, from bare coordinates, by a network of sines (Sitzmann et al., 2020)."""
    data = _picture("china.jpg", octaves=0)
    return _train(china, _sines, data, functional.mse_loss, 64, policy, seed, updates, snapshot)


@_small(updates=300, batch_size=16)
def cancer(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A perceptron that tells benign from malignant (Wisconsin breast cancer)."""
    return _train(
        cancer, _perceptron(30, 32, 2), _cancer(), functional.cross_entropy, 16, policy, seed, updates, snapshot
    )


@_small(updates=200, batch_size=16)
def new_digits(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """Fine-tuning: a network that knows the digits 0 to 4, trained in all its layers on 150 of the digits 5 to 9."""
    return _train(
        new_digits, _knows_five, _upper_digits(), functional.cross_entropy, 16, policy, seed, updates, snapshot
    )


@_small(updates=200, batch_size=32)
def rows(policy: Policy, seed: int, updates: int, snapshot: State | None = None) -> Loop:
    """A recurrent network that reads a digit row by row."""
    return _train(rows, _Rows, _digit_classes(), functional.cross_entropy, 32, policy, seed, updates, snapshot)


# -- the loop


class Data(NamedTuple):
    """Inputs and targets to train on, and others to be judged by."""

    inputs: Tensor
    targets: Tensor
    held_out: Tensor
    held_out_targets: Tensor


def _train(
    task: Task,
    network: Callable[[], nn.Module],
    data: Data,
    loss: Loss,
    batch: int,
    policy: Policy,
    seed: int,
    updates: int,
    snapshot: State | None,
) -> Loop:
    """Train, and evaluate ten times in a run of the usual length and where asked; from a snapshot on as if unbroken."""
    with _one_thread():
        model = _initialised(network, seed)
        optimizer, scheduler = build(policy, model)
    parts: State = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    start = 0
    if snapshot is not None:
        start = snapshot["t"]
        for name, part in parts.items():
            part.load_state_dict(copy.deepcopy(snapshot[name]))
    every = max(1, round((task.updates if policy.feedback is None else updates) / EVALUATIONS))
    for t in range(start, updates):
        with _one_thread():
            chosen = _batch(len(data.inputs), batch, seed, t)
            optimizer.zero_grad()
            error = loss(model(data.inputs[chosen]), data.targets[chosen])
            error.backward()
            rate = scheduler.get_last_lr()[0]
            optimizer.step()
            scheduler.step()
        request = yield {"loss": error.item(), "rate": rate}
        due = (t + 1) % every == 0 or t + 1 == updates
        if due or request == "evaluate":
            value = _evaluated(model, data, loss)
            if due and policy.feedback is not None:
                scheduler.observe(value)
            request = yield {"val_loss": value}
        if request == "snapshot":
            state = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
            yield {"snapshot": {"t": t + 1, **state}}


def _evaluated(model: nn.Module, data: Data, loss: Loss) -> float:
    model.eval()
    with _one_thread(), torch.no_grad():
        value = loss(model(data.held_out), data.held_out_targets).item()
    model.train()
    return value


def _batch(size: int, batch: int, seed: int, t: int) -> Tensor:
    """Which samples update `t` sees: passes of whole batches in random order, a function of seed and update alone."""
    passed, place = divmod(t, size // batch)
    return _order(size, seed, passed)[place * batch : (place + 1) * batch]


@functools.lru_cache(maxsize=64)
def _order(size: int, seed: int, passed: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 100_003 + passed))


def _initialised(network: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose weights depend on the seed alone; torch draws them from its global state, which is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return network()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# -- networks


def _perceptron(inputs: int, width: int, outputs: int) -> Callable[[], nn.Module]:
    def network() -> nn.Module:
        hidden = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(width, outputs))

    return network


def _conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 10),
    )


def _bottleneck() -> nn.Module:
    encoder = [nn.Linear(PIXELS, 32), nn.ReLU(), nn.Linear(32, 8)]
    return nn.Sequential(*encoder, nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, PIXELS))


def _deep_tanh() -> nn.Module:
    hidden = [layer for _ in range(7) for layer in (nn.Linear(32, 32), nn.Tanh())]
    return nn.Sequential(nn.Linear(PIXELS, 32), nn.Tanh(), *hidden, nn.Linear(32, 10))


class _Sine(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sin(8 * inputs)


def _sines() -> nn.Module:
    first, second, last = nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 3)
    with torch.no_grad():
        first.weight.uniform_(-0.5, 0.5)
        for layer in (second, last):
            layer.weight.uniform_(-math.sqrt(6 / 64) / 8, math.sqrt(6 / 64) / 8)
    return nn.Sequential(first, _Sine(), second, _Sine(), last)


class _Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reader = nn.GRU(8, 24, batch_first=True)
        self.head = nn.Linear(24, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.reader(inputs.unflatten(1, (8, 8)))[0][:, -1])


class _Columns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reader = nn.RNN(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.reader(inputs.unflatten(1, (8, 8)).transpose(1, 2))[0][:, -1])


def _knows_digits() -> nn.Module:
    return copy.deepcopy(_trained(10))


def _knows_five() -> nn.Module:
    """The network that knows 0 to 4, with a new last layer."""
    model = copy.deepcopy(_trained(5))
    assert isinstance(model, nn.Sequential)
    model[-1] = nn.Linear(48, 5)
    return model


def _knows_odd() -> nn.Module:
    """The network that knows odd digits, with a new last layer."""
    model = copy.deepcopy(_trained_on(tuple(range(1, 10, 2))))
    assert isinstance(model, nn.Sequential)
    model[-1] = nn.Linear(48, 5)
    return model


def _trained(classes: int) -> nn.Module:
    """A perceptron that has learnt the first so many digits, always the same one."""
    return _trained_on(tuple(range(classes)))


@functools.cache
def _trained_on(digits: tuple[int, ...]) -> nn.Module:
    data = _only(_digit_classes(), digits)
    classes = len(digits)
    policy = Policy("adamw", 0.003).over(500)
    with _one_thread():
        model = _initialised(_perceptron(PIXELS, 48, classes), 12345)
        optimizer, _ = build(policy, model)
        for t in range(500):
            chosen = _batch(len(data.inputs), 32, 12345, t)
            optimizer.zero_grad()
            functional.cross_entropy(model(data.inputs[chosen]), data.targets[chosen]).backward()
            optimizer.step()
    return model


# -- data


def _only(data: Data, digits: tuple[int, ...]) -> Data:
    """The samples of these digits, which are counted from 0 on."""
    place = torch.full((10,), -1)
    place[list(digits)] = torch.arange(len(digits))
    known, asked = place[data.targets], place[data.held_out_targets]
    kept, judged = known >= 0, asked >= 0
    return Data(data.inputs[kept], known[kept], data.held_out[judged], asked[judged])


def _split(inputs: np.ndarray, targets: np.ndarray, dtype: torch.dtype = torch.int64) -> Data:
    """Three quarters to train on and one to be judged by, chosen once; inputs scaled by what is trained on."""
    order = np.random.default_rng(20_240_607).permutation(len(inputs))
    held_out, train = np.split(order, [len(inputs) // 4])
    mean, deviation = inputs[train].mean(axis=0), inputs[train].std(axis=0)
    scaled = torch.tensor((inputs - mean) / np.where(deviation > 0, deviation, 1), dtype=torch.float32)
    known = torch.tensor(targets, dtype=dtype)
    return Data(scaled[train], known[train], scaled[held_out], known[held_out])


@functools.cache
def _diabetes() -> Data:
    inputs, targets = datasets.load_diabetes(return_X_y=True)
    scaled = (targets - targets.mean()) / targets.std()
    return _split(inputs, scaled[:, None], torch.float32)


@functools.cache
def _wine() -> Data:
    return _split(*datasets.load_wine(return_X_y=True))


@functools.cache
def _iris() -> Data:
    return _split(*datasets.load_iris(return_X_y=True))


@functools.cache
def _even_digits() -> Data:
    """200 even digits to learn from, and those held out."""
    data = _only(_digit_classes(), tuple(range(0, 10, 2)))
    return data._replace(inputs=data.inputs[:200], targets=data.targets[:200])


@functools.cache
def _cancer() -> Data:
    return _split(*datasets.load_breast_cancer(return_X_y=True))


@functools.cache
def _digit_classes() -> Data:
    pixels, classes = datasets.load_digits(return_X_y=True)
    return _split(pixels / 8 - 1, classes)


@functools.cache
def _digit_pictures() -> Data:
    data = _digit_classes()
    inputs, held_out = data.inputs.clamp(-3, 3), data.held_out.clamp(-3, 3)
    return Data(inputs, inputs, held_out, held_out)


@functools.cache
def _noisy_digits() -> Data:
    data = _digit_classes()
    random = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(data.targets), generator=random) < 0.2
    answers = torch.randint(10, data.targets.shape, generator=random)
    return data._replace(targets=torch.where(wrong, answers, data.targets))


@functools.cache
def _faded_digits() -> Data:
    data = _digit_classes()
    random = torch.Generator().manual_seed(0)
    inputs, held_out = (
        0.5 * pixels + 0.4 + 0.4 * torch.randn(pixels.shape, generator=random)
        for pixels in (data.inputs[:120], data.held_out)
    )
    wrong = torch.rand(120, generator=random) < 0.05
    targets = torch.where(wrong, torch.randint(10, (120,), generator=random), data.targets[:120])
    return Data(inputs, targets, held_out, data.held_out_targets)


@functools.cache
def _upper_digits() -> Data:
    data = _digit_classes()
    known, asked = data.targets >= 5, data.held_out_targets >= 5
    inputs, targets = data.inputs[known][:150], data.targets[known][:150] - 5
    return Data(inputs, targets, data.held_out[asked], data.held_out_targets[asked] - 5)


@functools.cache
def _picture(name: str, octaves: int) -> Data:
    """Colours of a photograph made eight times smaller, by place; and by waves of the place, one pair per octave."""
    pixels = datasets.load_sample_image(name).astype(np.float64)
    height, width = pixels.shape[0] // 8, pixels.shape[1] // 8
    colours = pixels[: height * 8, : width * 8].reshape(height, 8, width, 8, 3).mean(axis=(1, 3)).reshape(-1, 3)
    grid = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    places = np.stack(grid, axis=-1).reshape(-1, 2)
    waves = [wave(math.pi * 2**octave * places) for octave in range(octaves) for wave in (np.sin, np.cos)]
    scaled = (colours - colours.mean(axis=0)) / colours.std(axis=0)
    return _split(np.concatenate([places, *waves], axis=1), scaled, torch.float32)


@functools.cache
def _parity() -> Data:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (4000, 12))
    wrong = random.random(4000) < 0.1
    return _split(bits.astype(np.float64), (bits[:, :4].sum(axis=1) + wrong) % 2)


@functools.cache
def _spirals() -> Data:
    random = np.random.default_rng(0)
    which = random.integers(0, 2, 1200)
    turn = np.sqrt(random.random(1200)) * 2.5 * math.pi
    angle = turn + math.pi * which
    places = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) + random.normal(0, 0.25, (1200, 2))
    wrong = random.random(1200) < 0.05
    return _split(places, (which + wrong) % 2)
