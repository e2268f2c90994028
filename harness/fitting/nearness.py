"""How far tensors of two runs are from each other, and whether rounding explains it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

# Relative to the largest number of the tensor itself, and of what may cancel, where that is larger, to the
# largest of all: what is left, such as the gradient of an attention's key bias, is rounding of larger ones.
_OWN = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
_ALL = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.02}
_TF32 = 1e-3  # of either, on a device that may multiply float32 with 10 bits of a significand
_OF_THE_WAY = 0.1  # that weights went, on average
_COMPLEX = {torch.complex64: torch.float32, torch.complex128: torch.float64}


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """The difference of two runs: the larger, the further beyond rounding.

    Attributes:
        beyond: times what rounding explains.
        relative: to the largest number that it is held against.
        name: of the tensor.
    """

    beyond: float = 0.0
    relative: float = 0.0
    name: str = ""

    @property
    def is_rounding(self) -> bool:
        """Whether rounding explains it."""
        return self.beyond <= 1


def largest_difference(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], *, cancel: bool = False
) -> Difference:
    """Return the difference of the tensor that is furthest beyond rounding.

    Args:
        before: by name.
        after: by name; one that is there on one side alone is beyond all rounding.
        cancel: numbers may be what is left of larger ones in other tensors, as gradients may.

    >>> largest_difference({"a": torch.ones(1)}, {"a": torch.full((1,), 1.25)}).relative
    0.25
    >>> largest_difference({"a": torch.tensor([7])}, {"a": torch.tensor([8])}).is_rounding
    False
    """
    missing = sorted(before.keys() ^ after.keys())
    if missing:
        return Difference(float("inf"), float("inf"), missing[0])
    sizes = {name: _largest(tensor) for name, tensor in before.items()}
    inexact = (size for name, size in sizes.items() if not _is_exact(before[name]))
    whole = max(inexact, default=0.0) if cancel else 0.0
    return max(
        (_difference(name, before[name], after[name], sizes[name], whole) for name in before),
        default=Difference(),
    )


def drift(
    start: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> Difference:
    """Return how far weights that began alike are apart, held against how far they went.

    An optimizer such as Adam makes a whole step of a gradient that is rounding alone, as that of a bias
    before a normalisation is, so that a few weights may be apart by as much as they went. Of 16 bits, a step
    may be lost or not; their largest difference counts.

    >>> weights = torch.arange(100.0)
    >>> moved = weights + 0.1
    >>> drift({"a": weights}, {"a": moved}, {"a": torch.cat([moved[:1] - 0.1, moved[1:]])}).is_rounding
    True
    >>> drift({"a": weights}, {"a": moved}, {"a": moved + 0.1}).is_rounding
    False
    """
    coarse = {name for name, tensor in before.items() if tensor.dtype in {torch.bfloat16, torch.float16}}
    worst = largest_difference(*({name: one[name] for name in coarse} for one in (before, after)))
    rest = sorted(before.keys() - coarse)
    whole = max((_largest(before[name]) for name in rest if not _is_exact(before[name])), default=0.0)
    apart = gone = 0.0
    for name in rest:
        one, other, first = (_dense(each[name]) for each in (before, after, start))
        if not torch.equal(one.isfinite(), other.isfinite()):
            return Difference(float("inf"), float("inf"), name)
        apart += float((one - other).nan_to_num().abs().sum())
        gone += float((one - first).nan_to_num().abs().sum())
        here = _difference(name, before[name], after[name], whole, whole)
        if here.relative > worst.relative:
            worst = Difference(worst.beyond, here.relative, name)
    share = apart / gone / _OF_THE_WAY if gone else (float("inf") if apart else 0.0)
    return Difference(max(worst.beyond, share), worst.relative, worst.name)


def _difference(name: str, before: torch.Tensor, after: torch.Tensor, own: float, whole: float) -> Difference:
    if before.shape != after.shape or before.dtype != after.dtype:
        return Difference(float("inf"), float("inf"), name)
    one, other = (_dense(tensor) for tensor in (before, after))
    if torch.equal(one, other) or not before.numel():
        return Difference(0.0, 0.0, name)
    apart = (one != other) & ~(one.isnan() & other.isnan())  # NaN, and infinities, are no distance
    distance = float((one - other)[apart].abs().max()) if bool(apart.any()) else 0.0
    if math.isnan(distance):  # on one side alone
        return Difference(float("inf"), float("inf"), name)
    dtype = _COMPLEX.get(before.dtype, before.dtype)
    if dtype == torch.float32 and before.device.type != "cpu":
        allowed = _TF32 * max(own, whole)
    else:
        allowed = max(_OWN.get(dtype, 0.0) * own, _ALL.get(dtype, 0.0) * whole)
    relative = distance / own if own else distance
    return Difference(distance / allowed if allowed else (float("inf") if distance else 0.0), relative, name)


def _is_exact(tensor: torch.Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    return plain.to(torch.complex128 if plain.is_complex() else torch.float64)


def _largest(tensor: torch.Tensor) -> float:
    if not tensor.numel():
        return 0.0
    sizes = _dense(tensor).abs()
    return float(sizes[sizes.isfinite()].max()) if bool(sizes.isfinite().any()) else 0.0
