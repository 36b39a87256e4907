"""CartPole: Gymnasium's real CartPole-v1, learnt by a policy gradient. The objective is a return, so more is better.

An update plays four episodes from fresh starts, cut off after 200 moves, and makes one step along the policy gradient:
REINFORCE, where the baseline of a move is the mean of what the four episodes still got from that moment on. Sutton,
McAllester, Singh and Mansour, Policy gradient methods for reinforcement learning with function approximation, 1999;
Williams, Simple statistical gradient-following algorithms, 1992. An evaluation plays sixteen whole episodes of at most
500 moves, with moves drawn from the policy: always from the same starts and with the same random numbers.

The starts and random numbers of an update depend on the seed and its number alone, not on the policy that is tried, so
runs of a seed are paired. Everything runs on one CPU thread and leaves no trace in the process. The same seed on the
same machine gives the same trace, bit for bit.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import MissingExtra
from ..torch import TorchTask

try:
    import gymnasium
except ModuleNotFoundError as missing:
    if missing.name != "gymnasium":
        raise
    raise MissingExtra("gymnasium", "tasks") from missing

import torch
from torch import Tensor, nn
from torch.nn import functional

EPISODES = 4
MOVES = 200
"""After so many moves an episode of training is cut off; half the cost of whole ones, and as good a teacher."""

DISCOUNT = 0.99
EVALUATED = 16
LONGEST = 500
"""How long CartPole-v1 lets an episode last: the best return there is."""

_EVALUATION_SEED = 500
_WIDTH = 32
_UNITS = np.array([1.0, 1.0, 0.2, 1.0], dtype=np.float32)  # the angle at which the pole is lost is 0.21


def _network() -> nn.Module:
    """A multilayer perceptron with two hidden layers: 1,249 parameters."""
    return nn.Sequential(nn.Linear(4, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, 1))


class Start(NamedTuple):
    """What chance decides in some episodes: the environment's seed, and a number per move and episode."""

    seed: int
    chances: np.ndarray


class Played(NamedTuple):
    """Episodes side by side, all of shape (moves, episodes) but `seen`, which has four numbers each.

    `alive` says whether the episode still went on; what is recorded of one that had ended means nothing.
    """

    seen: np.ndarray
    moves: np.ndarray
    alive: np.ndarray

    @property
    def returns(self) -> np.ndarray:
        """The undiscounted return of each episode: a reward of 1 for every move."""
        return self.alive.sum(axis=0)


def _starts(seed: int) -> Iterator[Start]:
    """The starts of one update after another."""
    for update in itertools.count():
        yield _start((seed, update), MOVES, EPISODES)


def _start(seed: int | tuple[int, int], moves: int, episodes: int) -> Start:
    random = np.random.default_rng(seed)
    return Start(int(random.integers(2**31)), random.random((moves, episodes)))


def _play(model: nn.Module, start: Start) -> Played:
    """Let the policy play until every episode has ended."""
    longest, episodes = start.chances.shape
    environment = _environment(episodes, longest)
    probability = _in_numpy(model)
    seen, moves, alive = [], [], []
    observed, _ = environment.reset(seed=start.seed)
    going = np.ones(episodes, dtype=bool)
    for chances in start.chances:
        scaled = observed / _UNITS
        move = (chances < probability(scaled)).astype(np.int64)
        seen.append(scaled)
        moves.append(move)
        alive.append(going)
        observed, _, fallen, cut, _ = environment.step(move)
        going = going & ~(fallen | cut)
        if not going.any():
            break
    environment.close()
    return Played(np.stack(seen), np.stack(moves), np.stack(alive))


def _environment(episodes: int, moves: int) -> Any:
    """The real environment, as many times as there are episodes."""
    return gymnasium.make_vec(
        "CartPole-v1", num_envs=episodes, vectorization_mode="vector_entry_point", max_episode_steps=moves
    )


def _in_numpy(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """The probability of a push to the right; NumPy is several times faster than torch on so few numbers."""
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    layers = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]

    def probability(observed: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # weights may have diverged; the loss will say so
            for weight, bias in layers[:-1]:
                observed = np.tanh(observed @ weight + bias)
            weight, bias = layers[-1]
            return 1 / (1 + np.exp(-(observed @ weight + bias)[:, 0]))

    return probability


def _loss(model: nn.Module, start: Start) -> Tensor:
    """The share of the moves that were lost, from 0 to 1, whose gradient is the policy gradient.

    The gradient is scaled by the spread of the advantages, as is usual: otherwise long episodes would make long steps.
    """
    played = _play(model, start)
    alive = torch.from_numpy(played.alive)
    advantages = torch.from_numpy(_advantages(played.alive))[alive]
    scores = model(torch.from_numpy(played.seen)[alive])[:, 0]
    pushes = torch.from_numpy(played.moves)[alive].float()
    surprise = functional.binary_cross_entropy_with_logits(scores, pushes, reduction="none")
    steered = (surprise * advantages / (advantages.std() + 1e-5)).mean()
    lost = 1 - float(played.returns.mean()) / len(start.chances)
    return steered - steered.detach() + lost


def _advantages(alive: np.ndarray) -> np.ndarray:
    """How much more, discounted, an episode got from each move on than the episodes did on the average."""
    to_come = np.zeros(alive.shape, dtype=np.float32)
    later = np.zeros(alive.shape[1], dtype=np.float32)
    for move in reversed(range(len(alive))):
        later = alive[move] * (1 + np.float32(DISCOUNT) * later)
        to_come[move] = later
    return to_come - to_come.mean(axis=1, keepdims=True)


def _evaluated(model: nn.Module) -> dict[str, float]:
    """The mean undiscounted return of whole episodes."""
    return {"return": float(_play(model, _evaluation()).returns.mean())}


@functools.cache
def _evaluation() -> Start:
    return _start(_EVALUATION_SEED, LONGEST, EVALUATED)


cartpole = TorchTask(
    _network,
    _loss,
    _starts,
    _evaluated,
    updates=60,
    objective="return",
    mode="max",
    name="cartpole",
    evaluation=2,  # whole episodes, of which the longest counts
    evaluations=5,
    threads=1,
    packages=("gymnasium",),
    batch_size=EPISODES,
)
