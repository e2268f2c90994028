"""Kinds of operation that neural networks are made of, that write in place, or that change how autograd records."""

from random import Random

import torch
from measure.kinds import Kind, Layer, always, constant, number, one_of, real, single_or_double
from measure.layers import (
    Attention,
    Bag,
    Checkpointed,
    Embedded,
    Folded,
    Heads,
    Inside,
    Packed,
    Recurrent,
    Residual,
    Straight,
    Swish,
    Unannounced,
)
from torch import nn
from torch.nn import functional


def _region(rng: Random, x: torch.Tensor) -> nn.Module:
    width = x.shape[-1]
    middle = rng.choice((nn.GELU(), nn.ReLU(inplace=True), nn.Tanh(), nn.LayerNorm(5, dtype=x.dtype)))
    return nn.Sequential(nn.Linear(width, 5, dtype=x.dtype), middle, nn.Linear(5, width, dtype=x.dtype))


def _recurrent(rng: Random, x: torch.Tensor, _plain: bool) -> Layer:  # noqa: FBT001 - a column of the table
    layer = rng.choice((nn.GRU, nn.LSTM, nn.RNN))
    return Recurrent(
        layer(x.shape[-1], 3, num_layers=rng.choice((1, 2)), batch_first=rng.random() < 0.5, dtype=x.dtype)
    )


def _encoder(rng: Random, x: torch.Tensor, _plain: bool) -> Layer:  # noqa: FBT001 - a column of the table
    return Recurrent(
        nn.TransformerEncoderLayer(
            x.shape[-1], 2, 8, batch_first=True, norm_first=rng.random() < 0.5, dtype=x.dtype
        )
    )


def even(x: torch.Tensor) -> bool:
    """Tell whether two heads can share a sequence."""
    return x.is_floating_point() and x.dim() > 1 and x.shape[-1] % 2 == 0


NETWORKS = {
    "conv1d": Kind(
        lambda rng, x, _p: Folded(
            nn.Conv1d(x.shape[-2], 4, 3, padding=1, stride=rng.choice((1, 2)), dtype=x.dtype), 2
        ),
        number(2),
    ),
    "conv2d": Kind(
        lambda rng, x, _p: Folded(
            nn.Conv2d(x.shape[-3], 4, 3, padding=1, bias=rng.random() < 0.5, dtype=x.dtype), 3
        ),
        number(3),
    ),
    "conv2d by channel": Kind(
        lambda _r, x, _p: Folded(nn.Conv2d(x.shape[-3], x.shape[-3], 1, groups=x.shape[-3], dtype=x.dtype), 3),
        real(3),
    ),
    "conv_transpose": Kind(
        lambda _r, x, _p: Folded(nn.ConvTranspose1d(x.shape[-2], 3, 2, stride=2, dtype=x.dtype), 2), real(2)
    ),
    "batch_norm": Kind(
        lambda rng, x, _p: Folded(
            nn.BatchNorm1d(x.shape[-2], affine=rng.random() < 0.7, dtype=x.dtype).train(rng.random() < 0.6), 2
        ),
        real(3),
    ),
    "layer_norm": Kind(
        lambda rng, x, _p: nn.LayerNorm(
            x.shape[-1], elementwise_affine=rng.random() < 0.7, bias=rng.random() < 0.5, dtype=x.dtype
        ),
        real(),
    ),
    "group_norm": Kind(
        lambda _r, x, _p: Folded(nn.GroupNorm(1, x.shape[-2], dtype=x.dtype), 2), real(2)
    ),
    "rms_norm": Kind(lambda _r, x, _p: nn.RMSNorm(x.shape[-1], dtype=x.dtype), real()),
    "instance_norm": Kind(
        lambda rng, x, _p: Folded(nn.InstanceNorm1d(x.shape[-2], affine=rng.random() < 0.5, dtype=x.dtype), 2),
        real(2),
    ),
    "local_response_norm": Kind(always(Folded(nn.LocalResponseNorm(2), 2)), real(3)),
    "parametrized": Kind(
        lambda rng, x, _p: rng.choice(
            (nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.orthogonal)
        )(nn.Linear(x.shape[-1], 4, dtype=x.dtype)),
        single_or_double(),
    ),
    "embedding": Kind(lambda rng, x, _p: Embedded(rng, x.dtype), real(2)),
    "embedding_bag": Kind(lambda rng, x, _p: Bag(x.dtype, rng.choice(("sum", "mean", "max"))), single_or_double(2)),
    "pool1d": Kind(
        lambda rng, _x, _p: Folded(
            rng.choice(
                (
                    nn.MaxPool1d(2),
                    nn.AvgPool1d(2),
                    nn.AdaptiveAvgPool1d(2),
                    nn.AdaptiveMaxPool1d(2),
                    nn.LPPool1d(2, 2),
                    nn.MaxPool1d(2, return_indices=True),
                )
            ),
            2,
        ),
        real(2),
    ),
    "pool2d": Kind(
        lambda rng, _x, _p: Folded(
            rng.choice((nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1))),
            3,
        ),
        real(3),
    ),
    "interpolate": Kind(
        lambda rng, _x, _p: Folded(
            lambda image, mode=rng.choice(("nearest", "linear")): functional.interpolate(
                image, scale_factor=2.0, mode=mode
            ),
            2,
        ),
        real(2),
    ),
    "bilinear interpolation": Kind(
        one_of(
            Folded(lambda image: functional.interpolate(image, size=(3, 5), mode="bilinear"), 3),
            Folded(lambda image: functional.interpolate(image, size=(3, 5), mode="bicubic"), 3),
        ),
        real(3),
    ),
    "pixel_shuffle, fold": Kind(
        one_of(
            Folded(lambda image: functional.unfold(image, 2, padding=1), 3),
            Folded(lambda image: functional.channel_shuffle(image, image.shape[1]), 3),
            Folded(lambda image: functional.pixel_unshuffle(functional.pad(image, (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)), 2), 3),
        ),
        single_or_double(3),
    ),
    "grid_sample": Kind(
        always(
            Folded(
                lambda image: functional.grid_sample(
                    image,
                    functional.affine_grid(
                        torch.eye(2, 3, dtype=image.dtype).expand(len(image), 2, 3), [*image.shape], align_corners=False
                    ),
                    align_corners=False,
                ),
                3,
            )
        ),
        single_or_double(3),
    ),
    "channels_last": Kind(
        lambda _r, x, _p: Folded(
            nn.Sequential(nn.Conv2d(x.shape[-3], 4, 1, dtype=x.dtype), nn.ReLU()).to(
                memory_format=torch.channels_last
            ),
            3,
        ),
        real(3),
    ),
    "attention": Kind(lambda rng, x, _p: Attention(x.shape[-1], x.dtype, weights=rng.random() < 0.5), even),
    "fused attention": Kind(
        lambda rng, _x, _p: Heads(causal=rng.random() < 0.5, masked=rng.random() < 0.5), real(2)
    ),
    "recurrent": Kind(_recurrent, single_or_double(2)),
    "transformer layer": Kind(_encoder, even),
    "residual": Kind(
        lambda rng, x, _p: Residual(_region(rng, x)), real()
    ),
}

