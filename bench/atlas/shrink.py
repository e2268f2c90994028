"""Small versions of an architecture's configuration: sizes that depend on each other shrink together.

A configuration is a tree: a mapping from the names of fields to values, and to such trees for the parts of
a model that is made of several. Nothing here knows an architecture, or imports any.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much smaller a configuration becomes.

    Attributes:
        width: widths are divided by it, where it divides them.
        heads: the number of heads is divided by it, or by the largest power of two that divides them all.
        layers: the most layers of a kind.
        vocabulary: the most tokens.
        images: the sides of images shrink too.
        experts: the most experts.
    """

    width: int
    heads: int
    layers: int = 2
    vocabulary: int = 512
    images: bool = True
    experts: int = 4


# From the smallest on: a model that cannot be built or run at one scale is tried at the next.
SCALES = (
    Scale(width=16, heads=4),
    Scale(width=16, heads=16),
    Scale(width=16, heads=8),
    Scale(width=16, heads=4, images=False),
    Scale(width=4, heads=2),
    Scale(width=64, heads=16),
    Scale(width=8, heads=1, images=False),
    Scale(width=1, heads=1),
    Scale(width=1, heads=1, images=False),
    Scale(width=1, heads=1, layers=1000, images=False, experts=1000, vocabulary=10**6),
)

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
_HEADS = re.compile(r"(^|_)(heads?|heads_per_stage|heads_per_layer)$|^n_head$")
_NOT_HEADS = re.compile(r"^is_|lm_head$|^resnet_head$")
_KEYS = re.compile(r"key_value|kv_|_kv")
_HEAD_WIDTH = re.compile(r"head_dim$|dim_head$|^d_head$|head_size$|^d_kv$|headdim$|rotary_dim$|_d_head$|^qk_.*dim$")
_WIDTH = re.compile(
    r"(^|_)(hidden|hiddens|dim|dims|channels?|width|d_model|d_ff|d_inner|intermediate|inner|ffn|embd|embed|"
    r"embedding|emb|filters|rank|channel_list|num_pos_feats|size|sizes|d_embed|dim_per_stage|features_out)($|_)|"
    r"dim$|^n_embd$|^n_inner$|^d_proj$|embed_proj"
)
_NOT_WIDTH = re.compile(
    r"vocab|patch|image|window|kernel|stride|chunk|block|batch|num_|n_mels|mel|frame|sampl|rate|position|"
    r"_id$|_ids$|token|bucket|codebook_size|cache|stem_size|group|crop|grid|feature_size|max_|min_|buffer|"
    r"spatial|temporal|conv_size|pool_size|context_size|query_size|key_size|step|segment|ratio|hash|ngram|"
    r"audio_channels|type_|feat_sizes|roi|resolution|fft|window|text_len|dropout|multiplier|input_channels|"
    r"feat_per|num_labels|memory_size|background|downsample_factor|^input_size$|^output_dim$|feat_size|index_(?!head)"
)
_VOCABULARY = re.compile(r"(^|_)vocab_size(_|$)|_vocab$|^n_vocab$|^src_vocab_size$|^tgt_vocab_size$|^vocabulary_size$")
_NOT_VOCABULARY = re.compile(r"^type_")
_TOKEN = re.compile(r"(token_id|token_index|token_ids|token_idx)$")
_EXPERTS = re.compile(r"^(moe_)?(num|n)_(routed_|local_)?experts$|^num_local_experts$|^moe_num_experts$|^num_moe_experts$")
_EXPERTS_EACH = re.compile(r"experts_per_tok$|^moe_top_?k$|^top_?k_experts$|^num_selected_experts$|^moe_k$")
_GROUPS = re.compile(r"^n_group$|^topk_group$|^num_expert_groups?$")
_QUERIES = re.compile(r"^num_(object_)?quer(y|ies)$|^num_proposals$|^two_stage_num_proposals$|^num_denoising$")
# What has no default, because only who trains knows it.
_NEEDED = {
    "prediction_length": 8,
    "vocab_size": 64,
    "image_token_index": 500,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
}
_COEFFICIENT = 0.5
_MOST_QUERIES = 10
_MOST_EACH = 2
_MOST_KINDS = 4
_MOST_POSITIONS = 2048
_SMALLEST_IMAGE = 32


