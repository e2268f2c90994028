"""Kinds of operation that write in place, or that change what autograd records and holds."""

import torch
from measure.kinds import Kind, always, constant, number, one_of, real, single_or_double
from measure.layers import (
    Autocast,
    Called,
    Checkpointed,
    Inside,
    Packed,
    Straight,
    Swish,
    Unannounced,
    region_of,
)
from torch import nn


def _hooked(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient * 2)
    return x


def _forces(x: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        return torch.autograd.grad(start.pow(3).sum(), start)[0] + x


def _offloaded(x: torch.Tensor) -> torch.Tensor:
    with torch.autograd.graph.save_on_cpu():
        return (x.sigmoid() * x).tanh()


def _with_hooks(region: nn.Module) -> nn.Module:
    """Return a region with a hook that changes its input and one that changes its output."""
    region.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 2,))
    region.register_forward_hook(lambda _module, _inputs, output: output.tanh())
    return region


def _assign(x: torch.Tensor, values: object) -> torch.Tensor:
    x[..., 0] = values
    return x


IN_PLACE = {
    "relu_": Kind(one_of(torch.relu_, nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)), real(), writes=True),
    "silu, gelu in place": Kind(
        one_of(nn.SiLU(inplace=True), nn.LeakyReLU(inplace=True), nn.ELU(inplace=True)), real(), writes=True
    ),
    "add_": Kind(one_of(lambda x: x.add_(1), lambda x: x.sub_(0.5)), number(), writes=True),
    "mul_": Kind(one_of(lambda x: x.mul_(2), lambda x: x.div_(2.0)), number(), writes=True),
    "add_ a tensor": Kind(
        one_of(lambda x, y: x.add_(y), lambda x, y: x.copy_(y)), number(), operands=2, writes=True
    ),
    "mul_ a tensor": Kind(always(lambda x, y: x.mul_(y)), number(), operands=2, writes=True),
    "clamp_": Kind(one_of(lambda x: x.clamp_(-1, 1), lambda x: x.clamp_min_(0)), real(), writes=True),
    "exp_, tanh_": Kind(one_of(torch.tanh_, torch.sigmoid_, lambda x: x.neg_().abs_()), real(), writes=True),
    "fill in place": Kind(
        one_of(lambda x: x.zero_(), lambda x: x.fill_(0.5), lambda x: x.masked_fill_(x > 0, 1.0)),
        real(),
        writes=True,
    ),
    "writing to a slice": Kind(
        one_of(lambda x: _assign(x, 1.0), lambda x: _assign(x, x[..., -1].detach().clone())),
        number(),
        writes=True,
    ),
    "index_add_": Kind(
        always(lambda x: x.index_add_(0, torch.tensor([0]), x[:1].clone())), number(), writes=True
    ),
    "dropout in place": Kind(always(nn.Dropout(0.5, inplace=True)), real(), writes=True),
    "out=": Kind(always(lambda x: torch.sin(x.detach(), out=torch.empty(0, dtype=x.dtype))), real()),
}


AUTOGRAD = {
    "constant": constant(lambda x, y: x * y, lambda x: torch.rand(x.shape[-1], dtype=x.dtype)),
    "constant mask": constant(
        lambda x, mask: x.masked_fill(mask, 0), lambda x: torch.rand(x.shape[-1]) > 0.5
    ),
    "constant in where": constant(
        lambda x, mask: torch.where(mask, x, x * x), lambda x: torch.rand(x.shape[-1]) > 0.5
    ),
    "constant matrix": constant(
        lambda x, y: x @ y, lambda x: torch.rand(x.shape[-1], x.shape[-1], dtype=x.dtype)
    ),
    "constant added": constant(lambda x, y: (x + y).tanh(), lambda x: torch.rand(x.shape[-1], dtype=x.dtype)),
    "detach": Kind(one_of(torch.detach, lambda x: x.data, lambda x: x + x.detach()), number()),
    "no_grad inside": Kind(always(Inside(torch.no_grad, lambda x: x.abs() * 2)), number()),
    "enable_grad inside": Kind(always(Inside(torch.enable_grad, lambda x: x.abs() * x)), number()),
    "straight through": Kind(one_of(Straight.apply, lambda x: x + (x.round() - x).detach()), real()),
    "own function": Kind(always(Swish.apply), real()),
    "own function that keeps on its context": Kind(always(Unannounced.apply), real(), hidden=True),
    "hooks that pack": Kind(
        one_of(Packed(torch.float16), Packed(torch.float64), Packed(torch.bfloat16)), real(), hidden=True
    ),
    "checkpoint": Kind(
        lambda rng, x, _p: Checkpointed(region_of(rng, x), keep_state=rng.random() < 0.5), real(), hidden=True
    ),
    "saved on the CPU": Kind(always(_offloaded), real(), hidden=True),
    "reentrant checkpoint": Kind(
        lambda rng, x, _p: Checkpointed(region_of(rng, x), keep_state=rng.random() < 0.5, reentrant=True),
        real(),
        hidden=True,
    ),
    "hooks of modules": Kind(lambda rng, x, _p: _with_hooks(region_of(rng, x)), real()),
    "autocast inside": Kind(
        lambda rng, x, _p: Autocast(region_of(rng, x)), lambda x: x.dtype is torch.float32 and x.dim() > 0
    ),
    "functional_call": Kind(lambda rng, x, _p: Called(region_of(rng, x)), real()),
    "vmap": Kind(
        one_of(torch.func.vmap(lambda x: x.sin() * 2), torch.func.vmap(lambda x: x.tanh().sum())),
        single_or_double(2),
    ),
    "gradient hook": Kind(always(lambda x: _hooked(x * 2)), number()),
    "gradient in the call": Kind(always(_forces), real()),
    "requires_grad_ in the call": Kind(
        always(lambda x: x.detach().clone().requires_grad_() * 2), number(), hidden=True
    ),
    "made in the call": Kind(
        one_of(
            lambda x: x * torch.arange(x.shape[-1]),
            lambda x: x + torch.tensor([0.5] * x.shape[-1], dtype=x.dtype),
            lambda x: x * torch.full_like(x, 0.5),
            lambda x: x * torch.linspace(0, 1, x.shape[-1], dtype=x.dtype),
            lambda x: x * torch.tensor(0.5),
        ),
        number(),
    ),
}
