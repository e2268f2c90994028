"""Small configurations: what depends on each other still fits, and everything else becomes small."""

import pytest

from bench.atlas.shrink import SCALES, Scale, shrunk

SMALL = Scale(width=16, heads=4)


def test_widths_heads_and_what_a_head_holds_still_fit() -> None:
    tree = {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    }

    assert shrunk(tree, SMALL) == {
        "hidden_size": 256,
        "intermediate_size": 688,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
    }


def test_heads_that_four_does_not_divide_stay_and_narrow_instead() -> None:
    tree = {"hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2, "head_dim": 64}

    assert shrunk(tree, SMALL) == {
        "hidden_size": 56,
        "num_attention_heads": 7,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }


def test_heads_without_a_width_of_their_own_divide_the_hidden_size() -> None:
    found = shrunk({"hidden_size": 1152, "num_attention_heads": 14}, SMALL)

    assert found == {"hidden_size": 72, "num_attention_heads": 6}


def test_sections_of_a_head_shrink_with_the_head() -> None:
    tree = {"num_attention_heads": 64, "head_dim": 128, "rope_parameters": {"mrope_section": [16, 24, 24]}}

    assert shrunk(tree, SMALL)["rope_parameters"] == {"mrope_section": [4, 6, 6]}


def test_every_kind_of_layer_stays() -> None:
    kinds = ["sliding"] * 5 + ["full"] + ["sliding"] * 6
    found = shrunk({"num_hidden_layers": 12, "layer_types": kinds}, SMALL)

    assert found == {"num_hidden_layers": 2, "layer_types": ["sliding", "full"]}


def test_numbers_of_single_layers_stay_as_many_and_inside() -> None:
    tree = {"num_hidden_layers": 12, "out_indices": [9, 10, 11, 12]}

    assert shrunk(tree, SMALL) == {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4]}


def test_the_numbers_of_convolutions_are_no_layers() -> None:
    tree = {"num_feat_extract_layers": 7, "conv_kernel": (10, 3, 3, 3, 3, 2, 2)}

    assert shrunk(tree, SMALL) == tree


def test_special_tokens_are_inside_the_vocabulary_and_stay_apart() -> None:
    tree = {
        "image_token_id": 151655,
        "text_config": {
            "model_type": "text",
            "vocab_size": 151936,
            "pad_token_id": 0,
            "eos_token_id": [151645, 151643],
        },
    }
    found = shrunk(tree, SMALL)

    assert found["text_config"]["vocab_size"] == 512
    assert found["text_config"]["pad_token_id"] == 0
    assert [found["image_token_id"], *found["text_config"]["eos_token_id"]] == [511, 510, 509]


def test_what_images_hand_to_the_text_has_the_width_of_the_text() -> None:
    tree = {
        "text_config": {"model_type": "text", "hidden_size": 8192},
        "vision_config": {"model_type": "vision", "embed_dim": 1280, "hidden_size": 3584},
    }

    assert shrunk(tree, SMALL)["vision_config"] == {
        "model_type": "vision",
        "embed_dim": 80,
        "hidden_size": 512,
    }


@pytest.mark.parametrize(
    ("image", "patch", "side"), [(224, 16, 224), (256, 16, 64), (336, 14, 84), (518, 14, 112), (1024, 16, 64)]
)
def test_images_hold_whole_patches(image: int, patch: int, side: int) -> None:
    assert shrunk({"image_size": image, "patch_size": patch}, SMALL)["image_size"] == side


def test_experts_are_few_and_fewer_are_chosen() -> None:
    tree = {"n_routed_experts": 256, "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4}

    assert shrunk(tree, SMALL) == {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
    }


def test_what_has_no_default_is_given() -> None:
    assert shrunk({"prediction_length": None}, SMALL) == {"prediction_length": 8}


def test_the_last_scale_changes_nothing_of_a_small_model() -> None:
    tree = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 6, "image_size": 224}

    assert shrunk(tree, SCALES[-1]) == tree


def test_a_repeated_pattern_of_layers_is_as_long_as_the_layers_that_are_left() -> None:
    tree = {"num_layers": 24, "attention_types": [[["global", "local"], 12]]}
    odd = {"num_layers": 9, "attention_types": [[["global", "local", "wide"], 3]]}

    assert shrunk(tree, SCALES[0]) == {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}
    assert shrunk(odd, SCALES[0]) == {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}
