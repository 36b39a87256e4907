"""The rate finders of four real packages, as functions of the losses that a test showed them.

Each replays recorded losses through the package's own test: its smoothing, its limit, its suggestion. Where the package
raises, the answer is None.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import tempfile
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import fastcore.all
import ignite.handlers.lr_finder
import numpy as np
import torch
from ignite.engine import Engine
from lightning.pytorch.tuner import lr_finder as lightning_finder

from peers import load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tqdm looks for notebook widgets when torch_lr_finder is imported
    import torch_lr_finder

Floats = Sequence[float]
Answer = float | None


# --- curves ----------------------------------------------------------------------------------------------------------


def drawn(rng: random.Random) -> tuple[list[float], list[float]]:
    """Rates of a test, and losses: a noisy fall and explosion, some rising, flat, short, or cut by NaN or infinity."""
    count = rng.choice([*range(1, 24), *[100] * 40, *(rng.randint(24, 160) for _ in range(20))])
    low, high = 10 ** rng.uniform(-9, -3), 10 ** rng.uniform(-2, 2)
    rates = np.geomspace(low, high, count)
    first, depth, noise = 10 ** rng.uniform(-1, 1), rng.uniform(0, 0.98), 10 ** rng.uniform(-3, -0.7)
    place = np.linspace(0, 1, count)
    fall = 1 / (1 + np.exp(-(place - rng.uniform(0.1, 0.8)) * rng.uniform(5, 40)))
    losses = first * (1 - depth * fall) + np.exp((place - rng.uniform(0.7, 1.5)) * rng.uniform(10, 60)).clip(max=1e6)
    losses *= np.exp([rng.gauss(0, noise) for _ in range(count)])
    if rng.random() < 0.15:
        losses = losses[::-1].copy()
    if rng.random() < 0.1:
        losses -= first
    if rng.random() < 0.3:
        losses[rng.randrange(count) :] = np.nan
    if rng.random() < 0.1:
        losses[rng.randrange(count)] = rng.choice([np.inf, np.nan])
    return rates.tolist(), losses.tolist()


@contextlib.contextmanager
def silent() -> Any:
    """The packages print, warn and draw progress bars."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def answered(ask: Callable[[], Any]) -> Answer:
    """What a package says, None where it raises or says nothing."""
    try:
        said = ask()
    except (RuntimeError, IndexError, ValueError):
        return None
    return None if said is None else float(said)


# --- torch-lr-finder -------------------------------------------------------------------------------------------------


class _Replay(torch_lr_finder.TrainDataLoaderIter):  # type: ignore[misc]
    """Batches whose label is the loss that the model will have on them."""

    def __init__(self, losses: Floats) -> None:
        self._iterator = iter(losses)

    def __next__(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones(1, dtype=torch.float64), torch.tensor(next(self._iterator), dtype=torch.float64)


def torch_lr_finder_says(rates: Floats, losses: Floats) -> Answer:
    """`LRFinder.range_test` over these losses, then `plot`; its own rates are replaced by those given."""
    if len(losses) < 2:
        return None  # it makes no test of one update
    model = torch.nn.Linear(1, 1).double()
    finder = torch_lr_finder.LRFinder(
        model, torch.optim.SGD(model.parameters(), lr=1e-3), lambda out, label: label + 0 * out.sum(), device="cpu"
    )
    with silent():
        finder.range_test(_Replay(losses), end_lr=1, num_iter=len(losses))
        finder.history["lr"] = list(rates[: len(finder.history["loss"])])
        return answered(lambda: finder.plot(ax=mock.MagicMock())[1])


# --- ignite ----------------------------------------------------------------------------------------------------------


def ignite_says(rates: Floats, losses: Floats) -> Answer:
    """`FastaiLRFinder` on an engine whose output is these losses; its own rates are replaced by those given."""
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    finder = ignite.handlers.lr_finder.FastaiLRFinder()
    engine = Engine(lambda engine, loss: loss)
    with silent(), finder.attach(engine, {"optimizer": sgd}, end_lr=1.0, num_iter=len(losses)) as test:
        test.run(list(losses))
    finder._history["lr"] = list(rates[: len(finder._history["loss"])])
    return answered(finder.lr_suggestion)


# --- Lightning -------------------------------------------------------------------------------------------------------


def lightning_smooths(losses: Floats, finder: Any = lightning_finder) -> list[float]:
    """What its callback records of these losses, fed as its trainer feeds it."""
    callback = finder._LRCallback(len(losses))
    scheduler = types.SimpleNamespace(scheduler=types.SimpleNamespace(lr=[0.0]))
    trainer: Any = types.SimpleNamespace(
        fit_loop=types.SimpleNamespace(batch_idx=0),
        accumulate_grad_batches=1,
        lr_scheduler_configs=[scheduler],
        strategy=types.SimpleNamespace(broadcast=lambda value: value),
        global_step=0,
        should_stop=False,
    )
    for loss in losses:
        if trainer.should_stop:
            break
        callback.on_train_batch_start(trainer, None, None, 0)
        trainer.global_step += 1  # the optimizer has stepped when a batch ends
        callback.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss, dtype=torch.float64)}, None, 0)
    return callback.losses


def lightning_says(rates: Floats, losses: Floats, finder: Any = lightning_finder) -> Answer:
    """`_LRFinder.suggestion` on what the callback recorded."""
    found = finder._LRFinder("exponential", 1e-8, 1, len(losses))
    smooth = lightning_smooths(losses, finder)
    found.results = {"lr": list(rates[: len(smooth)]), "loss": smooth}
    with silent():
        return answered(found.suggestion)


