"""Random inputs, one of a name: what arguments of that name take in every architecture that has them."""

from collections.abc import Callable
from typing import Any

import torch

from bench.atlas.sizes import Sizes, channels, image_size, mels, special_tokens

BATCH = 2
TOKENS = 16
FRAMES = 64  # of a spectrogram, where the configuration does not say how many
SAMPLES = 7680  # of a waveform: half a second, in whole frames of most lengths
_PATCHES = 4  # a side, where images are given as patches

Maker = Callable[[Sizes], Any]


def _ids(sizes: Sizes, length: int = TOKENS) -> torch.Tensor:
    """Return tokens, none of which is special, where the vocabulary has others."""
    size = sizes.of("text", "vocab_size", default=100)
    try:
        text = sizes.config.get_text_config()
        size = getattr(text, "vocab_size", None) or size
    except (ValueError, AttributeError):
        pass  # a model of several parts, none of which is the one for text
    size = min(size) if isinstance(size, (list, tuple)) else size
    most = getattr(sizes.config, "max_position_embeddings", None)
    if isinstance(most, int) and 0 < most < length + 2:
        length = max(1, most - 2)
    special = special_tokens(sizes)
    usual = [token for token in range(min(size, 400)) if token not in special] or [0]
    return torch.tensor(usual)[torch.randint(0, len(usual), (BATCH, length))]


def _pixels(sizes: Sizes) -> Any:
    rows, columns = image_size(sizes)
    colours = channels(sizes)
    if "image_grid_thw" in sizes.takes:
        return _flat_patches(sizes)
    if "spatial_shapes" in sizes.takes:  # rows of patches, and of which shape each is
        return torch.randn(BATCH, _PATCHES**2, colours * sizes.of("vision", "patch_size", default=16) ** 2)
    frames = sizes.first("num_frames") if "video" in type(sizes.config).__name__.lower() else None
    if frames:
        return torch.randn(BATCH, frames, colours, rows, columns)
    return torch.randn(BATCH, colours, rows, columns)


def _pixel_mask(sizes: Sizes) -> torch.Tensor:
    shape = (_PATCHES**2,) if "spatial_shapes" in sizes.takes else image_size(sizes)
    return torch.ones(BATCH, *shape, dtype=torch.long)


def _grid(sizes: Sizes) -> tuple[int, int, int]:
    merge = sizes.of("vision", "spatial_merge_size", "merge_size", default=2)
    merge = merge if isinstance(merge, int) else max(merge)
    return 1, 2 * merge, 2 * merge


def _flat_patches(sizes: Sizes) -> torch.Tensor:
    time, rows, columns = _grid(sizes)
    patch = sizes.of("vision", "patch_size", default=14)
    depth = sizes.of("vision", "temporal_patch_size", default=1)
    width = channels(sizes) * depth * patch * patch
    return torch.randn(BATCH * time * rows * columns, width)


def _features(sizes: Sizes) -> torch.Tensor:
    positions = sizes.of("audio", "max_source_positions")
    frames = 2 * positions if isinstance(positions, int) and positions <= 1500 else FRAMES  # noqa: PLR2004
    window = sizes.of("audio", "n_window")
    frames = 2 * window if isinstance(window, int) else frames
    return torch.randn(BATCH, mels(sizes), frames)


def _features_by_time(sizes: Sizes) -> torch.Tensor:
    return torch.randn(BATCH, FRAMES, mels(sizes))


def _flattened(sizes: Sizes) -> torch.Tensor:
    """Return rows of patches, each after the row and the column that it comes from."""
    places = torch.randint(1, _PATCHES, (BATCH, TOKENS, 2)).float()
    width = sizes.of("vision", "patch_embed_hidden_size", default=64)
    return torch.cat([places, torch.randn(BATCH, TOKENS, width)], -1)


def _boxes(_sizes: Sizes) -> torch.Tensor:
    corner = torch.randint(0, 400, (BATCH, TOKENS, 2))
    return torch.cat([corner, corner + torch.randint(1, 100, (BATCH, TOKENS, 2))], -1)


def _past_length(sizes: Sizes) -> int:
    lags: list[int] = sizes.first("lags_sequence", default=[0])
    return int(sizes.first("context_length", default=32)) + max(lags)


def _series(sizes: Sizes, length: int, *features: int) -> torch.Tensor:
    channels = sizes.first("num_input_channels", "input_size", default=1)
    return torch.randn(
        BATCH,
        length,
        *features,
        *(() if channels == 1 and "num_input_channels" not in vars(sizes.config) else (channels,)),
    )


def _encoded(sizes: Sizes) -> torch.Tensor:
    width = sizes.first(
        "encoder_hidden_size", "cross_attention_hidden_size", "hidden_size", "d_model", default=64
    )
    return torch.randn(BATCH, TOKENS, width)


