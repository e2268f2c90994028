"""The sizes that inputs have to fit, as a configuration says them."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


def special_tokens(sizes: Sizes) -> set[int]:
    """Return the tokens that mean something else than text."""
    found: set[int] = set()
    for part in sizes.parts():
        for name, value in vars(part).items():
            if name.endswith(("token_id", "token_index", "token_ids")):
                found |= (
                    {value}
                    if isinstance(value, int)
                    else set(value or ())
                    if isinstance(value, (list, tuple))
                    else set()
                )
    return found


def _side(value: Any, default: int = SIDE) -> tuple[int, int]:
    if isinstance(value, Mapping):
        value = (
            (value["height"], value["width"]) if "height" in value else next(iter(value.values()), default)
        )
    if isinstance(value, (list, tuple)):
        return (
            (int(value[0]), int(value[-1]))
            if value and not isinstance(value[0], (list, tuple))
            else (default, default)
        )
    return (int(value), int(value)) if value else (default, default)


def image_size(sizes: Sizes) -> tuple[int, int]:
    """Return rows and columns of an image."""
    size = sizes.of("vision", "image_size", "img_size", "input_size", "vision_image_size", default=SIDE)
    return _side(size)


def channels(sizes: Sizes) -> int:
    """Return the channels of an image."""
    count = sizes.of("vision", "num_channels", "in_channels", "in_chans", "image_channels", default=3)
    return count if isinstance(count, int) and count < 16 else 3  # noqa: PLR2004 (others are widths)


def mels(sizes: Sizes) -> int:
    """Return the bands of a spectrogram."""
    return int(
        sizes.of(
            "audio",
            "num_mel_bins",
            "mel_bins",
            "n_mels",
            "input_feat_size",
            "num_mels",
            "feature_size",
            "input_feat_per_channel",
            "input_feature_dim",
            "num_mel_channels",
            "input_dim",
            "feature_projection_input_dim",
            default=80,
        )
    )
