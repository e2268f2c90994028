"""Inputs for a forward pass, by the names of its arguments and the sizes in the configuration."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

BATCH = 2
TOKENS = 16
FRAMES = 64  # of a spectrogram, where the configuration does not say how many
SAMPLES = 8000  # of a waveform: half a second
SIDE = 64  # of an image, where the configuration does not say


@dataclass(frozen=True, slots=True)
class Sizes:
    """What inputs have to fit.

    Attributes:
        config: the configuration of the whole model.
        takes: the names that the forward pass takes.
    """

    config: Any
    takes: Mapping[str, inspect.Parameter]

    def first(self, *names: str, default: Any = None) -> Any:
        """Return the first value of any of these fields, of the model or of a part; parts in their order."""
        for name in names:
            for part in self.parts():
                value = getattr(part, name, None)
                if value is not None:
                    return value
        return default

    def of(self, key: str, *names: str, default: Any = None) -> Any:
        """Return a field of the part whose name holds `key`, or else of any part."""
        parts = [part for name, part in _parts(self.config) if key in name]
        for name in names:
            for part in parts:
                value = getattr(part, name, None)
                if value is not None:
                    return value
        return self.first(*names, default=default)

    def parts(self) -> list[Any]:
        """Return the configuration and those of its parts."""
        return [part for _, part in _parts(self.config)]


def _parts(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    import transformers

    yield path, config
    for name, value in vars(config).items():
        if isinstance(value, transformers.PreTrainedConfig):
            yield from _parts(value, f"{path}.{name}")


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
    special = _special(sizes)
    usual = [token for token in range(min(size, 400)) if token not in special] or [0]
    return torch.tensor(usual)[torch.randint(0, len(usual), (BATCH, length))]


def _special(sizes: Sizes) -> set[int]:
    found: set[int] = set()
    for part in sizes.parts():
        for name, value in vars(part).items():
            if name.endswith(("token_id", "token_index", "token_ids")):
                found |= {value} if isinstance(value, int) else set(value or ()) if isinstance(value, (list, tuple)) else set()
    return found


def _side(value: Any, default: int = SIDE) -> tuple[int, int]:
    if isinstance(value, Mapping):
        value = (
            (value["height"], value["width"])
            if "height" in value
            else next(iter(value.values()), default)
        )
    if isinstance(value, (list, tuple)):
        return (int(value[0]), int(value[-1])) if value and not isinstance(value[0], (list, tuple)) else (default, default)
    return (int(value), int(value)) if value else (default, default)


def image_size(sizes: Sizes) -> tuple[int, int]:
    """Return rows and columns of an image."""
    size = sizes.of("vision", "image_size", "img_size", "input_size", "vision_image_size", default=SIDE)
    return _side(size)


def _channels(sizes: Sizes) -> int:
    count = sizes.of("vision", "num_channels", "in_channels", "in_chans", "image_channels", default=3)
    return count if isinstance(count, int) and count < 16 else 3  # noqa: PLR2004 (others are widths)


def _pixels(sizes: Sizes) -> Any:
    rows, columns = image_size(sizes)
    channels = _channels(sizes)
    if "image_grid_thw" in sizes.takes or "pixel_position_ids" in sizes.takes and False:
        return _flat_patches(sizes)
    frames = sizes.first("num_frames") if "video" in type(sizes.config).__name__.lower() else None
    if frames:
        return torch.randn(BATCH, frames, channels, rows, columns)
    return torch.randn(BATCH, channels, rows, columns)


def _grid(sizes: Sizes) -> tuple[int, int, int]:
    merge = sizes.of("vision", "spatial_merge_size", "merge_size", default=2)
    merge = merge if isinstance(merge, int) else max(merge)
    return 1, 2 * merge, 2 * merge


def _flat_patches(sizes: Sizes) -> torch.Tensor:
    time, rows, columns = _grid(sizes)
    patch = sizes.of("vision", "patch_size", default=14)
    depth = sizes.of("vision", "temporal_patch_size", default=1)
    width = _channels(sizes) * depth * patch * patch
    return torch.randn(BATCH * time * rows * columns, width)


def _mels(sizes: Sizes) -> int:
    return int(
        sizes.of(
            "audio", "num_mel_bins", "mel_bins", "n_mels", "num_mels", "feature_size", "input_feat_per_channel",
            "input_feature_dim", "num_mel_channels", "input_dim", "feature_projection_input_dim", default=80,
        )
    )


def _features(sizes: Sizes) -> torch.Tensor:
    positions = sizes.of("audio", "max_source_positions")
    frames = 2 * positions if isinstance(positions, int) and positions <= 1500 else FRAMES  # noqa: PLR2004
    return torch.randn(BATCH, _mels(sizes), frames)


def _features_by_time(sizes: Sizes) -> torch.Tensor:
    return torch.randn(BATCH, FRAMES, _mels(sizes))


def _boxes(sizes: Sizes) -> torch.Tensor:
    corner = torch.randint(0, 400, (BATCH, TOKENS, 2))
    return torch.cat([corner, corner + torch.randint(1, 100, (BATCH, TOKENS, 2))], -1)


def _tensor_of_ones(*shape: int) -> Maker:
    return lambda _sizes: torch.ones(*shape, dtype=torch.long)


def _past_length(sizes: Sizes) -> int:
    lags = sizes.first("lags_sequence", default=[0])
    return int(sizes.first("context_length", default=32)) + max(lags)


def _series(sizes: Sizes, length: int, *features: int) -> torch.Tensor:
    channels = sizes.first("num_input_channels", "input_size", default=1)
    return torch.randn(BATCH, length, *features, *(() if channels == 1 and "num_input_channels" not in vars(sizes.config) else (channels,)))


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
        BATCH, sizes.first("num_frames", "frames_per_clip", default=4), _channels(sizes), *image_size(sizes)
    ),
    "input_features_mask": lambda sizes: torch.ones(BATCH, FRAMES, dtype=torch.long),
    "feature_attention_mask": lambda sizes: torch.ones(BATCH, FRAMES, dtype=torch.long),
    "feature_lens": lambda sizes: torch.full((BATCH,), FRAMES),
    "feature_lengths": lambda sizes: torch.full((BATCH,), FRAMES),
    "input_lengths": lambda sizes: torch.full((BATCH,), FRAMES),
    "image_grid_thw": lambda sizes: torch.tensor([_grid(sizes)] * BATCH),
    "grid_thw": lambda sizes: torch.tensor([_grid(sizes)] * BATCH),
    "input_values": lambda sizes: torch.randn(BATCH, SAMPLES),
    "input_features": _features,
    "bbox": _boxes,
    "past_values": lambda sizes: _series(sizes, _past_length(sizes)),
    "past_time_features": lambda sizes: torch.randn(
        BATCH, _past_length(sizes), max(1, sizes.first("num_time_features", default=1))
    ),
    "past_observed_mask": lambda sizes: torch.ones_like(_series(sizes, _past_length(sizes))),
    "future_values": lambda sizes: _series(sizes, sizes.first("prediction_length", default=8)),
    "future_time_features": lambda sizes: torch.randn(
        BATCH, sizes.first("prediction_length", default=8), max(1, sizes.first("num_time_features", default=1))
    ),
}

OTHER_SHAPES: dict[str, tuple[Maker, ...]] = {
    "input_features": (
        _features,
        _features_by_time,
        lambda sizes: torch.randn(BATCH, FRAMES, sizes.of("audio", "input_dim", "input_size", default=80)),
        lambda sizes: torch.randn(BATCH, 1, sizes.first("spec_size", default=256) * 4, _mels(sizes)),
    ),
    "input_values": (
        MAKERS["input_values"],
        lambda sizes: torch.randn(BATCH, 1, SAMPLES),
        lambda sizes: torch.randn(BATCH, sizes.first("max_length", default=FRAMES), _mels(sizes)),
    ),
}
_MEDIA = (
    "pixel_values", "image_grid_thw", "input_features", "input_values", "input_features_mask", "feature_attention_mask",
)  # fmt: skip


def variants(module: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """Yield what makes inputs that a forward pass may take, those of all kinds first, the fewest last."""
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
    text = [name for name in ("input_ids", "bbox", "decoder_input_ids") if name in takes]
    main = module.main_input_name
    if main not in takes:
        main = next(iter([*needed, *media, *text]), main)
    for names in ([*needed, main, *text, *media], [*needed, main, *text], [*needed, main], needed):
        wanted = [name for name in dict.fromkeys(names) if name in takes]
        if not wanted or any(name not in MAKERS for name in wanted):
            continue
        for choice in _choices(wanted):
            yield partial(_made, module, sizes, choice, {})
            if "use_cache" in takes and "input_ids" in choice:
                yield partial(_made, module, sizes, choice, {"use_cache": False})


def _made(module: Any, sizes: Sizes, makers: Mapping[str, Maker], settings: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {name: make(sizes) for name, make in makers.items()}
    _place_media(module, sizes, inputs)
    return {**inputs, **settings}


def _choices(names: list[str]) -> Iterator[dict[str, Maker]]:
    odd = [name for name in names if name in OTHER_SHAPES]
    usual = {name: MAKERS[name] for name in names}
    if not odd:
        yield usual
        return
    for make in OTHER_SHAPES[odd[0]]:
        yield {**usual, odd[0]: make}


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
        with torch.no_grad():
            found = features(**{key: value for key, value in inputs.items() if key in takes and key != "input_ids"})
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
    found = getattr(found, "pooler_output", None) if getattr(found, "pooler_output", None) is not None else getattr(found, "last_hidden_state", found)
    if isinstance(found, torch.Tensor):
        return found.numel() // found.shape[-1]
    return sum(_rows(item) for item in found)
