"""One run of a `TorchTask`: the model, the optimizer, the batches and the random numbers, between two yields."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import StateError, UsageError
from ..policy import Policy
from ..spec import shorten
from .batches import Batches
from .building import build
from .parts import Parts, described
from .streams import Stream, Surroundings, mixed, sources

FORMAT = 1
"""Of the state in a snapshot."""


class Training:
    """Everything that a run holds. Between two calls, nothing of the process is changed."""

    def __init__(self, parts: Parts, policy: Policy, seed: int) -> None:
        given = parts.loss if isinstance(parts.loss, nn.Module) else None
        self._criterion = None if given is None else copy.deepcopy(given)  # what it remembers is of this run alone
        if self._criterion is not None:
            if parts.device is not None:  # its class weights have to be there too
                self._criterion.to(parts.device)
            parts = dataclasses.replace(parts, loss=self._criterion)
        self.parts = parts
        self._surroundings = Surroundings(parts.threads)
        with self._surroundings:
            self.model = self._made(seed)
            chosen = self.model if parts.params is None else parts.params(self.model)
            self.optimizer, self.scheduler = build(policy, chosen)
        tensors = itertools.chain(self.model.parameters(), self.model.buffers())
        self.device = parts.device or next((tensor.device for tensor in tensors), torch.device("cpu"))
        self._sources = sources({self.device})
        self._stream = Stream(self._sources, mixed(seed, 0))
        self._calm = Stream(self._sources, mixed(seed, 0), returns=True)
        self._batches = Batches(parts, seed, self._sources)
        self._scaler = torch.amp.GradScaler(self.device.type) if parts.scaler else None
        if self._scaler is not None and isinstance(self.optimizer, torch.optim.LBFGS):
            raise UsageError(
                "L-BFGS asks for the loss several times per update, which a gradient scaler cannot: "
                "leave scaler out, or take another optimizer"
            )
        self._learned = [tensor for group in self.optimizer.param_groups for tensor in group["params"]]
        if given is not None and {id(tensor) for tensor in given.parameters()} & {id(each) for each in self._learned}:
            raise UsageError(
                "params gives the optimizer weights of the loss, which every run has a copy of: make them a part of "
                "the model, and let loss be a function of (model, batch)"
            )
        self._taken: list[Any] = []
        self._norm: float | None = None

    def _made(self, seed: int) -> nn.Module:
        """The model, its weights drawn from the seed alone."""
        device = self.parts.device
        seeded = _in_use() if device is None else {device}
        model = self._drawn(seeded, seed)
        elsewhere = {str(tensor.device): tensor.device for tensor in model.parameters()}
        if elsewhere.keys() - sources(seeded).keys() - {"meta"}:  # drawn on a device that was asleep until then
            model = self._drawn({*seeded, *elsewhere.values()}, seed)
        if not model.training:
            model.train()
        return model if device is None else model.to(device)

    def _drawn(self, devices: Iterable[torch.device], seed: int) -> nn.Module:
        with Stream(sources(devices), seed):
            model = self.parts.model()
        if not isinstance(model, nn.Module):
            raise self.parts.refuse(f"model() must return a torch.nn.Module, got {shorten(model)}")
        return model

    # -- an update

    def update(self) -> dict[str, float]:
        """Make one update; what it showed."""
        with self._surroundings:
            self._taken = [self._batches.take() for _ in range(self.parts.accumulation)]
            self._norm = None
            shown: dict[str, float] = {"rate": self.scheduler.get_last_lr()[0]}
            with self._stream:
                if self._scaler is None:  # a closure, which L-BFGS needs and the others take
                    shown["loss"] = float(self.optimizer.step(self._gradients))
                else:
                    shown |= self._scaled(self._scaler)
            self.scheduler.step()
        if self._norm is not None:
            shown["gradient_norm"] = self._norm
        return shown

    def _gradients(self) -> float:
        """The mean loss of the batches of this update, and its gradient."""
        self.optimizer.zero_grad()
        loss = self._backward(None)
        if self.parts.clip is not None:
            self._clip(self.parts.clip)
        return loss

    def _scaled(self, scaler: torch.amp.GradScaler) -> dict[str, float]:
        """An update through the scaler, which leaves the weights alone where a gradient is not finite."""
        self.optimizer.zero_grad()
        before = scaler.get_scale()
        loss = self._backward(scaler.scale)
        if self.parts.clip is not None:
            scaler.unscale_(self.optimizer)
            self._clip(self.parts.clip)
        scaler.step(self.optimizer)
        scaler.update()
        return {"loss": loss, "skipped": float(scaler.get_scale() < before)}

    def _backward(self, scaled: Callable[[Tensor], Tensor] | None) -> float:
        total, many = 0.0, len(self._taken)
        for batch in self._taken:
            error = self._loss(batch)
            mean = error if many == 1 else error / many
            (mean if scaled is None else scaled(mean)).backward()
            total += error.item()
        return total / many

    def _loss(self, batch: Any) -> Tensor:
        parts = self.parts
        if parts.autocast is None:
            error = self._error(batch)
        else:
            with self._precision():
                error = self._error(batch)
        if not isinstance(error, Tensor) or error.numel() != 1:
            raise parts.refuse(
                f"loss must return a scalar tensor, got {described(error)}; take its mean, such as loss.mean()"
            )
        if not error.requires_grad:
            raise parts.refuse("loss returned a tensor without a gradient; leave out .item(), .detach() and no_grad()")
        return error

    def _error(self, batch: Any) -> Any:
        if not self.parts.pairs:
            return self.parts.loss(self.model, batch)
        given, target = self._pair(batch)
        return self.parts.loss(self.model(given), target)

    def _pair(self, batch: Any) -> Any:
        if isinstance(batch, (tuple, list)) and len(batch) == 2:
            return batch
        raise self.parts.refuse(
            f"a criterion needs batches that are (input, target), got {described(batch)}; for other batches let loss "
            "be a function of (model, batch)"
        )

    def _precision(self) -> contextlib.AbstractContextManager[None]:
        if self.parts.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.parts.autocast)

    def _clip(self, limit: float) -> None:
        """Shorten the gradient; L-BFGS asks several times per update, and the first length is the one before it."""
        length = torch.nn.utils.clip_grad_norm_(self._learned, limit)
        self._norm = length.item() if self._norm is None else self._norm

    # -- an evaluation

    def evaluate(self) -> dict[str, float]:
        """Measure the model as it is; dropout and normalisation are off, and nothing that an update sees is moved."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with self._surroundings, torch.no_grad(), self._calm, self._precision():
                values = self.parts.evaluate(self.model)
        finally:
            for module, mode in modes:
                module.training = mode
        self._check(values)
        return dict(values)

    def _check(self, values: Any) -> None:
        parts = self.parts
        if not isinstance(values, Mapping):
            example = f'{{"{parts.objective}": 0.3}}'
            raise parts.refuse(f"evaluate must return a mapping such as {example}, got {described(values)}")
        if parts.objective not in values:
            names = ", ".join(map(str, values)) or "nothing"
            raise parts.refuse(f"evaluate must give the objective {parts.objective!r}, it gave {names}")
        if "loss" in values:
            raise parts.refuse("evaluate gave 'loss', which is the name of an update's; call it 'val_loss'")

    # -- a state

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on, as plain data and tensors on the CPU."""
        model, hidden = _kept(self.model)
        return {
            "format": FORMAT,
            "model": model,
            "hidden buffers": hidden,
            "loss": None if self._criterion is None else list(_kept(self._criterion)),
            "optimizer": _on_cpu(self.optimizer.state_dict()),
            "scheduler": self.scheduler.state_dict(),
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
            "random": self._stream.state(),
            "batches": self._batches.place(),
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, bit for bit; the batches before it are made again and passed over."""
        if not isinstance(state, Mapping) or state.get("format") != FORMAT:
            raise StateError(f"task {self.parts.name!r} cannot continue from a state that it did not make")
        with self._surroundings:
            try:
                _restore(self.model, state["model"], state["hidden buffers"], self.device)
                if self._criterion is not None:
                    kept, hidden = state["loss"]
                    _restore(self._criterion, kept, hidden, self.device)
                self.optimizer.load_state_dict(state["optimizer"])
            except (KeyError, ValueError, RuntimeError, TypeError) as error:
                raise StateError(f"the snapshot is not of this model and optimizer: {error}") from error
            # the runner has checked that the policies agree until here; from here on this one's schedules speak
            self.scheduler.load_state_dict(state["scheduler"], allow_change=True)
            if self._scaler is not None and state["scaler"] is not None:
                self._scaler.load_state_dict(state["scaler"])
            self._stream.go_on(state["random"])
            self._batches.go_to(*state["batches"])