def shrunk(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Return a configuration in which everything is smaller that can be.

    >>> shrunk({"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12}, SCALES[0])
    {'hidden_size': 48, 'num_attention_heads': 3, 'num_hidden_layers': 2}
    """
    return _numbered(_joined(_part(tree, scale)), tree, scale.vocabulary)


def _joined(tree: dict[str, Any]) -> dict[str, Any]:
    """Give what a part hands on to the text the width of the text, where the defaults do not fit."""
    text = next((tree[name] for name in ("text_config", "llm_config") if _is_part(tree.get(name))), None)
    vision = tree.get("vision_config")
    if text is None or not _is_part(vision) or type(text.get("hidden_size")) is not int:
        return tree
    # Where there are both, the first is the width inside.
    handed = "out_hidden_size" if "out_hidden_size" in vision else "hidden_size" if "embed_dim" in vision else ""
    return {**tree, "vision_config": {**vision, handed: text["hidden_size"]}} if handed else tree


def _part(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Return one part of the tree and what is below it."""
    changed = dict(tree)
    for stage in (_fewer_layers, _narrower, _smaller_images, _shorter_tables):
        changed |= stage(tree, scale)
    for name, value in tree.items():
        if _is_part(value):
            changed[name] = _part(value, scale)
    return changed


def _is_part(value: Any) -> bool:
    """Return whether a value is the configuration of a part of the model, and no other setting."""
    return isinstance(value, Mapping) and "model_type" in value


# --- layers


def _fewer_layers(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Cut the numbers of layers, the lists with an item a layer, and the numbers of single layers."""
    changed: dict[str, Any] = {}
    old = max((tree[name] for name in _layer_counts(tree)), default=0)
    for name in _layer_counts(tree):
        count = tree[name]
        picked = _picked(tree, count, max(scale.layers, _most_indexed(tree) if count == old else 0))
        changed[name] = len(picked)
        for other, value in tree.items():
            if _is_row(value) and len(value) == count and count > len(picked) and not _is_rising(value):
                changed[other] = type(value)(value[index] for index in picked)
    new = max((changed[name] for name in _layer_counts(tree)), default=0)
    for name, value in tree.items():
        if name in changed:
            continue
        if _FEWER.search(name) and isinstance(value, int) and value:
            changed[name] = min(value, 1) if "shared" not in name else value * new // max(old, 1)
        elif _is_row_of_ints(value) and _LAYERS.search(name) and not _is_rising(value):
            changed[name] = type(value)(min(item, scale.layers) for item in value)
        elif old > new and _INDEX.search(name):
            changed[name] = _moved(value, old, new)
    return changed


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
    rows = [value for value in tree.values() if _is_row(value) and len(value) == count and not _is_rising(value)]
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
        if _INDEX.search(name) and _is_row_of_ints(value) and _is_rising(value) and min(value) >= 0
    ]
    return max((length for length in lengths if length <= _MOST_KINDS), default=0)


def _moved(value: Any, old: int, new: int) -> Any:
    """Return the number of a layer among fewer; the last stays the last, and negative ones count from it."""
    if _is_row_of_ints(value):
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


# --- widths and heads


def _narrower(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Divide widths by one number, heads by another, and what a head holds by their quotient."""
    if isinstance(tree.get("width_coefficient"), float):
        return _by_coefficient(tree, scale)
    heads = {name: value for name, value in tree.items() if _is_heads(name, value)}
    asked = [item for name, value in heads.items() if not _KEYS.search(name) for item in _numbers(value)]
    share = scale.heads
    while share > 1 and any(item % share and item > 1 for item in asked):
        share //= 2
    changed: dict[str, Any] = {}
    for name, value in heads.items():
        changed[name] = _each(value, lambda item: max(1, item // share))
    widths = [
        tree[name] if scale.width == 1 else _divided(tree[name], scale.width)
        for name in ("hidden_size", "embed_dim", "d_model")
        if type(tree.get(name)) is int
    ]
    if len(widths) == 1 and not any(_HEAD_WIDTH.search(name) and value for name, value in tree.items()):
        for name in heads:
            changed[name] = _each(changed[name], lambda item: _dividing(item, widths))
    queries = [item for name in heads if not _KEYS.search(name) for item in _numbers(changed[name])]
    for name in heads:
        if _KEYS.search(name):
            changed[name] = _each(changed[name], lambda item: _dividing(item, queries))
    for name, value in tree.items():
        if name in heads:
            continue
        if _HEAD_WIDTH.search(name):
            changed[name] = _divided(value, max(1, scale.width // share))
        elif _WIDTH.search(name) and not _NOT_WIDTH.search(name):
            changed[name] = _divided(value, scale.width)
        elif name in {"rope_parameters", "rope_scaling"} and isinstance(value, Mapping):
            changed[name] = _narrower_sections(value, max(1, scale.width // share))
    return changed


def _by_coefficient(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Shrink a model that has numbers of its own to be scaled by; its widths are before them."""
    if scale.width == 1:
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
    return bool(_HEADS.search(name)) and not _NOT_HEADS.search(name) and bool(list(_numbers(value)))


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
    numbers = [item for item in _numbers(value) if item > 3]  # noqa: PLR2004 (three colours are no width)
    if by == 1 or not numbers or any(item % by for item in numbers):
        return value
    return _each(value, lambda item: item // by if item > 3 else item)  # noqa: PLR2004 (likewise)


# --- images


def _smaller_images(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Halve images as long as they hold whole patches, two a side at least."""
    if not scale.images or "image_size" not in tree:
        return {}
    image = tree["image_size"]
    patch = max(_numbers(tree.get("patch_size")), default=1)
    window = max(_numbers(tree.get("window_size")), default=1)
    sides = list(_numbers(image))
    halved = 0
    while sides and all(
        side % 2 == 0
        and side // 2 % patch == 0
        and side // 2 >= max(2 * patch, _SMALLEST_IMAGE, min(window * patch, _SMALLEST_IMAGE * 2))
        for side in sides
    ):
        sides = [side // 2 for side in sides]
        halved += 1
    return {"image_size": _each(image, lambda side: side >> halved)} if halved else {}


# --- tables: vocabularies, positions, experts, queries


def _shorter_tables(tree: Tree, scale: Scale) -> dict[str, Any]:
    limits = (
        (_EXPERTS, scale.experts),
        (_EXPERTS_EACH, min(scale.experts, _MOST_EACH)),
        (_GROUPS, 1 if scale.experts < 100 else 1000),  # noqa: PLR2004 (where experts are not cut)
        (_QUERIES, _MOST_QUERIES),
        (_VOCABULARY, scale.vocabulary),
    )
    changed: dict[str, Any] = {
        name: value for name, value in _NEEDED.items() if name in tree and tree[name] is None
    }
    if "vocab_size" in changed:
        changed |= {name: 1 for name in ("pad_token_id",) if tree.get(name, 0) is None}
    for name, value in {**tree, **changed}.items():
        for pattern, most in limits:
            if pattern.search(name) and not _NOT_VOCABULARY.search(name):
                changed[name] = _each(value, lambda item, most=most: min(item, most))
    if tree.get("rope_parameters") is None and type(tree.get("max_position_embeddings")) is int:
        changed["max_position_embeddings"] = min(tree["max_position_embeddings"], _MOST_POSITIONS)
    return changed


def _numbered(changed: dict[str, Any], tree: Tree, vocabulary: int) -> dict[str, Any]:
    """Bring every special token inside the vocabularies; different ones stay different."""
    sizes = [
        value
        for name, value in _leaves(changed)
        if _VOCABULARY.search(name) and not _NOT_VOCABULARY.search(name) and type(value) is int and value > 0
    ]
    tokens = {number for name, value in _leaves(tree) if _TOKEN.search(name) for number in _numbers(value)}
    size = min([*(size for size in sizes if size >= vocabulary), vocabulary])
    outside = sorted((token for token in tokens if token >= size), reverse=True)
    free = [number for number in range(size - 1, -1, -1) if number not in tokens]
    numbers = dict(zip(outside, free, strict=False))

    def renumbered(part: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: renumbered(value)
            if _is_part(value)
            else _each(value, lambda item: numbers.get(item, item))
            if _TOKEN.search(name)
            else value
            for name, value in part.items()
        }

    return renumbered(changed)


# --- what values are


def _leaves(tree: Tree) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if _is_part(value):
            yield from _leaves(value)
        else:
            yield name, value


def _numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers of a value: itself, or those of nested rows and settings."""
    if type(value) is int:
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item)


def _each(value: Any, change: Any) -> Any:
    """Return a value with every whole number in it changed."""
    if type(value) is int:
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_each(item, change) for item in value)
    if isinstance(value, Mapping):
        return {key: _each(item, change) for key, item in value.items()}
    return value


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0


def _is_row_of_ints(value: Any) -> bool:
    return _is_row(value) and all(type(item) is int for item in value)


def _is_rising(value: Any) -> bool:
    """Return whether a row holds numbers of layers, and no item a layer."""
    return _is_row_of_ints(value) and all(a < b for a, b in zip(value, value[1:], strict=False)) and len(value) > 1
