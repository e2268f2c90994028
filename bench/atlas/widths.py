"""Narrower models: widths are divided by one number, heads by another, a head's width by their quotient."""

import re
from collections.abc import Mapping
from typing import Any

from bench.atlas.values import Tree, each, numbers

_HEADS = re.compile(r"(^|_)(heads?|heads_per_stage|heads_per_layer)$|^n_head$")
_NOT_HEADS = re.compile(r"^is_|lm_head$|^resnet_head$")
_KEYS = re.compile(r"key_value|kv_|_kv")
_HEAD_WIDTH = re.compile(
    r"head_dim$|dim_head$|^d_head$|head_size$|^d_kv$|headdim$|rotary_dim$|_d_head$|^qk_.*dim$"
)
_WIDTH = re.compile(
    r"(^|_)(hidden|hiddens|dim|dims|channels?|width|d_model|d_ff|d_inner|intermediate|inner|ffn|embd|embed|"
    r"embedding|emb|filters|rank|channel_list|num_pos_feats|size|sizes|d_embed|dim_per_stage|features_out)($|_)|"
    r"dim$|^n_embd$|^n_inner$|^d_proj$|embed_proj"
)
_NOT_WIDTH = re.compile(
    r"vocab|patch|image|window|kernel|stride|chunk|block|batch|num_(?!pos_feats)|mel|frame|sampl|rate|position|"
    r"_id$|_ids$|token|bucket|codebook_size|cache|stem_size|group|crop|grid|feature_size|max_|min_|buffer|"
    r"spatial|temporal|conv_size|pool_size|context_size|query_size|key_size|step|segment|ratio|hash|ngram|"
    r"audio_channels|type_|feat_sizes|roi|resolution|fft|window|text_len|dropout|multiplier|input_channels|"
    r"feat_per|num_labels|memory_size|background|downsample_factor|^input_size$|"
    r"input_dim$|^output_dim$|feat_size|index_(?!head)"
)
_WHOLE = ("hidden_size", "embed_dim", "d_model")  # what the heads share among them
_COEFFICIENT = 0.5


def narrower(tree: Tree, width: int, heads: int) -> dict[str, Any]:
    """Return what changes in one part of a configuration that is narrower.

    Args:
        tree: the part.
        width: what widths are divided by.
        heads: what the number of heads is divided by, or the largest power of two below that divides them.
    """
    if isinstance(tree.get("width_coefficient"), float):
        return _by_coefficient(tree, width)
    share = _share(tree, heads)
    changed = _fewer_heads(tree, width, share)
    for name, value in tree.items():
        if name in changed:
            continue
        if _HEAD_WIDTH.search(name):
            changed[name] = _divided(value, max(1, width // share))
        elif _WIDTH.search(name) and not _NOT_WIDTH.search(name):
            changed[name] = _divided(value, width)
        elif name in {"rope_parameters", "rope_scaling"} and isinstance(value, Mapping):
            changed[name] = _narrower_sections(value, max(1, width // share))
    return changed


def _share(tree: Tree, heads: int) -> int:
    """Return by what every number of heads can be divided, up to `heads`."""
    counts = [
        item
        for name, value in tree.items()
        if _is_heads(name, value) and not _KEYS.search(name)
        for item in numbers(value)
    ]
    while heads > 1 and any(item % heads and item > 1 for item in counts):
        heads //= 2
    return heads


def _fewer_heads(tree: Tree, width: int, share: int) -> dict[str, Any]:
    """Divide the numbers of heads; they still divide the width, and those of keys divide them."""
    changed = {
        name: each(value, lambda item: max(1, item // share))
        for name, value in tree.items()
        if _is_heads(name, value)
    }
    widths = [_divided(tree[name], width) for name in _WHOLE if type(tree.get(name)) is int]
    says_width = any(_HEAD_WIDTH.search(name) and value for name, value in tree.items())
    if len(widths) == 1 and not says_width:
        changed = {name: each(value, lambda item: _dividing(item, widths)) for name, value in changed.items()}
    queries = [item for name, value in changed.items() if not _KEYS.search(name) for item in numbers(value)]
    return {
        name: each(value, lambda item: _dividing(item, queries)) if _KEYS.search(name) else value
        for name, value in changed.items()
    }


def _by_coefficient(tree: Tree, width: int) -> dict[str, Any]:
    """Shrink a model that has numbers of its own to be scaled by; its widths are before them."""
    if width == 1:
        return {}
    share = _COEFFICIENT / tree["width_coefficient"]
    changed = {"width_coefficient": _COEFFICIENT, "depth_coefficient": _COEFFICIENT}
    return changed | {name: int(tree[name] * share) for name in ("hidden_dim",) if name in tree}


def _narrower_sections(value: Mapping[str, Any], by: int) -> dict[str, Any]:
    """Divide the parts of a head that turn by one axis each."""
    return {
        key: _narrower_sections(item, by)
        if isinstance(item, Mapping)
        else _divided(item, by)
        if key.endswith("section")
        else item
        for key, item in value.items()
    }


def _is_heads(name: str, value: Any) -> bool:
    return bool(_HEADS.search(name)) and not _NOT_HEADS.search(name) and bool(list(numbers(value)))


def _dividing(count: int, others: list[int]) -> int:
    """Return the largest number up to `count` that divides all others that are at least as large."""
    return next(
        (
            number
            for number in range(count, 0, -1)
            if not any(other % number for other in others if other >= number)
        ),
        1,
    )


def _divided(value: Any, by: int) -> Any:
    """Divide a width, or all of a nested row of them, where every one can be divided."""
    wide = [item for item in numbers(value) if item > 3]  # noqa: PLR2004 (three colours are no width)
    if by == 1 or not wide or any(item % by for item in wide):
        return value
    return each(value, lambda item: item // by if item > 3 else item)  # noqa: PLR2004 (likewise)