def _in_use() -> set[torch.device]:
    """The accelerator that this process has drawn from, where there is one."""
    if not torch.cuda.is_initialized():
        return set()
    return {torch.device("cuda", torch.cuda.current_device())}


def _kept(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a module writes down of itself, and its other buffers."""
    kept = module.state_dict()
    hidden = {name: buffer for name, buffer in module.named_buffers() if name not in kept}
    return _on_cpu(dict(kept)), _on_cpu(hidden)


def _restore(module: nn.Module, wanted: Mapping[str, Any], hidden: Mapping[str, Any], device: torch.device) -> None:
    """Give a module what another one like it has kept; a buffer that has no value yet gets one."""
    for name, value in {**wanted, **hidden}.items():
        path, _, last = name.rpartition(".")
        owner = _inside(module, path)
        if owner is not None and last in owner._buffers and owner._buffers[last] is None:
            owner._buffers[last] = value.to(device, copy=True)
    kept = module.state_dict()  # which knows the versions of its modules
    for name in [name for name in kept if name not in wanted]:
        del kept[name]
    kept.update(wanted)
    module.load_state_dict(kept)
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if name in hidden:
                buffer.copy_(hidden[name])


def _inside(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None


def _on_cpu(value: Any) -> Any:
    """A copy on the CPU that training cannot move, and that holds no more than it shows where a tensor is a view."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_on_cpu(item) for item in value)
    return value
