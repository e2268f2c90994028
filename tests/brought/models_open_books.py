"""Models whose books need not balance, because a module keeps what it computed or a hook frees it.

Shapes: 16 rows, 64 features in, 128 hidden, float32: a hidden activation has 8192 B, a weight of the first
layer 128 * 64 * 4 = 32768 B.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness import Model

ROWS = 16


def _batch() -> torch.Tensor:
    return torch.randn(ROWS, 64)


def weight_norm_old() -> Model:
    """The computed weights stay on their modules, with and without a graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(
            nn.utils.weight_norm(nn.Linear(64, 128)), nn.Tanh(), nn.utils.weight_norm(nn.Linear(128, 4))
        )
    return Model(net, (_batch(),))


def spectral_norm_old() -> Model:
    """Its vectors move in place in train mode, and the divided weight stays on the module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.utils.spectral_norm(nn.Linear(64, 128)), nn.Tanh(), nn.Linear(128, 4))
    return Model(net, (_batch(),))


def weight_norm_new() -> Model:
    """As a parametrization nothing stays: the books balance."""
    from torch.nn.utils.parametrizations import weight_norm

    return Model(
        nn.Sequential(weight_norm(nn.Linear(64, 128)), nn.Tanh(), weight_norm(nn.Linear(128, 4))), (_batch(),)
    )


class Caches(nn.Module):
    """Keeps a weight that it computed, as quantization-aware layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.randn(128, 64))
        self.rounded: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rounded = torch.tanh(self.base)
        return x @ self.rounded.T


def kept_weight() -> Model:
    """Tanh saves the kept weight, 32768 B, which no_grad does not spare; nothing else is saved."""
    return Model(Caches(), (_batch(),))


class FreedByAHook(nn.Module):
    """Resizes what it saved to nothing, as sharding does to a gathered weight. It has no backward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 128), nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(x))
        out = self.last(hidden)
        hidden.untyped_storage().resize_(0)
        return out


def freed_by_the_module() -> Model:
    """Tanh's storage is empty when forward returns: no_grad spares 0 B."""
    return Model(FreedByAHook(), (_batch(),))


def freed_by_a_hook() -> Model:
    """The same by a forward hook of the next layer."""
    net = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 4))

    def free(_module: nn.Module, inputs: tuple[torch.Tensor], _out: object) -> None:
        inputs[0].untyped_storage().resize_(0)

    net[2].register_forward_hook(free)
    return Model(net, (_batch(),))


class OnCtx(torch.autograd.Function):
    """Keeps a tensor as an attribute of ctx, past save_for_backward, of which no hook is told."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.halved = x * 0.5
        return x.sin()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * ctx.halved


class HidesOnCtx(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 128), nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(OnCtx.apply(self.first(x)))


def hidden_on_ctx() -> Model:
    """Sin's result, which the last layer saves, 8192 B; the halved one, 8192 B, no hook is told of."""
    return Model(HidesOnCtx(), (_batch(),))


@functools.lru_cache(maxsize=1)
def _positions(mask: torch.Tensor) -> torch.Tensor:
    return mask.cumsum(1).sin()


_LAST: dict[str, torch.Tensor] = {}


def _positions_by_name(mask: torch.Tensor) -> torch.Tensor:
    _LAST["positions"] = mask.cumsum(1).sin()
    return _LAST["positions"]


def _remembering() -> Callable[[torch.Tensor], torch.Tensor]:
    last: list[torch.Tensor] = []

    def positions(mask: torch.Tensor) -> torch.Tensor:
        last[:] = [mask.cumsum(1).sin()]
        return last[0]

    return positions


class Positions:
    """A class that keeps what it computed last."""

    last: torch.Tensor

    @classmethod
    def of(cls, mask: torch.Tensor) -> torch.Tensor:
        cls.last = mask.cumsum(1).sin()
        return cls.last


POSITIONS = {
    "lru_cache": _positions,
    "global": _positions_by_name,
    "closure": _remembering(),
    "class": Positions.of,
}


class Masked(nn.Module):
    """Multiplies by a table that a function computes of a new mask at each call, and keeps."""

    def __init__(self, kept_by: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64))
        self.kept_by = kept_by
        self.last = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last((x + self.weight) * POSITIONS[self.kept_by](torch.ones(ROWS, 64)))


def kept_outside(kept_by: str) -> Model:
    """The table, 4096 B, stays with and without a graph; the product, 4096 B, is the last layer's."""
    return Model(Masked(kept_by), (_batch(),))


_ACTIVATIONS: list[torch.Tensor] = []


class Logged(nn.Module):
    """Appends an activation that has its graph to a list in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.net:
            x = layer(x)
            if isinstance(layer, nn.Tanh) and layer is not self.net[1]:
                _ACTIVATIONS.append(x)
        return x


def logged() -> Model:
    """Both tanh are saved and stay, 8192 B each; without a graph the second stays alone."""
    return Model(Logged(), (_batch(),))


class Region(nn.Module):
    """A checkpointed region without a reentrant backward."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(64, 64)
        self.block = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))
        self.head = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(checkpoint(self.block, self.embed(x), use_reentrant=False))


def checkpointed() -> Model:
    """Input of the region and of the head: 2 * 16 * 64 * 4 = 8192 B; the generator's state beside."""
    return Model(Region(), (_batch(),))
