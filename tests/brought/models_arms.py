"""Hand-written models of blocks, adapters and biases, of which the arms must be what their names say.

Shapes: 16 rows, 64 features, float32: one activation has 4096 B.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from harness import Model

ROWS, WIDTH, DEPTH = 16, 64, 4


class Block(nn.Module):
    """A linear layer and tanh, whose output is the one activation that is held: 4096 B a block."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(x))


class Stack(nn.Module):
    """Blocks in a ModuleList, whose own forward is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


# With the loss, which holds the prediction of 16 * 4 * 4 = 256 B, a pass over all of them saves
# DEPTH * 4096 + 256 B with everything trainable, and with the trunk under no_grad the head's input and the
# prediction alone: 4096 + 256 B, of which the input is there with and without the graph of the head.


def module_list() -> Model:
    """All: 16384 + 256 = 16640 B; trunk under no_grad: 4096 + 256 = 4352 B."""
    return Model(Stack(), (torch.randn(ROWS, WIDTH),))


class StackByName(nn.Module):
    """The same in a ModuleDict."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({f"block{place}": Block() for place in range(DEPTH)})
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks.values():
            x = block(x)
        return self.head(x)


def module_dict() -> Model:
    return Model(StackByName(), (torch.randn(ROWS, WIDTH),))


class Group(nn.Module):
    """A list of lists, and parameters that no submodule's forward reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleList(Block() for _ in range(2)) for _ in range(DEPTH // 2))
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(WIDTH, WIDTH) / 8) for _ in range(1))
        self.head = nn.Linear(WIDTH, 4)

    def _blocks(self) -> Iterator[nn.Module]:
        for stage in self.stages:
            yield from stage  # type: ignore[misc]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self._blocks():
            x = block(x)
        return self.head(torch.tanh(functional.linear(x, self.weights[0])))


def nested_lists() -> Model:
    """One activation more than `module_list`: 20480 + 256 B; trunk under no_grad as there, or refused."""
    return Model(Group(), (torch.randn(ROWS, WIDTH),), head="head")


class Bypassed(nn.Module):
    """Uses its submodules' weights without calling them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(functional.linear(x, self.body.weight, self.body.bias)))


def bypassed() -> Model:
    """tanh, 4096 B, and 256 B; under no_grad the same bytes with nothing of the trunk trained, or refused."""
    return Model(Bypassed(), (torch.randn(ROWS, WIDTH),))


class Method(nn.Module):
    """A backbone that is used by a method other than forward."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Stack()
        self.backbone.head = nn.Identity()
        self.head = nn.Linear(WIDTH, 4)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.backbone.blocks:
            x = block(x)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def backbone_by_method() -> Model:
    """The same bytes as `module_list`."""
    return Model(Method(), (torch.randn(ROWS, WIDTH),))


class LoraLinear(nn.Module):
    """A linear layer of rank-4 adapters."""

    def __init__(self, rank: int = 4) -> None:
        super().__init__()
        self.base = nn.Linear(WIDTH, WIDTH)
        self.lora_a = nn.Parameter(torch.randn(rank, WIDTH) / 8)
        self.lora_b = nn.Parameter(torch.randn(WIDTH, rank) / 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + (x @ self.lora_a.T) @ self.lora_b.T


class Adapted(nn.Module):
    """Four blocks with adapters, and a head."""

    def __init__(self, *, freeze: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(LoraLinear() for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, 4)
        if freeze:
            for block in self.blocks:
                block.base.requires_grad_(requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.head(x)


def adapters() -> Model:
    """Adapters: DEPTH * 2 * 4 * 64 * 4 = 8192 B of gradients.

    Base: DEPTH * (64 * 64 + 64) * 4 = 66560 B; head (64 * 4 + 4) * 4 = 1040 B; all together 75792 B.
    """
    return Model(Adapted(freeze=False), (torch.randn(ROWS, WIDTH),))


def adapters_on_a_frozen_base() -> Model:
    """As handed over adapters and head train: 8192 + 1040 = 9232 B of gradients."""
    return Model(Adapted(freeze=True), (torch.randn(ROWS, WIDTH),))


class Scaled(nn.Module):
    """Parameters called bias that are none of a layer's own: relative positions, a module named so."""

    def __init__(self) -> None:
        super().__init__()
        self.bias_net = nn.Linear(WIDTH, WIDTH, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(WIDTH))
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.bias_net(x) + self.q_bias))


def biases() -> Model:
    """q_bias and the head's bias: (64 + 4) * 4 = 272 B; the weight of `bias_net` is no bias."""
    return Model(Scaled(), (torch.randn(ROWS, WIDTH),))


def without_biases() -> Model:
    """There is no bias to train."""
    net = nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False), nn.Tanh(), nn.Linear(WIDTH, 4, bias=False))
    return Model(net, (torch.randn(ROWS, WIDTH),))


class Tied(nn.Module):
    """Input and output embeddings are one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, WIDTH)
        self.block = Block()
        self.head = nn.Linear(WIDTH, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.embed(ids)))


def tied() -> Model:
    """The head is the embedding too: 50 * 64 * 4 = 12800 B; all but it are (64 * 64 + 64) * 4 = 16640 B."""
    return Model(Tied(), (torch.randint(0, 50, (ROWS,)),))
