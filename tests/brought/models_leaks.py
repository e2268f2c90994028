"""Models that leave something allocated behind each call.

Shapes: 16 rows, 64 features in, 128 hidden, float32: one hidden activation has 16 * 128 * 4 = 8192 B.
"""

from typing import Any

import torch
from torch import nn

from harness import Model

ROWS = 16


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 4))


def appended_by_a_hook() -> Model:
    """A hook appends tanh's output: 8192 B a call, with and without a graph."""
    net = _net()
    features: list[torch.Tensor] = []
    net[1].register_forward_hook(lambda _m, _i, out: features.append(out.detach()))
    return Model(net, (torch.randn(ROWS, 64),))


class LossLog(nn.Module):
    """Appends its loss to a list, and with it the whole graph."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()
        self.losses: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        loss = self.net(x).square().mean()
        self.losses.append(loss)
        return loss


def loss_log() -> Model:
    """Tanh 8192 B and the prediction 16 * 4 * 4 = 256 B hang behind the loss, of 4 B, in each call."""
    return Model(LossLog(), (torch.randn(ROWS, 64),))


_HISTORY: list[torch.Tensor] = []


class GlobalLog(nn.Module):
    """Appends to a list in the file, where no module is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.net[1](self.net[0](x))
        _HISTORY.append(hidden.detach().clone())
        return self.net[2](hidden)


def global_log() -> Model:
    """A copy of 8192 B a call."""
    return Model(GlobalLog(), (torch.randn(ROWS, 64),))


class Keep(torch.autograd.Function):
    """Keeps its output on ctx: a cycle that only the collector frees."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.y = x * 2
        return ctx.y

    @staticmethod
    def backward(_ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


class OutputOnCtx(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 128), nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(Keep.apply(self.first(x)))


def output_on_ctx() -> Model:
    """The output of Keep, saved by the next layer too: 8192 B."""
    return Model(OutputOnCtx(), (torch.randn(ROWS, 64),))


class Memo(nn.Module):
    """A dictionary with a new key at each call, as a memo by identity is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()
        self.memo: dict[int, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.net[1](self.net[0](x))
        self.memo[len(self.memo)] = hidden
        return self.net[2](hidden)


def memo() -> Model:
    """8192 B a call; with its graph, which holds no more than tanh itself."""
    return Model(Memo(), (torch.randn(ROWS, 64),))


class RunsGraphOn(nn.Module):
    """Adds each loss to a running total that still has its graph."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()
        self.total: Any = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        loss = self.net(x).square().mean()
        self.total = self.total + loss
        return loss


def running_total() -> Model:
    return Model(RunsGraphOn(), (torch.randn(ROWS, 64),))


class KeptAsItIs(nn.Module):
    """Packs what is saved as it is; tanh saves its own result, and a circle closes that nothing frees."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            return self.net(x)


def packed_as_it_is() -> Model:
    """Tanh's result, 8192 B a call, with a graph alone."""
    return Model(KeptAsItIs(), (torch.randn(ROWS, 64),))


class OnCpu(KeptAsItIs):
    """The same by torch's own hooks, which on a CPU move nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autograd.graph.save_on_cpu():
            return self.net(x)


def moved_to_where_it_is() -> Model:
    return Model(OnCpu(), (torch.randn(ROWS, 64),))


def replaced_by_a_hook() -> Model:
    """Held between calls and replaced at each: kept, and no leak that grows."""
    net = _net()
    features: dict[str, torch.Tensor] = {}
    net[1].register_forward_hook(lambda _m, _i, out: features.update(act=out.detach()))
    return Model(net, (torch.randn(ROWS, 64),))


def clean() -> Model:
    """Nothing is left: 0 B."""
    return Model(_net(), (torch.randn(ROWS, 64),))
