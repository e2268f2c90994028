"""Inputs by the names of a forward pass's arguments, and the sizes in a configuration."""

import pytest
import torch

from bench.atlas.inputs import variants

transformers = pytest.importorskip("transformers", minversion="5")

# A torchvision built for another torch, which transformers imports where it is installed, says so.
pytestmark = pytest.mark.filterwarnings("ignore:Failed to load image Python extension")


class Fused(torch.nn.Module):
    """Takes an image and text, with a placeholder for every feature of the image."""

    main_input_name = "input_ids"

    def __init__(self) -> None:
        super().__init__()
        self.config = transformers.LlamaConfig(vocab_size=64, pad_token_id=0)
        self.config.image_token_id = 63

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return pixel_values.new_zeros(2, 3, 8)

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor | None = None) -> torch.Tensor:
        raise NotImplementedError


def test_there_are_as_many_placeholders_as_an_image_has_features() -> None:
    inputs = next(variants(Fused(), fewer=False))()

    assert inputs["pixel_values"].shape == (2, 3, 64, 64)
    assert (inputs["input_ids"] == 63).sum(1).tolist() == [3, 3]
    assert inputs["input_ids"].shape == (2, 19)


def test_fewer_kinds_are_text_alone_without_special_tokens() -> None:
    inputs = next(variants(Fused(), fewer=True))()

    assert list(inputs) == ["input_ids"]
    assert not set(inputs["input_ids"].flatten().tolist()) & {0, 1, 2, 63}


class Odd(Fused):
    main_input_name = "sonar"

    def forward(self, sonar: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


def test_an_argument_of_an_unknown_name_is_named() -> None:
    with pytest.raises(LookupError, match="none are made here of the kind sonar"):
        next(variants(Odd(), fewer=False))()


class Albums(Fused):
    def forward(
        self, pixel_values: torch.Tensor, pixel_attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        raise NotImplementedError


def test_where_an_example_has_several_images_each_has_a_mask() -> None:
    shapes = [
        (made["pixel_values"].shape, made["pixel_attention_mask"].shape)
        for made in (make() for make in variants(Albums(), fewer=False))
    ]

    assert ((2, 3, 64, 64), (2, 64, 64)) in shapes
    assert ((2, 1, 3, 64, 64), (2, 1, 64, 64)) in shapes


def test_a_class_without_a_forward_pass_is_told_apart() -> None:
    from bench.atlas.transformers_source import _runs

    assert (_runs("BertModel"), _runs("BarkModel")) == (True, False)
