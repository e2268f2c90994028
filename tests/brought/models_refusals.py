"""Models on which torch refuses an instrument: hooks, storages, or a pass without a graph.

float32 throughout; the values are by shape arithmetic.
"""

import warnings
from typing import Self

import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, stack_module_state, vmap
from torch.nn import functional
from torch.utils._pytree import tree_map

from harness import Model


class Hamiltonian(nn.Module):
    """The gradient of an energy by torch.func, a row at a time: refuses saved-tensor hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return vmap(grad(lambda one: self.net(one).squeeze(-1)))(x)


def hamiltonian() -> Model:
    return Model(Hamiltonian(), (torch.randn(16, 4),))


class Jacobian(nn.Module):
    """The Jacobian of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return vmap(jacrev(self.net))(x)


def jacobian() -> Model:
    return Model(Jacobian(), (torch.randn(16, 4),))


class Tangent(nn.Module):
    """A directional derivative by forward mode, in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 4))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        out, tangent = torch.func.jvp(self.net, (x,), (torch.ones_like(x),))
        return {"out": out, "tangent": tangent}


def tangent() -> Model:
    return Model(Tangent(), (torch.randn(16, 4),))


class Inner(nn.Module):
    """One step of gradient descent on a functional copy, as in meta-learning."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parameters = dict(self.net.named_parameters())
        slopes = grad(lambda p: functional_call(self.net, p, (x,)).square().mean())(parameters)
        return functional_call(self.net, {k: p - 0.1 * slopes[k] for k, p in parameters.items()}, (x,))


def meta_step() -> Model:
    return Model(Inner(), (torch.randn(16, 8),))


class Ensemble(nn.Module):
    """vmap alone over stacked parameters: no transform of gradients, so that hooks are allowed."""

    def __init__(self) -> None:
        super().__init__()
        nets = [nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 8)) for _ in range(5)]
        parameters, _ = stack_module_state(nets)
        self.names = list(parameters)
        self.stacked = nn.ParameterList(parameters[name] for name in self.names)
        self.base = [nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 8)).to("meta")]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def one(parameters: dict[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
            return functional_call(self.base[0], parameters, (rows,))

        return vmap(one, (0, None))(dict(zip(self.names, self.stacked, strict=True)), x)


def ensemble() -> Model:
    """GELU's inputs and outputs of five nets: 2 * 5 * 16 * 64 * 4 = 40960 B."""
    return Model(Ensemble(), (torch.randn(16, 32),))


class Forces(nn.Module):
    """Energy and forces of positions: differentiates inside forward."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        positions = positions.detach().requires_grad_()
        energy = self.net(positions).sum()
        (slope,) = torch.autograd.grad(energy, positions, create_graph=True)
        return {"forces": -slope, "energy": energy}


def forces() -> Model:
    return Model(Forces(), (torch.randn(50, 3),))


class Adapts(nn.Module):
    """Takes a step of its own in forward, with `backward`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start = torch.zeros_like(x).requires_grad_()
        (self.net(start) - x).square().mean().backward(inputs=[start])
        return self.net(start - start.grad)


def adapts() -> Model:
    return Model(Adapts(), (torch.randn(16, 8),))


# TorchScript, which refuses module hooks. GELU's input and output: 2 * 16 * 128 * 4 = 16384 B.


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 4))


def traced() -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Model(torch.jit.trace(_net(), torch.randn(16, 64)), (torch.randn(16, 64),))


def scripted() -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Model(torch.jit.script(_net()), (torch.randn(16, 64),))


def scripted_inside() -> Model:
    """A scripted layer in a model of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.Linear(64, 64), torch.jit.script(_net()))
    return Model(net, (torch.randn(16, 64),))


# Jagged nested tensors: 7 + 3 + 12 = 22 rows.


class Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(32, 64), nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(functional.gelu(self.fc(x)))


def jagged() -> Model:
    """GELU's input and output: 2 * 22 * 64 * 4 = 11264 B."""
    rows = [torch.randn(length, 32) for length in (7, 3, 12)]
    return Model(Rows(), (torch.nested.nested_tensor(rows, layout=torch.jagged),))


class MakesRows(Rows):
    """Makes the nested tensor itself, and returns a plain one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        offsets = torch.tensor([0, 7, 10, 22])
        return super().forward(torch.nested.nested_tensor_from_jagged(x, offsets)).values()


def jagged_inside() -> Model:
    """The same 11264 B."""
    return Model(MakesRows(), (torch.randn(22, 32),))


# Sparse tensors.


class Words(nn.Module):
    """A table with sparse gradients: 8 * 20 rows are looked up, of 16 features."""

    def __init__(self, *, bag: bool) -> None:
        super().__init__()
        self.bag = bag
        self.table = (
            nn.EmbeddingBag(10_000, 16, mode="sum", sparse=True)
            if bag
            else nn.Embedding(10_000, 16, sparse=True)
        )
        self.head = nn.Linear(16, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found = self.table(ids)
        return self.head(found if self.bag else found.mean(1))


def sparse_words() -> Model:
    """Gradients: 160 rows, values 160 * 16 * 4 = 10240 B, indices 160 * 8 = 1280 B, and the head's 68 B."""
    return Model(Words(bag=False), (torch.randint(0, 10_000, (8, 20)),))


def sparse_bag() -> Model:
    return Model(Words(bag=True), (torch.randint(0, 10_000, (8, 20)),))


class Convolves(nn.Module):
    """A graph convolution over a sparse matrix of 16 nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 32), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sparse.mm(edges, torch.relu(self.first(x))))


def sparse_coo_input() -> Model:
    """ReLU 16 * 32 * 4 and the product, for the last layer: 2 * 2048 = 4096 B; the matrix was there."""
    edges = (torch.eye(16) + torch.eye(16).roll(1, 0)).to_sparse().coalesce()
    return Model(Convolves(), (torch.randn(16, 8), edges))


class FromBuffer(Convolves):
    """The same with the matrix as a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("edges", torch.eye(16).to_sparse().coalesce())

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, self.edges)


def sparse_buffer() -> Model:
    return Model(FromBuffer(), (torch.randn(16, 8),))


# A tensor subclass that wraps another.


class Wrapped(torch.Tensor):
    """A tensor around another, with no memory of its own."""

    @staticmethod
    def __new__(cls: type[Self], inner: torch.Tensor) -> Self:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=inner.device, requires_grad=inner.requires_grad
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN206
        bare = tree_map(
            lambda value: value.inner if isinstance(value, Wrapped) else value, (args, kwargs or {})
        )
        out = func(*bare[0], **bare[1])
        return tree_map(lambda value: Wrapped(value) if isinstance(value, torch.Tensor) else value, out)


def wrapped_input() -> Model:
    """GELU's input and output, behind wrappers: 2 * 16 * 128 * 4 = 16384 B where it can be known."""
    return Model(_net(), (Wrapped(torch.randn(16, 64)),))


def meta_weights() -> Model:
    """A model on the meta device, which has no memory."""
    return Model(_net().to("meta"), (torch.randn(16, 64, device="meta"),))
