"""Kinds of operation that reduce, order, cut and join."""

import torch
from measure.kinds import (
    Kind,
    always,
    anything,
    is_whole,
    number,
    one_of,
    real,
    single_or_double,
)
from torch import nn
from torch.nn import functional

REDUCTIONS = {
    "sum": Kind(one_of(lambda x: x.sum(-1), lambda x: x.sum(0, keepdim=True), torch.sum), number(2)),
    "mean": Kind(one_of(lambda x: x.mean(-1), lambda x: x.mean((0, 1))), number(2)),
    "var, std": Kind(
        one_of(lambda x: x.var(-1), lambda x: x.std(0, keepdim=True), lambda x: torch.var_mean(x, 0)), real(2)
    ),
    "norm": Kind(one_of(lambda x: x.norm(dim=-1), lambda x: torch.linalg.vector_norm(x, 1, -1)), number(2)),
    "normalize": Kind(always(lambda x: functional.normalize(x, dim=-1)), real(2)),
    "max, min": Kind(
        one_of(lambda x: x.max(-1), lambda x: x.min(0), lambda x: x.amax(-1), torch.max), real(2)
    ),
    "median, kthvalue": Kind(one_of(lambda x: x.median(-1), lambda x: x.kthvalue(1, -1)), real(2)),
    "prod, cumprod": Kind(
        one_of(lambda x: x.tanh().prod(-1), lambda x: x.tanh().cumprod(-1)), single_or_double(2)
    ),
    "cumsum, cummax": Kind(one_of(lambda x: x.cumsum(-1), lambda x: x.cummax(0)), real()),
    "topk": Kind(
        always(lambda x: x.topk(2, -1)), lambda x: x.is_floating_point() and x.dim() and x.shape[-1] > 1
    ),
    "sort": Kind(one_of(lambda x: x.sort(-1), lambda x: x.sort(0, descending=True)), real()),
    "argmax": Kind(one_of(lambda x: x.argmax(-1), lambda x: x.argsort(-1)), real(2)),
    "compare": Kind(one_of(lambda x, y: x > y, torch.isclose), real(), operands=2),
    "cdist": Kind(always(torch.cdist), single_or_double(2), operands=2),
    "scatter_reduce": Kind(
        one_of(
            lambda x: x.scatter_reduce(-1, x.argsort(-1), x, "amax"),
            lambda x: x.scatter_reduce(0, x.argsort(0), x, "mean", include_self=False),
        ),
        single_or_double(),
    ),
    "search": Kind(
        one_of(
            lambda x: torch.searchsorted(torch.linspace(-1, 1, 5, dtype=x.dtype), x.detach()),
            lambda x: torch.bucketize(x, torch.tensor([0.0, 1.0], dtype=x.dtype)),
            lambda x: torch.histc(x.detach(), 4),
            lambda x: x.nonzero(),
        ),
        single_or_double(),
        sized=True,
    ),
    "cov": Kind(
        one_of(torch.cov, torch.corrcoef, lambda x: torch.trapezoid(x, dim=-1), torch.trace),
        lambda x: x.dim() == 2 and x.dtype in {torch.float32, torch.float64},
    ),
    "logcumsumexp, diff": Kind(
        one_of(lambda x: x.logcumsumexp(-1), lambda x: x.diff(dim=0)), single_or_double(2)
    ),
    "unique": Kind(always(lambda x: x.unique(return_inverse=True)), is_whole, sized=True),
    "one_hot": Kind(always(lambda x: functional.one_hot(x.abs() % 5, 5).float()), is_whole),
    "arithmetic of whole numbers": Kind(
        one_of(lambda x: x * 2 + 1, lambda x: x // 2, lambda x: x.float()), is_whole
    ),
}

SHAPES = {
    "cat": Kind(
        one_of(lambda x, y: torch.cat((x, y, x), -1), lambda x, y: torch.cat((x, y))), anything, operands=2
    ),
    "stack": Kind(always(lambda x, y: torch.stack((x, y), 1)), anything, operands=2),
    "split": Kind(one_of(lambda x: x.split(2, -1), lambda x: x.unbind(0)), anything),
    "chunk": Kind(always(lambda x: x.chunk(2, -1)), anything),
    "transpose": Kind(
        one_of(lambda x: x.transpose(0, -1), lambda x: x.mT.contiguous()), lambda x: x.dim() > 1
    ),
    "permute": Kind(
        one_of(lambda x: x.movedim(0, -1), lambda x: x.permute(-1, *range(x.dim() - 1))), anything
    ),
    "reshape": Kind(
        one_of(torch.flatten, lambda x: x.reshape(x.shape[0], -1), lambda x: x.unsqueeze(1)), anything
    ),
    "expand": Kind(always(lambda x: x.unsqueeze(0).expand(2, *x.shape)), anything),
    "repeat": Kind(one_of(lambda x: x.repeat_interleave(2, 0), lambda x: x.tile(2)), anything),
    "slice": Kind(one_of(lambda x: x[:1], lambda x: x[..., ::2], lambda x: x[..., 0]), lambda x: x.dim() > 1),
    "flip, roll": Kind(one_of(lambda x: x.flip(0), lambda x: x.roll(1, -1)), anything),
    "tril, triu": Kind(one_of(torch.tril, torch.triu), number(2)),
    "diagonal": Kind(one_of(torch.diag_embed, lambda x: x.diagonal(dim1=0, dim2=-1)), number(2)),
    "pad": Kind(
        one_of(lambda x: functional.pad(x, (1, 1)), lambda x: functional.pad(x, (1, 0), value=1.0)), number()
    ),
    "pad by reflection": Kind(one_of(nn.ReflectionPad1d(1), nn.ReplicationPad1d(1)), real(3)),
    "gather": Kind(
        one_of(
            lambda x: x.gather(-1, x.abs().argsort(-1)),
            lambda x: x.take_along_dim(x.abs().argmax(-1, keepdim=True), -1),
        ),
        number(),
    ),
    "scatter": Kind(
        one_of(
            lambda x: torch.zeros_like(x).scatter(-1, x.abs().argsort(-1), x),
            lambda x: x.scatter_add(0, x.abs().long() % x.shape[0], x),
        ),
        number(),
    ),
    "index_select": Kind(always(lambda x: x.index_select(0, torch.tensor([0, 0]))), number()),
    "index_put": Kind(always(lambda x: x.index_add(0, torch.tensor([0]), x[:1])), number()),
    "indexing": Kind(
        one_of(lambda x: x[torch.tensor([0, 0])], lambda x: x[..., [0, -1]], lambda x: x[None]), anything
    ),
    "masked_select": Kind(always(lambda x: x[x > 0]), real(), sized=True),
    "contiguous, clone": Kind(
        one_of(torch.clone, lambda x: x.contiguous(), lambda x: x.t().contiguous() if x.dim() == 2 else x),
        anything,
    ),
    "unfold": Kind(always(lambda x: x.unfold(-1, 2, 1)), lambda x: x.dim() and x.shape[-1] > 1),
    "as_strided, narrow": Kind(
        one_of(
            lambda x: x.contiguous().as_strided((2,), (1,)),
            lambda x: x.narrow(0, 0, 1),
            lambda x: x.swapaxes(0, -1),
            lambda x: x.squeeze(),
            lambda x: x.view(-1) if x.is_contiguous() else x,
        ),
        anything,
    ),
    "join and cut": Kind(
        one_of(
            lambda x: torch.block_diag(x.flatten(1)),
            lambda x: torch.vstack((x, x)),
            lambda x: x.tensor_split(2),
            lambda x: torch.meshgrid(x.flatten()[:3], x.flatten()[:2], indexing="ij"),
            lambda x: torch.broadcast_tensors(x, x[:1]),
            lambda x: torch.rot90(x, 1, (0, 1)),
        ),
        number(2),
    ),
    "to another dtype": Kind(
        one_of(lambda x: x.float(), lambda x: x.double(), lambda x: x.bfloat16()), real()
    ),
}
