"""Fewer layers: their numbers, the rows that hold an item a layer, and the numbers of single layers."""

import re
from typing import Any

from bench.atlas.values import Tree, is_rising, is_row, is_row_of_ints

_LAYERS = re.compile(
    r"^(num_|n_)?([a-z0-9_]*_)?(layers?|depths?)$|^stage_(num_blocks|numb_of_layers)$|^num_(blocks|res_blocks)$"
)
# Counts of other things, that a field of the same shape or a loop in the model depends on.
_NOT_LAYERS = re.compile(
    r"feat_extract|feature_layer|per_|_every_|max_window|fuser|iou_head|max_depth|min_depth|"
    r"mlp_only|look_|aligner_|timestamp|lstm|predictor|prenet|postnet|first_k|bins|divis"
)
_FEWER = re.compile(r"shared_layers$|^first_k_dense_replace$|^num_dense_layers$|^num_nextn_predict_layers$")
_INDEX = re.compile(
    r"(_indices|_indexes|_idx|_layers?|_blocks|_index|_layer_ids?)$|^(layers|return_idx|extract_layers)$"
)
_MOST_KINDS = 4


def fewer_layers(tree: Tree, most: int) -> dict[str, Any]:
    """Return what changes in one part of a configuration that has at most so many layers of a kind."""
    changed: dict[str, Any] = {}
    old = max((tree[name] for name in _layer_counts(tree)), default=0)
    for name in _layer_counts(tree):
        count = tree[name]
        picked = _picked(tree, count, max(most, _most_indexed(tree) if count == old else 0))
        changed[name] = len(picked)
        for other, value in tree.items():
            if is_row(value) and len(value) == count and count > len(picked) and not is_rising(value):
                changed[other] = type(value)(value[index] for index in picked)
    new = max((changed[name] for name in _layer_counts(tree)), default=0)
    for name, value in tree.items():
        if name in changed:
            continue
        if _FEWER.search(name) and isinstance(value, int) and value:
            changed[name] = min(value, 1) if "shared" not in name else value * new // max(old, 1)
        elif is_row_of_ints(value) and _LAYERS.search(name) and not is_rising(value):
            changed[name] = type(value)(min(item, most) for item in value)
        elif old > new and _is_pattern(value, old):
            changed[name] = _shorter_pattern(value, new)
        elif old > new and _INDEX.search(name):
            changed[name] = _moved(value, old, new)
    return changed


def _is_pattern(value: Any, layers: int) -> bool:
    """Return whether a value is rows of kinds of layers, each with how often it is repeated."""
    return (
        is_row(value)
        and all(
            is_row(item) and [type(part) for part in item] in ([list, int], [tuple, int]) for item in value
        )
        and sum(len(kinds) * times for kinds, times in value) == layers
    )


def _shorter_pattern(value: Any, layers: int) -> Any:
    """Return the first of such rows, with as many layers as are left.

    >>> _shorter_pattern([[["global", "local"], 12]], 2)
    [[['global', 'local'], 1]]
    """
    kinds = value[0][0]
    row = [[kinds[:layers], max(1, layers // len(kinds))]]
    rest = layers - sum(len(kinds) * times for kinds, times in row)
    return [*row, [kinds[:rest], 1]] if rest else row


def _layer_counts(tree: Tree) -> list[str]:
    return [
        name
        for name, value in tree.items()
        if _LAYERS.search(name)
        and not _NOT_LAYERS.search(name)
        and not _FEWER.search(name)
        and type(value) is int
        and value > 0
    ]


def _picked(tree: Tree, count: int, most: int) -> list[int]:
    """Return which of `count` layers stay: the first of every kind, and then the first others."""
    if count <= most:
        return list(range(count))
    kinds: dict[Any, int] = {}
    rows = [
        value for value in tree.values() if is_row(value) and len(value) == count and not is_rising(value)
    ]
    for index in range(count):
        kinds.setdefault(tuple(str(row[index]) for row in rows), index)
    picked = list(kinds.values())[: max(_MOST_KINDS, most)]
    picked += [index for index in range(count) if index not in picked][: max(0, most - len(picked))]
    return sorted(picked)


def _most_indexed(tree: Tree) -> int:
    """Return how many single layers the longest list of such numbers names, where they are few."""
    lengths = [
        len(value)
        for name, value in tree.items()
        if _INDEX.search(name) and is_row_of_ints(value) and is_rising(value) and min(value) >= 0
    ]
    return max((length for length in lengths if length <= _MOST_KINDS), default=0)


def _moved(value: Any, old: int, new: int) -> Any:
    """Return the number of a layer among fewer; the last stays the last, and negative ones count from it."""
    if is_row_of_ints(value):
        moved = dict.fromkeys(_moved(item, old, new) for item in value)
        if len(moved) < len(value) <= new and min(value) >= 0:  # as many as before: the last ones
            first = new - len(value) + (old in value)
            return type(value)(range(first, first + len(value)))
        return type(value)(moved)
    if type(value) is not int:
        return value
    if value < 0:
        return max(value, -new)
    return new if value == old else min(value * new // old, new)
