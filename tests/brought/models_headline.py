"""Models of which no_grad spares less than a graph saves: the headline is the difference of two arms.

Shapes: 16 rows, 64 features, float32: one activation has 4096 B.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks

from harness import Model

ROWS, WIDTH = 16, 64


def _body() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh())


def _batch() -> torch.Tensor:
    return torch.randn(ROWS, WIDTH)


class Enabled(nn.Module):
    """Turns recording on inside forward, whatever the caller asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = _body(), nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            return self.head(self.body(x))


def enabled_inside() -> Model:
    """Two outputs of tanh, 8192 B, with and without no_grad: it spares 0 B."""
    return Model(Enabled(), (_batch(),))


class EnabledByDecorator(Enabled):
    """The same, by a decorator."""

    @torch.enable_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def enabled_by_decorator() -> Model:
    return Model(EnabledByDecorator(), (_batch(),))


class GuardedForces(nn.Module):
    """Forces by autograd.grad, with recording turned on around them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 1))

    @torch.enable_grad()
    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        positions = positions.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.net(positions).sum(), positions, create_graph=True)
        return -slope


def guarded_forces() -> Model:
    return Model(GuardedForces(), (torch.randn(50, 3),))


class Detached(nn.Module):
    """Returns its output without the graph, which goes when forward returns."""

    def __init__(self, detach: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.body, self.head = _body(), nn.Linear(WIDTH, 4)
        self.detach = detach

    def forward(self, x: torch.Tensor) -> object:
        return self.detach(self.head(self.body(x)))


def detached() -> Model:
    """no_grad spares 0 B of what is held; the peak is higher with a graph."""
    return Model(Detached(torch.Tensor.detach), (_batch(),))


def detached_copy() -> Model:
    return Model(Detached(lambda out: out.detach().clone()), (_batch(),))


class NoGradInside(Enabled):
    """Forward is under no_grad already."""

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def no_grad_inside() -> Model:
    """Nothing is recorded in the arm `grad` either."""
    return Model(NoGradInside(), (_batch(),))


def kept_by_hooks() -> Model:
    """A dictionary of features holds both outputs of tanh with and without a graph: 0 B are spared."""
    net = nn.Sequential(*_body(), nn.Linear(WIDTH, 4))
    features: dict[int, torch.Tensor] = {}
    for place in (1, 3):
        net[place].register_forward_hook(lambda _m, _i, out, place=place: features.update({place: out}))
    return Model(net, (_batch(),))


class KeepsAsAttribute(nn.Module):
    """Keeps its hidden layer as an attribute, for a visualisation."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = _body(), nn.Linear(WIDTH, 4)
        self.last_hidden: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last_hidden = self.body(x)
        return self.head(self.last_hidden)


def kept_as_attribute() -> Model:
    """The first tanh goes without a graph, 4096 B; the second is kept by the module in both."""
    return Model(KeepsAsAttribute(), (_batch(),))


class Frozen(nn.Module):
    """Everything is frozen: there is nothing to record."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _body().requires_grad_(requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def frozen() -> Model:
    return Model(Frozen(), (_batch(),))


class Offloaded(nn.Module):
    """Saved-tensor hooks of the model's own: on a CPU save_on_cpu copies nothing that was not there."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = _body(), nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with save_on_cpu():
            x = self.body(x)
        return self.head(x)


def offloaded() -> Model:
    return Model(Offloaded(), (_batch(),))


class Packed(Offloaded):
    """Keeps what is saved as bfloat16: copies of activations, inputs and weights."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with saved_tensors_hooks(lambda t: t.to(torch.bfloat16), lambda t: t.float()):
            x = self.body(x)
        return self.head(x)


def packed() -> Model:
    return Model(Packed(), (_batch(),))
