"""Small versions of an architecture's configuration: sizes that depend on each other shrink together.

A configuration is a tree: a mapping from the names of fields to values, and to such trees for the parts of
a model that is made of several. Nothing here knows an architecture, or imports any.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.atlas.layers import fewer_layers
from bench.atlas.values import Tree, each, is_part, leaves, numbers
from bench.atlas.widths import narrower


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
    Scale(width=4, heads=4),
    Scale(width=64, heads=16),
    Scale(width=8, heads=1, images=False),
    Scale(width=1, heads=1),
    Scale(width=1, heads=1, images=False),
    Scale(width=1, heads=1, layers=1000, images=False, experts=1000, vocabulary=10**6),
)

_VOCABULARY = re.compile(
    r"(^|_)vocab_size(_|$)|_vocab$|^n_vocab$|^src_vocab_size$|^tgt_vocab_size$|^vocabulary_size$"
)
_NOT_VOCABULARY = re.compile(r"^type_")
_TOKEN = re.compile(r"(token_id|token_index|token_ids|token_idx)$")
_EXPERTS = re.compile(
    r"^(moe_)?(num|n)_(routed_|local_)?experts$|^num_local_experts$|^moe_num_experts$|^num_moe_experts$"
)
_EXPERTS_EACH = re.compile(r"experts_per_tok$|^moe_top_?k$|^top_?k_experts$|^num_selected_experts$|^moe_k$")
_GROUPS = re.compile(r"^n_group$|^topk_group$|^num_expert_groups?$")
_QUERIES = re.compile(
    r"^num_(object_)?quer(y|ies)$|^num_proposals$|^two_stage_num_proposals$|^num_denoising$"
)
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
_MOST_QUERIES = 10
_MOST_EACH = 2
_MOST_POSITIONS = 2048
_SMALLEST_IMAGE = 64
_MOST_PATCHES = 32  # a side, of images that cannot be halved
_FEW_PATCHES = 8


def shrunk(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Return a configuration in which everything is smaller that can be.

    >>> shrunk({"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12}, SCALES[0])
    {'hidden_size': 48, 'num_attention_heads': 3, 'num_hidden_layers': 2}
    """
    return _numbered(_joined(_part(tree, scale)), tree, scale.vocabulary)


def _joined(tree: dict[str, Any]) -> dict[str, Any]:
    """Give what a part hands on to the text the width of the text, where the defaults do not fit."""
    text = next((tree[name] for name in ("text_config", "llm_config") if is_part(tree.get(name))), None)
    vision: Any = tree.get("vision_config")
    if text is None or not is_part(vision) or type(text.get("hidden_size")) is not int:
        return tree
    # Where there are both, the first is the width inside.
    handed = (
        "out_hidden_size" if "out_hidden_size" in vision else "hidden_size" if "embed_dim" in vision else ""
    )
    return {**tree, "vision_config": {**vision, handed: text["hidden_size"]}} if handed else tree


def _part(tree: Tree, scale: Scale) -> dict[str, Any]:
    """Return one part of the tree and what is below it."""
    changed = dict(tree) | _missing(tree)
    changed |= fewer_layers(changed, scale.layers)
    changed |= narrower(changed, scale.width, scale.heads)
    if scale.images:
        changed |= _smaller_images(changed)
    changed |= _shorter_tables(changed, scale)
    for name, value in tree.items():
        if is_part(value):
            changed[name] = _part(value, scale)
    return changed


def _missing(tree: Tree) -> dict[str, Any]:
    """Return what follows from other sizes, and is not given: not every configuration derives it itself."""
    heads = tree.get("num_attention_heads")
    found: dict[str, Any] = {}
    if type(heads) is not int or heads < 1:
        return found
    if "num_key_value_heads" in tree and tree["num_key_value_heads"] is None:
        found["num_key_value_heads"] = heads
    if "head_dim" in tree and tree["head_dim"] is None and type(tree.get("hidden_size")) is int:
        found["head_dim"] = tree["hidden_size"] // heads
    layers = tree.get("num_hidden_layers")
    if "mlp_layer_types" in tree and tree["mlp_layer_types"] is None and type(layers) is int:
        found["mlp_layer_types"] = ["dense"] + ["sparse"] * (layers - 1)
    return found


def _smaller_images(tree: Tree) -> dict[str, Any]:
    """Halve images as long as they hold whole patches, two a side at least."""
    if "image_size" not in tree:
        return {}
    image = tree["image_size"]
    patch = max(numbers(tree.get("patch_size")), default=1)
    sides = list(numbers(image))
    halved = 0
    while sides and all(
        side % 2 == 0
        and side // 2 % (2 * patch if side % (2 * patch) == 0 else patch) == 0  # an even number of patches
        and side // 2 >= max(2 * patch, _SMALLEST_IMAGE)
        for side in sides
    ):
        sides = [side // 2 for side in sides]
        halved += 1
    if patch > 1 and any(side // patch > _MOST_PATCHES and side % patch == 0 for side in sides):
        return {"image_size": each(image, lambda side: min(side, _FEW_PATCHES * patch))}
    if not halved:
        return {}
    smaller = {"image_size": each(image, lambda side: side >> halved)}
    if "image_embedding_size" in tree:  # in patches
        smaller["image_embedding_size"] = each(tree["image_embedding_size"], lambda side: side >> halved)
    return smaller


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
                changed[name] = each(value, partial(min, most))
    if tree.get("rope_parameters") is None and type(tree.get("max_position_embeddings")) is int:
        changed["max_position_embeddings"] = min(tree["max_position_embeddings"], _MOST_POSITIONS)
    return changed


def _numbered(changed: dict[str, Any], tree: Tree, vocabulary: int) -> dict[str, Any]:
    """Bring every special token inside the vocabularies; different ones stay different."""
    sizes = [
        value
        for name, value in leaves(changed)
        if _VOCABULARY.search(name) and not _NOT_VOCABULARY.search(name) and type(value) is int and value > 0
    ]
    tokens = {number for name, value in leaves(tree) if _TOKEN.search(name) for number in numbers(value)}
    size = min([*(size for size in sizes if size >= vocabulary), vocabulary])
    outside = sorted((token for token in tokens if token >= size), reverse=True)
    free = [number for number in range(size - 1, -1, -1) if number not in tokens]
    inside = dict(zip(outside, free, strict=False))

    def renumbered(part: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: renumbered(value)
            if is_part(value)
            else each(value, lambda item: inside.get(item, item))
            if _TOKEN.search(name)
            else value
            for name, value in part.items()
        }

    return renumbered(changed)