IN_PLACE = {
    "relu_": Kind(one_of(torch.relu_, nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)), real(), writes=True),
    "silu, gelu in place": Kind(
        one_of(nn.SiLU(inplace=True), nn.LeakyReLU(inplace=True), nn.ELU(inplace=True)), real(), writes=True
    ),
    "add_": Kind(one_of(lambda x: x.add_(1), lambda x: x.sub_(0.5)), number(), writes=True),
    "mul_": Kind(one_of(lambda x: x.mul_(2), lambda x: x.div_(2.0)), number(), writes=True),
    "add_ a tensor": Kind(one_of(lambda x, y: x.add_(y), lambda x, y: x.copy_(y)), number(), operands=2, writes=True),
    "mul_ a tensor": Kind(always(lambda x, y: x.mul_(y)), number(), operands=2, writes=True),
    "clamp_": Kind(one_of(lambda x: x.clamp_(-1, 1), lambda x: x.clamp_min_(0)), real(), writes=True),
    "exp_, tanh_": Kind(one_of(torch.tanh_, torch.sigmoid_, lambda x: x.neg_().abs_()), real(), writes=True),
    "fill in place": Kind(
        one_of(lambda x: x.zero_(), lambda x: x.fill_(0.5), lambda x: x.masked_fill_(x > 0, 1.0)), real(), writes=True
    ),
    "writing to a slice": Kind(
        one_of(lambda x: _assign(x, 1.0), lambda x: _assign(x, x[..., -1].detach().clone())), number(), writes=True
    ),
    "index_add_": Kind(
        always(lambda x: x.index_add_(0, torch.tensor([0]), x[:1].clone())), number(), writes=True
    ),
    "dropout in place": Kind(always(nn.Dropout(0.5, inplace=True)), real(), writes=True),
    "out=": Kind(
        always(lambda x: torch.sin(x.detach(), out=torch.empty(0, dtype=x.dtype))), real()
    ),
}


def _assign(x: torch.Tensor, values: object) -> torch.Tensor:
    x[..., 0] = values
    return x


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
        lambda rng, x, _p: Checkpointed(_region(rng, x), keep_state=rng.random() < 0.5), real(), hidden=True
    ),
    "gradient hook": Kind(always(lambda x: _hooked(x * 2)), number()),
    "gradient in the call": Kind(always(lambda x: _forces(x)), real()),
    "requires_grad_ in the call": Kind(always(lambda x: x.detach().clone().requires_grad_() * 2), number(), hidden=True),
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


def _hooked(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient * 2)
    return x


def _forces(x: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        return torch.autograd.grad(start.pow(3).sum(), start)[0] + x
