"""Models of which a part cannot be run, trained or reached, and files that change torch for the process."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from harness import Model

ROWS = 16


class Unused(nn.Module):
    """A pooler that the output does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 4))
        self.pooler = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def unused_pooler() -> Model:
    """The pooler owns parameters last, and is no head: the head is body.2, (64 * 4 + 4) * 4 = 1040 B."""
    return Model(Unused(), (torch.randn(ROWS, 32),))


class Experts(nn.Module):
    """Four experts, of which the router chooses the first alone."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.experts[0](x)))


def unused_experts() -> Model:
    return Model(Experts(), (torch.randn(ROWS, 32),))


class Detaches(nn.Module):
    """A branch that is detached by mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x).detach())


def detached_encoder() -> Model:
    """Only the head gets gradients: (32 * 4 + 4) * 4 = 528 B."""
    return Model(Detaches(), (torch.randn(ROWS, 32),))


class Body(nn.Module):
    """A reentrant checkpoint behind a frozen embedding, which trains nothing inside."""

    def __init__(self, *, head_outside: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(64, 64).requires_grad_(requires_grad=False)
        self.block = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))
        self.head = nn.Linear(64, 4) if head_outside else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(checkpoint(self.block, self.embed(x), use_reentrant=True))


def silent_checkpoint() -> Model:
    """Only the head trains: (64 * 4 + 4) * 4 = 1040 B of gradients."""
    return Model(Body(head_outside=True), (torch.randn(ROWS, 64),))


def nothing_trains() -> Model:
    return Model(Body(head_outside=False), (torch.randn(ROWS, 64),))


class ArgMax(nn.Module):
    """Returns classes, which carry no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x).softmax(-1).argmax(-1)


def returns_classes() -> Model:
    return Model(ArgMax(), (torch.randn(ROWS, 32),))


class Strings(nn.Module):
    """Returns words: there is no tensor to take a loss of."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> list[str]:
        return ["yes" if value > 0 else "no" for value in self.fc(x).sum(-1).tolist()]


def returns_words() -> Model:
    return Model(Strings(), (torch.randn(ROWS, 32),))


def lazy() -> Model:
    """Lazy layers before their first call; their parameters are (32 * 64 + 64 + 64 * 4 + 4) * 4 = 9488 B."""
    return Model(nn.Sequential(nn.LazyLinear(64), nn.GELU(), nn.LazyLinear(4)), (torch.randn(ROWS, 32),))


def lazy_convolution() -> Model:
    net = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    return Model(net, (torch.randn(2, 3, 8, 8),))


class BackwardRefused(torch.autograd.Function):
    """A function without a backward."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG004 (torch's signature)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("sign has no gradient here")


class TrunkRefuses(nn.Module):
    """Backward fails where the trunk is trained, and works where it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head = nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(BackwardRefused.apply(self.trunk(x)))


def trunk_refuses_backward() -> Model:
    """`all trainable`, `head frozen` and `biases only` fail; `trunk frozen` works: 528 B of gradients."""
    return Model(TrunkRefuses(), (torch.randn(ROWS, 32),), head="head")


class OnlyWithoutGraph(nn.Module):
    """Works under no_grad alone: it writes into a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fc.weight.clamp_(-1, 1)
        return self.fc(x)


def only_without_graph() -> Model:
    """The reference of grad_mode fails; no_grad holds its output, 16 * 4 * 4 = 256 B."""
    return Model(OnlyWithoutGraph(), (torch.randn(ROWS, 32),))


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(1000, 16, sparse=True), nn.Linear(16, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(ids).mean(1))


def refused_by_the_optimizer() -> Model:
    """Adam refuses sparse gradients; with the table frozen it has none: 68 B of gradients."""
    return Model(Sparse(), (torch.randint(0, 1000, (8, 20)),), head="head")


def frozen_already() -> Model:
    """`trunk frozen` changes nothing here: the trunk is frozen as handed over."""
    net = nn.Sequential(nn.Linear(32, 32).requires_grad_(requires_grad=False), nn.ReLU(), nn.Linear(32, 4))
    return Model(net, (torch.randn(ROWS, 32),))


def raises() -> Model:
    """The model's own error."""
    return Model(nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(31, 4)), (torch.randn(ROWS, 32),))


def no_parameters() -> Model:
    """Nothing to train, and nothing to record."""
    return Model(nn.Sequential(nn.ReLU(), nn.Flatten()), (torch.randn(ROWS, 32),))


def build() -> Model:
    """GELU's input and output: 2 * 32 * 128 * 4 = 32768 B."""
    net = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 4))
    return Model(
        net, (torch.randn(32, 64),), loss=lambda out: functional.mse_loss(out, torch.zeros_like(out))
    )


def gradients_off() -> Model:
    """A factory that turns recording off for the whole process, as files do when they are imported."""
    torch.set_grad_enabled(False)
    return build()


def inference_tensors() -> Model:
    """A factory whose input was made in inference mode, and cannot be saved for backward."""
    with torch.inference_mode():
        batch = torch.randn(32, 64)
    return Model(build().module, (batch,))