# --- fastai ----------------------------------------------------------------------------------------------------------


FASTAI = ("minimum", "steep", "valley", "slide")


class _Callback:
    """What the real callbacks ask is the learner's to answer."""

    def __getattr__(self, name: str) -> Any:
        if name == "learn":
            raise AttributeError(name)
        return getattr(self.learn, name)


class _Cancelled(Exception):
    """fastai's way to end a fit."""


def _nothing(names: str) -> dict[str, Any]:
    """Names that the files mention while they are imported, and never use here."""
    return {name: mock.MagicMock(name=name) for name in names.split()}


class Learner:
    """fastai's training loop, reduced: the real recorder's average, the real finder, its rates, its cancellation."""

    def __init__(self, batches: int, train: Callable[[float], float]) -> None:
        self.dls = types.SimpleNamespace(train=range(batches))
        self.train, self.smooth, self.opt = train, _learner_file().AvgSmoothLoss(), self
        self.hypers = [{"lr": 0.0}]
        self.recorder = self
        self.lrs: list[float] = []
        self.losses: list[torch.Tensor] = []

    def set_hyper(self, name: str, value: float) -> None:
        self.hypers[-1][name] = value

    def no_logging(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def save(self, name: str) -> None:
        """The finder removes its folder only where there is a file."""
        (self.path / self.model_dir / name).with_suffix(".pth").touch()

    def load(self, *_: Any, **__: Any) -> None: ...

    def zero_grad(self) -> None: ...

    def fit(self, n_epoch: int, cbs: Any) -> None:
        if self.losses:  # what the first `lr_find` saw is what every further one reads
            return
        with tempfile.TemporaryDirectory() as folder:
            self.path, self.model_dir, cbs.learn, self.train_iter = Path(folder), "models", self, 0
            cbs.before_fit()
            with contextlib.suppress(_Cancelled, StopIteration):  # or no more losses were recorded
                while True:
                    cbs.before_batch()
                    self.loss = torch.tensor(self.train(self.hypers[-1]["lr"]), dtype=torch.float32)
                    self.train_iter += 1  # by TrainEvalCallback, which comes first
                    self.smooth.accumulate(self)
                    self.smooth_loss = self.smooth.value
                    self.lrs.append(self.hypers[-1]["lr"])
                    self.losses.append(self.smooth_loss)
                    cbs.after_batch()
            cbs.after_fit()


BASICS = {name: value for name, value in vars(fastcore.all).items() if not name.startswith("__")} | {
    "np": np,
    "torch": torch,
    "Path": Path,
    "functools": functools,
    "tempfile": tempfile,
    "collections": __import__("collections"),
    "partial": functools.partial,
    "contextmanager": contextlib.contextmanager,
    "tensor": torch.tensor,
    "to_detach": lambda value: value.detach(),
    "to_np": lambda value: value.numpy(),
    "Callback": _Callback,
    "Learner": Learner,
    "CancelFitException": _Cancelled,
    "docs": lambda cls: cls,
}


@functools.cache
def _learner_file() -> Any:
    """`fastai/learner.py`, for the average that its recorder keeps."""
    names = "event Adam trainable_params defaults DataLoaders Callable Optimizer OptimWrapper"
    names += " TrainEvalCallback GatherPredsCallback"
    stubs = ["fastai.data.all", "fastai.optimizer", "fastai.callback.core", "fastprogress", "fastprogress.fastprogress"]
    basics = _nothing(names) | BASICS | {"Tensor": torch.Tensor}
    basics.pop("Learner")
    return load("fastai", "fastai/learner.py", [*stubs, "cloudpickle"], "fastai.peer_learner", fastai__data__all=basics)


@functools.cache
def fastai_file() -> Any:
    """`fastai/callback/schedule.py`; it gives `Learner` its `lr_find`."""
    basics = BASICS | {"Recorder": type("Recorder", (), {})}
    stubs = ["fastai.basics", "fastai.callback.tracker"]
    return load("fastai", "fastai/callback/schedule.py", stubs, "fastai.callback.peer_finder", fastai__basics=basics)


def fastai_says(rates: Floats, losses: Floats) -> dict[str, Answer]:
    """`Learner.lr_find` over these losses, by each of its functions; its own rates are replaced by those given.

    There may be more rates than losses: those the test was meant to have, of which at least 6 are made.
    """
    if len(losses) < 6:
        return dict.fromkeys(FASTAI)
    given = iter(losses)
    learner: Any = Learner(len(rates), lambda rate: next(given))
    learner.lrs = _Given(rates)
    return asked(learner, len(rates))


def asked(learner: Any, updates: int) -> dict[str, Answer]:
    """What `lr_find` of this learner answers by each of fastai's functions."""
    file = fastai_file()

    def ask(name: str) -> Answer:
        functions = getattr(file, name)
        return answered(lambda: learner.lr_find(num_it=updates, show_plot=False, suggest_funcs=functions)[0])

    with silent():
        return {name: ask(name) for name in FASTAI}


class _Given(list):  # type: ignore[type-arg]
    """The rates that were given, as many as losses were appended."""

    def __init__(self, rates: Floats) -> None:
        super().__init__()
        self._rest = iter(rates)

    def append(self, _: float) -> None:
        super().append(next(self._rest))
