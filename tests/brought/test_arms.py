"""An arm does what its name says, or is refused: right values by the witness and by shape arithmetic."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_arms as models
from brought.command import measure
from brought.witness import held

from harness import Model

pytestmark = pytest.mark.process

_NO_GRAD = "trunk under no_grad"


def _held_by_hand(model: Model) -> int:
    """Run the trunk of a model under no_grad by hand, and return what its loss holds."""
    with torch.no_grad():
        kept: list[torch.Tensor] = []
        handle = model.module.head.register_forward_pre_hook(lambda _m, inputs: kept.append(inputs[0]))
        model()
        handle.remove()
    return held(lambda: model.loss(model.module.head(kept[0]))) + kept[0].untyped_storage().nbytes()


@pytest.mark.parametrize(
    "build",
    [
        models.module_list,
        pytest.param(models.module_dict, marks=pytest.mark.slow),
        pytest.param(models.backbone_by_method, marks=pytest.mark.slow),
    ],
)
def test_a_trunk_of_blocks_records_nothing_under_no_grad(build: Callable[[], Model], tmp_path: Path) -> None:
    model = build()
    # the head's input, the prediction, and the loss
    assert _held_by_hand(model) == 4096 + 256 + 4
    done = measure(f"models_arms:{build.__name__}", tmp_path, "--question", "freezing")

    assert done.count("all trainable", "saved") == 4 * 4096 + 256
    assert done.count(_NO_GRAD, "saved") == 4096 + 256
    assert done.count(_NO_GRAD, "retained") == 4096 + 256 + 4
    assert done.count(_NO_GRAD, "gradients") == (64 * 4 + 4) * 4
    assert done.count(_NO_GRAD, "peak") < done.count("all trainable", "peak")


@pytest.mark.parametrize(
    "build", [pytest.param(models.nested_lists, marks=pytest.mark.slow), models.bypassed]
)
def test_a_trunk_that_cannot_be_wrapped_is_right_or_refused(
    build: Callable[[], Model], tmp_path: Path
) -> None:
    model = build()
    assert _held_by_hand(model) == 4096 + 256 + 4
    done = measure(f"models_arms:{build.__name__}", tmp_path, "--question", "freezing")

    arm = done.arm(_NO_GRAD)
    if arm.get("status", "ok") == "ok":
        assert arm["counts"]["saved"] == 4096 + 256
        assert arm["counts"]["gradients"] == (64 * 4 + 4) * 4
    else:
        assert "trunk" in arm["reason"] or "no_grad" in arm["reason"]


def test_blocks_that_are_frozen_save_as_little_as_under_no_grad(tmp_path: Path) -> None:
    done = measure("models_arms:module_list", tmp_path, "--question", "freezing")

    assert done.count("trunk frozen", "saved") == done.count(_NO_GRAD, "saved") == 4096 + 256


def test_adapters_are_trained_by_a_pattern(tmp_path: Path) -> None:
    done = measure("models_arms:adapters", tmp_path, "--question", "freezing", "--train", "lora_*")
    gradients = {
        arm["arm"]: arm["counts"]["gradients"]
        for record in done.run["records"]
        for arm in record["arms"]
        if arm.get("status", "ok") == "ok" and "gradients" in arm["counts"]
    }

    assert done.status == 0
    assert gradients["all trainable"] == 66560 + 8192 + 1040
    assert [value for name, value in gradients.items() if "lora" in name or "adapter" in name] == [8192]


def test_a_pattern_that_names_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    done = measure("models_arms:adapters", tmp_path, "--question", "freezing", "--train", "ia3_*")

    assert done.status == 2
    assert "ia3_*" in done.said
    assert "Traceback" not in done.said


def test_a_model_with_a_frozen_base_is_measured_as_handed_over(tmp_path: Path) -> None:
    done = measure("models_arms:adapters_on_a_frozen_base", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert done.count(done.run["records"][0]["reference"], "gradients") == 8192 + 1040
    assert "as handed over" in done.said


def test_everything_can_be_trained_on_a_frozen_base(tmp_path: Path) -> None:
    done = measure("models_arms:adapters_on_a_frozen_base", tmp_path, "--question", "freezing")
    gradients = [arm["counts"].get("gradients") for arm in done.run["records"][0]["arms"]]

    assert 66560 + 8192 + 1040 in gradients


def test_biases_are_those_that_are_called_so(tmp_path: Path) -> None:
    done = measure("models_arms:biases", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert done.count("biases only", "gradients") == 272


def test_biases_of_a_model_without_are_skipped_with_a_reason(tmp_path: Path) -> None:
    done = measure("models_arms:without_biases", tmp_path, "--question", "freezing")

    arm = done.arm("biases only")
    told = " ".join([arm.get("reason", ""), *arm.get("notes", ()), *arm.get("warnings", ())])
    assert done.status == 0
    assert arm.get("status", "ok") in {"ok", "skipped"}
    assert "bias" in told


def test_a_tied_head_is_trained_with_what_it_shares(tmp_path: Path) -> None:
    done = measure("models_arms:tied", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert done.count("all trainable", "gradients") == 12800 + 16640
    assert done.count("trunk frozen", "gradients") == 12800
    assert done.count("head frozen", "gradients") == 16640
