"""Architectures of timm: a few of every file, the smallest by their names, on small images."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from bench.atlas.candidates import Candidate

_OF_A_FILE = 3
_BATCH = 2
_SIDE = 64
_DEPTH = 2
# What names say of size, the smallest first; a name that says nothing stands in the middle.
_SIZES = (
    "test", "atto", "femto", "pico", "zepto", "xxt", "nano", "xxs", "xx_small", "x_tiny", "xs", "tiny",
    "mini", "small", "s0", "", "medium", "base", "large", "xl", "huge", "giant", "gigantic", "enormous",
)  # fmt: skip
_MIDDLE = _SIZES.index("")


def names() -> tuple[str, ...]:
    """Return a few names of every file of timm's, the smallest models of each.

    Raises:
        ImportError: timm is not installed, or what it needs is not.
    """
    import timm

    listed = []
    for file in timm.list_modules():
        by_size = sorted(timm.list_models(module=file), key=smallness)
        listed += [name for name in by_size if smallness(name)[0] <= _MIDDLE][:_OF_A_FILE] or by_size[:1]
    return tuple(dict.fromkeys(listed))


def smallness(name: str) -> tuple[int, int, str]:
    """Return what sorts names by the size that they tell: words first, then the numbers in them."""
    rank = next((place for place, word in enumerate(_SIZES) if word and word in name), _SIZES.index(""))
    number = int(next(iter(re.findall(r"\d+", name)), "0"))
    return rank, number, name


def candidates(name: str) -> Iterator[Candidate]:
    """Yield an architecture on small images, and on those of the size that it was made for."""
    import timm

    usual = timm.get_pretrained_cfg(name, allow_unregistered=True)
    size = usual.input_size if usual is not None else (3, 224, 224)
    sides = [_SIDE] if usual is None or not usual.fixed_input_size else []
    for side in sides:
        yield _candidate(name, {"img_size": side}, (size[0], side, side))
    yield _candidate(name, {}, size)
    yield _candidate(name, {"depth": _DEPTH}, size)  # transformers too large at their own depth


def _build(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Build an architecture with options, or without them where it has none of these names."""
    import timm

    try:
        module: nn.Module = timm.create_model(name, pretrained=False, **options)
    except TypeError:
        module = timm.create_model(name, pretrained=False)
    return module


def _candidate(name: str, options: Mapping[str, Any], size: tuple[int, ...]) -> Candidate:
    def inputs(_module: nn.Module) -> Iterator[Callable[[], Mapping[str, Any]]]:
        yield lambda: {"x": torch.randn(_BATCH, *size)}

    said = "".join(f", {key} {value}" for key, value in options.items() if key != "img_size")
    return Candidate(name, f"images of {size[-2]} x {size[-1]}{said}", partial(_build, name, options), inputs)
