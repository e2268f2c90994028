"""Kinds of operation that neural networks are made of: layers, regions and recurrences."""

from random import Random

import torch
from measure.kinds import Kind, Layer, always, number, one_of, real, single_or_double
from measure.layers import (
    Attention,
    Bag,
    Decoder,
    Embedded,
    Folded,
    Heads,
    PackedSequences,
    Recurrent,
    Residual,
    region_of,
)
from torch import nn
from torch.nn import functional


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
        lambda _r, x, _p: Folded(
            nn.Conv2d(x.shape[-3], x.shape[-3], 1, groups=x.shape[-3], dtype=x.dtype), 3
        ),
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
    "group_norm": Kind(lambda _r, x, _p: Folded(nn.GroupNorm(1, x.shape[-2], dtype=x.dtype), 2), real(2)),
    "rms_norm": Kind(lambda _r, x, _p: nn.RMSNorm(x.shape[-1], dtype=x.dtype), real()),
    "instance_norm": Kind(
        lambda rng, x, _p: Folded(
            nn.InstanceNorm1d(x.shape[-2], affine=rng.random() < 0.5, dtype=x.dtype), 2
        ),
        real(2),
    ),
    "local_response_norm": Kind(always(Folded(nn.LocalResponseNorm(2), 2)), real(3)),
    "parametrized": Kind(
        lambda rng, x, _p: rng.choice(
            (nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.orthogonal)
        )(nn.Linear(x.shape[-1], 4, dtype=x.dtype)),
        single_or_double(),
    ),
    "spectral_norm": Kind(
        lambda rng, x, _p: nn.utils.parametrizations.spectral_norm(
            nn.Linear(x.shape[-1], 4, dtype=x.dtype)
        ).train(rng.random() < 0.5),
        single_or_double(),
    ),
    "conv3d": Kind(
        lambda _r, x, _p: Folded(nn.Conv3d(1, 2, 2, padding=1, dtype=x.dtype), 3, channels=True),
        single_or_double(3),
    ),
    "decoder layer": Kind(lambda _r, x, _p: Folded(Decoder(x.shape[-1], x.dtype), 2), even),
    "packed sequence": Kind(
        lambda _r, x, _p: Folded(PackedSequences(x.shape[-1], x.dtype), 2), single_or_double(2)
    ),
    "embedding": Kind(lambda rng, x, _p: Embedded(rng, x.dtype), real(2)),
    "embedding_bag": Kind(
        lambda rng, x, _p: Bag(x.dtype, rng.choice(("sum", "mean", "max"))), single_or_double(2)
    ),
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
            rng.choice(
                (nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1))
            ),
            3,
        ),
        real(3),
    ),
    "interpolate": Kind(
        one_of(
            Folded(lambda image: functional.interpolate(image, scale_factor=2.0, mode="nearest"), 2),
            Folded(lambda image: functional.interpolate(image, scale_factor=2.0, mode="linear"), 2),
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
            Folded(
                lambda image: functional.pixel_unshuffle(
                    functional.pad(image, (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)), 2
                ),
                3,
            ),
        ),
        single_or_double(3),
    ),
    "grid_sample": Kind(
        always(
            Folded(
                lambda image: functional.grid_sample(
                    image,
                    functional.affine_grid(
                        torch.eye(2, 3, dtype=image.dtype).expand(len(image), 2, 3),
                        [*image.shape],
                        align_corners=False,
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
    "residual": Kind(lambda rng, x, _p: Residual(region_of(rng, x)), real()),
}