MAKERS: dict[str, Maker] = {
    "input_ids": _ids,
    "text_input_ids": _ids,
    "decoder_input_ids": _ids,
    "inputs_embeds": lambda sizes: torch.randn(BATCH, TOKENS, sizes.first("hidden_size", "d_model")),
    "hidden_states": lambda sizes: (
        _flat_patches(sizes)
        if "grid_thw" in sizes.takes
        else torch.randn(BATCH, TOKENS, sizes.first("hidden_size", "d_model", default=64))
    ),
    "pixel_values": _pixels,
    "pixel_values_videos": lambda sizes: torch.randn(
        BATCH, sizes.first("num_frames", "frames_per_clip", default=4), channels(sizes), *image_size(sizes)
    ),
    "input_features_mask": lambda _sizes: torch.ones(BATCH, FRAMES, dtype=torch.long),
    "feature_attention_mask": lambda _sizes: torch.ones(BATCH, FRAMES, dtype=torch.long),
    "feature_lens": lambda _sizes: torch.full((BATCH,), FRAMES),
    "feature_lengths": lambda _sizes: torch.full((BATCH,), FRAMES),
    "input_lengths": lambda _sizes: torch.full((BATCH,), FRAMES),
    "image_grid_thw": lambda sizes: torch.tensor([_grid(sizes)] * BATCH),
    "grid_thw": lambda sizes: torch.tensor([_grid(sizes)] * BATCH),
    "input_values": lambda _sizes: torch.randn(BATCH, SAMPLES),
    "input_features": _features,
    "query_embeds": lambda sizes: torch.randn(BATCH, TOKENS, sizes.first("hidden_size", default=64)),
    "encoder_hidden_states": _encoded,
    "pixel_mask": lambda sizes: torch.ones(BATCH, *image_size(sizes), dtype=torch.long),
    "spatial_shapes": lambda _sizes: torch.tensor([[_PATCHES, _PATCHES]] * BATCH),
    "pixel_attention_mask": _pixel_mask,
    "image_sizes": lambda sizes: torch.tensor([list(image_size(sizes))] * BATCH),
    "qformer_input_ids": _ids,
    "visual_feats": lambda sizes: torch.randn(BATCH, TOKENS, sizes.first("visual_feat_dim", default=64)),
    "visual_pos": lambda sizes: torch.rand(BATCH, TOKENS, sizes.first("visual_pos_dim", default=4)),
    "audio_mel": _features_by_time,
    "audio_mel_mask": lambda _sizes: torch.zeros(BATCH, FRAMES, dtype=torch.bool),
    "images": _pixels,
    "image": _pixels,
    "spectrogram": lambda sizes: torch.randn(BATCH, FRAMES, mels(sizes)),
    "attention_mask": lambda _sizes: torch.ones(BATCH, TOKENS, dtype=torch.long),
    "position_ids": lambda _sizes: torch.arange(TOKENS).expand(BATCH, TOKENS),
    "bbox": _boxes,
    "flattened_patches": _flattened,
    "past_values": lambda sizes: _series(sizes, _past_length(sizes)),
    "past_time_features": lambda sizes: torch.randn(
        BATCH, _past_length(sizes), sizes.first("num_time_features", default=0)
    ),
    "past_observed_mask": lambda sizes: torch.ones_like(_series(sizes, _past_length(sizes))),
    "future_values": lambda sizes: _series(sizes, sizes.first("prediction_length", default=8)),
    "future_time_features": lambda sizes: torch.randn(
        BATCH, sizes.first("prediction_length", default=8), sizes.first("num_time_features", default=0)
    ),
}

# Tokens of several codebooks, in the orders that there are.
_CODES: tuple[Maker, ...] = (
    lambda sizes: _ids(sizes, TOKENS * sizes.first("num_codebooks", default=1)).view(BATCH, TOKENS, -1),
    lambda sizes: _ids(sizes, TOKENS * sizes.first("num_channels", default=9)).view(BATCH, TOKENS, -1),
    lambda sizes: _ids(sizes, TOKENS * sizes.first("num_codebooks", default=1)).view(-1, TOKENS),
)

# What some architectures take under the same names.
OTHER_SHAPES: dict[str, tuple[Maker, ...]] = {
    "input_ids": _CODES,
    "decoder_input_ids": _CODES,
    "pixel_values": (
        lambda sizes: torch.randn(BATCH, 1, channels(sizes), *image_size(sizes)),
        lambda sizes: torch.randn(BATCH, 2, channels(sizes), *image_size(sizes)),
        _flat_patches,
    ),
    "input_features": (
        _features_by_time,
        lambda sizes: torch.randn(BATCH, FRAMES, sizes.of("audio", "input_dim", "input_size", default=80)),
        lambda sizes: torch.randn(BATCH, 1, sizes.first("spec_size", default=256) * 4, mels(sizes)),
        lambda _sizes: torch.randn(BATCH, FRAMES, 128),  # as most recent ones, which do not say it
    ),
    "hidden_states": (_pixels,),
    "input_values": (
        lambda _sizes: torch.randn(BATCH, 1, SAMPLES),
        lambda sizes: torch.randn(BATCH, sizes.first("max_length", default=FRAMES), mels(sizes)),
    ),
}
