"""Kinds of operation that work element by element, and losses."""

import torch
from measure.kinds import (
    Kind,
    always,
    amounts,
    number,
    one_of,
    real,
    single_or_double,
)
from torch import nn
from torch.nn import functional

POINTWISE = {
    "relu": Kind(one_of(nn.ReLU(), torch.relu), real()),
    "gelu": Kind(lambda rng, _x, _p: nn.GELU(rng.choice(("none", "tanh"))), real()),
    "silu, mish": Kind(one_of(nn.SiLU(), nn.Mish()), real()),
    "elu, selu, celu": Kind(one_of(nn.ELU(), nn.SELU(), nn.CELU()), real()),
    "leaky_relu, rrelu": Kind(one_of(nn.LeakyReLU(), nn.RReLU()), real()),
    "prelu": Kind(lambda _r, x, _p: nn.PReLU(dtype=x.dtype), real(2)),
    "hard activations": Kind(one_of(nn.Hardtanh(), nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU6()), real()),
    "soft activations": Kind(one_of(nn.Softplus(), nn.Softsign(), nn.LogSigmoid(), nn.Tanhshrink()), real()),
    "tanh": Kind(one_of(torch.tanh, nn.Tanh()), number()),
    "sigmoid": Kind(one_of(torch.sigmoid, nn.Sigmoid()), number()),
    "glu": Kind(lambda _r, _x, _p: nn.GLU(), lambda x: real()(x) and x.shape[-1] % 2 == 0),
    "exp": Kind(always(lambda x: (-x.abs()).exp()), number()),
    "sqrt, rsqrt": Kind(one_of(lambda x: (x.abs() + 1).sqrt(), lambda x: (x.abs() + 1).rsqrt()), number()),
    "log1p": Kind(always(lambda x: x.abs().log1p()), number()),
    "sin, cos": Kind(one_of(torch.sin, torch.cos), number()),
    "erf, expm1": Kind(one_of(torch.erf, lambda x: (-x.abs()).expm1()), real()),
    "atan2": Kind(always(torch.atan2), real(), operands=2),
    "pow": amounts(lambda x, amount: x.abs().add(1).pow(amount), 2, 3, 0.5, -1),
    "number to a power": amounts(lambda x, amount: amount ** x.tanh(), 2, 3.5),
    "mul by a number": amounts(lambda x, amount: x * amount, 2, 0.5, -1.5, 2j),
    "div by a number": amounts(lambda x, amount: x / amount, 2, 4.0, 1 + 1j),
    "number over": amounts(lambda x, amount: amount / (x.abs() + 1), 1, 3.0),
    "add, sub a number": amounts(lambda x, amount: amount - (x + amount), 1, 0.25),
    "clamp": Kind(
        one_of(lambda x: x.clamp(-1, 1), lambda x: x.clamp(min=0), lambda x: x.clip(max=0.5)), real()
    ),
    "remainder": Kind(one_of(lambda x: x % 3, lambda x: torch.fmod(x, 2.0)), real()),
    "abs, sign": Kind(one_of(torch.abs, torch.sgn), number()),
    "lerp": Kind(always(lambda x, y: torch.lerp(x, y, 0.3)), number(), operands=2),
    "softmax": Kind(one_of(nn.Softmax(-1), nn.LogSoftmax(0), nn.Softmin(-1)), real()),
    "logsumexp": Kind(always(lambda x: x.logsumexp(-1)), real(2)),
    "dropout": Kind(one_of(nn.Dropout(0.4), nn.AlphaDropout(0.2), nn.Dropout(0.0)), real()),
    "dropout of channels": Kind(one_of(nn.Dropout1d(0.5), nn.FeatureAlphaDropout(0.5)), real(3)),
    "noise": Kind(always(lambda x: x * torch.rand_like(x) + torch.randn(x.shape[-1], dtype=x.dtype)), real()),
    "where": Kind(
        one_of(
            lambda x, y: torch.where(x > y, x, y),
            lambda x, y: torch.where(x > 0, y, 0.5),
            lambda x, y: torch.where(y > 0, x, torch.zeros((), dtype=x.dtype)),
        ),
        real(),
        operands=2,
    ),
    "masked_fill": Kind(
        one_of(lambda x: x.masked_fill(x > 0, 0.0), lambda x: x.masked_fill(x < 0, -1)), real()
    ),
    "maximum, minimum": Kind(one_of(torch.maximum, torch.minimum, torch.fmax), real(), operands=2),
    "add": Kind(one_of(torch.add, lambda x, y: torch.add(x, y, alpha=2), torch.sub), number(), operands=2),
    "mul": Kind(one_of(torch.mul, lambda x, y: x * y * x), number(), operands=2),
    "div": Kind(always(lambda x, y: x / (y.abs() + 1)), number(), operands=2),
    "addcmul, addcdiv": Kind(
        one_of(lambda x, y: torch.addcmul(x, y, y, value=0.5), lambda x, y: torch.addcdiv(x, y, y.abs() + 1)),
        number(),
        operands=2,
    ),
    "special functions": Kind(
        one_of(
            torch.lgamma,
            torch.special.i0e,
            torch.special.erfcx,
            lambda x: torch.special.logit(x.sigmoid(), eps=1e-3),
            lambda x: torch.xlogy(x, x.abs() + 1),
            lambda x: torch.nan_to_num(x, nan=0.0),
            lambda x: torch.special.entr(x.sigmoid()),
        ),
        single_or_double(),
    ),
    "inverse and hyperbolic": Kind(
        one_of(torch.atan, torch.asinh, lambda x: x.tanh().asin(), lambda x: x.tanh().cosh()), number()
    ),
    "hypot, logaddexp": Kind(
        one_of(torch.hypot, torch.logaddexp, torch.copysign), single_or_double(), operands=2
    ),
    "bits": Kind(one_of(torch.logical_not, lambda x: x.bool() & (x > 0), lambda x: ~(x > 0)), real()),
    "gumbel_softmax": Kind(
        one_of(functional.gumbel_softmax, lambda x: functional.gumbel_softmax(x, hard=True)),
        real(),
    ),
    "sampling": Kind(
        one_of(
            lambda x: torch.distributions.Normal(x, x.abs() + 1).rsample(),
            lambda x: torch.bernoulli(x.sigmoid()),
            lambda x: torch.distributions.Categorical(logits=x).sample(),
            lambda x: torch.distributions.Normal(x, 1.0).log_prob(x.detach()),
        ),
        single_or_double(),
    ),
    "a number read": Kind(
        one_of(lambda x: x * x.flatten()[0].real.item(), lambda x: x + len(x.tolist())), number()
    ),
    "losses with targets": Kind(
        one_of(
            lambda x: functional.nll_loss(x.log_softmax(-1), x.argmax(-1)),
            lambda x: functional.multi_margin_loss(x, x.argmax(-1)),
            lambda x: functional.triplet_margin_loss(x, x.flip(0), x.roll(1, -1)),
            lambda x: functional.gaussian_nll_loss(x, x.detach() + 1, x.abs() + 1),
            lambda x: functional.cosine_embedding_loss(x, x.flip(0), torch.ones(len(x), dtype=x.dtype)),
            lambda x: functional.margin_ranking_loss(x, x.flip(0), torch.ones_like(x)),
            lambda x: functional.poisson_nll_loss(x, x.abs().detach()),
        ),
        lambda x: x.dim() == 2 and x.dtype in {torch.float32, torch.float64},
    ),
    "losses": Kind(
        one_of(
            nn.MSELoss(),
            nn.L1Loss(),
            nn.SmoothL1Loss(),
            nn.HuberLoss(reduction="none"),
            lambda x, y: functional.cosine_similarity(x, y, dim=-1),
            lambda x, y: functional.binary_cross_entropy_with_logits(x, y.sigmoid()),
            lambda x, y: functional.kl_div(x.log_softmax(-1), y.softmax(-1), reduction="batchmean"),
        ),
        single_or_double(2),
        operands=2,
    ),
    "cross_entropy": Kind(
        one_of(
            lambda x: functional.cross_entropy(x, x.argmax(1)),
            lambda x: functional.cross_entropy(x, x.argmin(1), label_smoothing=0.1, reduction="none"),
        ),
        single_or_double(2),
    ),
}
