"""Kinds of operation that multiply matrices, decompose and transform them."""

import torch
from measure.kinds import (
    Kind,
    always,
    is_complex,
    number,
    one_of,
    real,
    single_or_double,
)
from measure.layers import Bare, Tied, registered
from torch import nn

ALGEBRA = {
    "linear": Kind(
        lambda rng, x, _p: nn.Linear(
            x.shape[-1], rng.choice((3, 4, 8)), bias=rng.random() < 0.7, dtype=x.dtype
        ),
        number(),
    ),
    "bilinear": Kind(
        lambda _r, x, _p: nn.Bilinear(x.shape[-1], x.shape[-1], 3, dtype=x.dtype), real(2), operands=2
    ),
    "weight in plain containers": Kind(
        lambda _r, x, plain: (Bare if plain else registered)(4, x.shape[-1], x.dtype),
        real(),
    ),
    "tied weights": Kind(lambda _r, x, _p: Tied(x.shape[-1], x.dtype), number()),
    "matmul": Kind(always(lambda x, y: x @ y.mT), number(2), operands=2),
    "bmm": Kind(always(lambda x: torch.bmm(x, x.transpose(1, 2))), lambda x: number(3)(x) and x.dim() == 3),
    "einsum": Kind(
        one_of(
            lambda x: torch.einsum("...i,...j->...ij", x, x), lambda x: torch.einsum("...i,...i->...", x, x)
        ),
        number(),
    ),
    "outer, dot": Kind(
        one_of(
            lambda x, y: torch.outer(x.flatten(), y.flatten()[:3]),
            lambda x, y: x.flatten()[:2].dot(y.flatten()[:2]),
        ),
        number(),
        operands=2,
    ),
    "addmm, baddbmm": Kind(
        always(lambda x: torch.addmm(x, x, torch.eye(x.shape[-1], dtype=x.dtype), beta=0.5)),
        lambda x: number(2)(x) and x.dim() == 2,
    ),
    "solve, inv": Kind(
        one_of(
            lambda x: torch.linalg.inv(x.tanh() @ x.tanh().mH + torch.eye(x.shape[-2], dtype=x.dtype)),
            lambda x: torch.linalg.cholesky(
                x.tanh() @ x.tanh().mH + 9 * torch.eye(x.shape[-2], dtype=x.dtype)
            ),
            torch.linalg.svdvals,
            lambda x: torch.linalg.qr(x.mT),
            lambda x: torch.linalg.det(x.tanh() @ x.tanh().mH),
        ),
        lambda x: x.dim() >= 2 and x.dtype in {torch.float32, torch.float64, torch.complex64},
    ),
    "decompositions": Kind(
        one_of(
            lambda x: torch.linalg.eigh(x.tanh() @ x.tanh().mH)[0],
            lambda x: torch.linalg.matrix_exp(x.tanh() @ x.tanh().mH),
            lambda x: torch.linalg.slogdet(x.tanh() @ x.tanh().mH + torch.eye(x.shape[-2], dtype=x.dtype)),
            lambda x: torch.linalg.pinv(x.tanh()),
            lambda x: torch.linalg.svd(x, full_matrices=False),
            lambda x: torch.linalg.matrix_power(x @ x.mH / 9, 3),
        ),
        single_or_double(2),
    ),
    "kron, tensordot": Kind(
        one_of(
            lambda x, y: torch.kron(x[:1], y[:1]),
            lambda x, y: torch.tensordot(x, y, dims=([-1], [-1])),
            torch.linalg.vecdot,
            torch.inner,
        ),
        number(2),
        operands=2,
    ),
    "stft": Kind(
        always(
            lambda x: torch.stft(
                x.reshape(-1), 8, window=torch.hann_window(8, dtype=x.dtype), return_complex=True
            )
        ),
        single_or_double(),
    ),
    "fft": Kind(one_of(torch.fft.fft, torch.fft.rfft, torch.fft.ifft), single_or_double()),
    "ifft": Kind(
        one_of(torch.fft.ifft, lambda x: torch.fft.irfft(x, n=8), torch.fft.fft2),
        lambda x: x.is_complex() and x.dim() > 1,
    ),
    "real, imag": Kind(one_of(torch.real, torch.imag, torch.view_as_real), is_complex),
    "abs, angle, conj": Kind(
        one_of(torch.abs, torch.angle, torch.conj, lambda x: x.conj().resolve_conj()), is_complex
    ),
    "polar, complex": Kind(
        one_of(torch.complex, lambda x, y: torch.polar(x.abs(), y)), single_or_double(), operands=2
    ),
}
