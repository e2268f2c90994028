"""Inputs for a forward pass, by the names of its arguments and the sizes in the configuration."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from bench.atlas.makers import BATCH, MAKERS, OTHER_SHAPES, Maker
from bench.atlas.sizes import Sizes

_TEXT = ("input_ids", "bbox", "decoder_input_ids")
_OF_IMAGES = ("image_sizes",)  # which some need, and others take for another kind of image
_SEVERAL_IMAGES = 5  # dimensions: of a batch, each with several images of channels, rows and columns
# What comes beside text, in the order in which it is given.
_MEDIA = (
    "pixel_values",
    "spatial_shapes",
    "pixel_attention_mask",
    "image_grid_thw",
    "input_features",
    "input_values",
    "input_features_mask",
    "feature_attention_mask",
    "visual_feats",
    "visual_pos",
)


def variants(module: Any, *, fewer: bool) -> Iterator[Callable[[], dict[str, Any]]]:
    """Yield what makes inputs that a forward pass may take.

    Args:
        module: whose.
        fewer: those of a few kinds, such as text alone, in place of those of all kinds.
    """
    takes = inspect.signature(module.forward).parameters
    sizes = Sizes(module.config, takes)
    needed = [
        name
        for name, parameter in takes.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name != "self"
    ]
    media = [name for name in _MEDIA if name in takes]
    text = [name for name in _TEXT if name in takes]
    main = module.main_input_name
    if main not in takes:
        main = next(iter([*needed, *media, *text]), main)
    unknown = sorted({*needed, main} - MAKERS.keys())
    if unknown:
        yield partial(_unknown, unknown)
        return
    least = [*needed, main]
    if fewer:
        rows = [[*least, *text], least]
    else:
        rows = [[*least, *text, *media], [*least, *text, *media, *_OF_IMAGES]]
    known = {tuple(name for name in dict.fromkeys(row) if name in takes): None for row in rows}
    for names in known:
        for place, choice in enumerate(_choices(names)):
            yield partial(_made, module, sizes, choice, {})
            if not place and "use_cache" in takes and "input_ids" in choice:
                yield partial(_made, module, sizes, choice, {"use_cache": False})


def _unknown(names: list[str]) -> dict[str, Any]:
    raise LookupError(f"none are made here of the kind {', '.join(names)}")


def _made(
    module: Any, sizes: Sizes, makers: Mapping[str, Maker], settings: Mapping[str, Any]
) -> dict[str, Any]:
    inputs = {name: make(sizes) for name, make in makers.items()}
    images = inputs.get("pixel_values")
    if isinstance(images, torch.Tensor) and images.dim() == _SEVERAL_IMAGES:
        inputs |= {
            name: torch.ones(*images.shape[:2], *images.shape[3:], dtype=torch.long)
            for name in ("pixel_mask", "pixel_attention_mask")
            if name in inputs
        }
    _place_media(module, sizes, inputs)
    return {**inputs, **settings}


def _choices(names: tuple[str, ...]) -> Iterator[dict[str, Maker]]:
    """Yield the makers of some names, and then those with one in another shape."""
    usual = {name: MAKERS[name] for name in names}
    yield usual
    for name in names:
        for make in OTHER_SHAPES.get(name, ()):
            yield {**usual, name: make}


_PLACEHOLDERS = {
    "pixel_values": ("get_image_features", ("image_token_id", "image_token_index")),
    "input_features": ("get_audio_features", ("audio_token_id", "audio_token_index")),
    "input_values": ("get_audio_features", ("audio_token_id", "audio_token_index")),
}


def _place_media(module: Any, sizes: Sizes, inputs: dict[str, Any]) -> None:
    """Put as many placeholder tokens before the text as images and sounds have features."""
    if "input_ids" not in inputs:
        return
    for name, (method, tokens) in _PLACEHOLDERS.items():
        token = sizes.first(*tokens)
        features = getattr(module, method, None)
        if name not in inputs or token is None or features is None:
            continue
        takes = inspect.signature(features).parameters
        for key, parameter in takes.items():
            if parameter.default is parameter.empty and key in MAKERS and key in sizes.takes:
                inputs.setdefault(key, MAKERS[key](sizes))
        with torch.no_grad():
            found = features(
                **{
                    key: value
                    for key, value in inputs.items()
                    if key in takes and (key != "input_ids" or takes[key].default is inspect.Parameter.empty)
                }
            )
        count = _rows(found)
        if count % BATCH:
            raise ValueError(f"{count} features of {BATCH} images cannot be told apart")
        block = torch.full((BATCH, count // BATCH), token)
        inputs["input_ids"] = torch.cat([block, inputs["input_ids"]], 1)
        for kind in ("mm_token_type_ids", "token_type_ids"):
            if kind in sizes.takes:
                inputs[kind] = (inputs["input_ids"] == token).long()


def _rows(found: Any) -> int:
    """Return how many vectors features hold: of a tensor, a row of tensors, or what a model returns."""
    for name in ("pooler_output", "last_hidden_state"):
        if getattr(found, name, None) is not None:
            found = getattr(found, name)
            break
    if isinstance(found, torch.Tensor):
        return found.numel() // found.shape[-1]
    return sum(_rows(item) for item in found)
