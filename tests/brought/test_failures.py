"""A failure belongs to the arm that failed, is said once, and takes nothing else with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from brought import models_failures as models
from brought.command import Measured, measure

from harness import ledger

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings(
        "ignore:None of the inputs have requires_grad:UserWarning",
        "ignore:Lazy modules are a new feature:UserWarning",
    ),
]

_QUESTIONS = ("grad_mode", "freezing", "decay_groups")


@pytest.fixture(autouse=True)
def _recording() -> Iterator[None]:
    with torch.enable_grad():
        yield
    torch.set_grad_enabled(True)


def _failed(done: Measured) -> set[str]:
    return {
        arm["arm"]
        for record in done.run["records"]
        for arm in record["arms"]
        if arm.get("status") == "failed"
    }


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("unused_pooler", ("pooler",)),
        ("unused_experts", ("experts.1", "experts")),
        ("detached_encoder", ("encoder",)),
        ("silent_checkpoint", ("block",)),
    ],
)
def test_trainable_parameters_without_a_gradient_are_listed(
    target: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    done = measure(f"models_failures:{target}", tmp_path, "--question", "freezing")

    assert any(done.says(re.escape(name), "no gradient|without a gradient|gets none") for name in names)


def test_the_head_is_one_that_the_forward_pass_uses(tmp_path: Path) -> None:
    done = measure("models_failures:unused_pooler", tmp_path, "--question", "freezing")

    assert done.count("trunk frozen", "gradients") == 1040


def test_only_the_head_trains_behind_a_detached_trunk(tmp_path: Path) -> None:
    detached = measure("models_failures:detached_encoder", tmp_path, "--question", "freezing")
    checkpointed = measure("models_failures:silent_checkpoint", tmp_path, "--question", "freezing")

    assert detached.count("all trainable", "gradients") == 528
    assert checkpointed.count(checkpointed.run["records"][0]["reference"], "gradients") == 1040


@pytest.mark.parametrize("target", ["nothing_trains", "returns_classes", "no_parameters"])
def test_a_step_that_cannot_train_is_said_once(target: str, tmp_path: Path) -> None:
    done = measure(f"models_failures:{target}", tmp_path)

    assert done.status in {0, 2}
    assert done.arm("grad").get("status", "ok") == "ok"
    assert done.says("train", "nothing|no |not |none|cannot|never")
    assert done.said.count("does not require grad") <= 1


@pytest.mark.parametrize("target", ["returns_words", "returns_classes"])
def test_a_loss_is_asked_for_by_questions_that_train_alone(target: str, tmp_path: Path) -> None:
    done = measure(f"models_failures:{target}", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert not _failed(done)


@pytest.mark.parametrize("target", ["lazy", "lazy_convolution"])
def test_lazy_layers_are_made_before_they_are_measured(target: str, tmp_path: Path) -> None:
    questions = [word for name in _QUESTIONS for word in ("--question", name)]
    done = measure(f"models_failures:{target}", tmp_path, *questions)

    assert done.status == 0
    assert not _failed(done)
    assert done.count("all trainable", "gradients") > 0


def test_lazy_layers_have_books() -> None:
    books = ledger(models.lazy())

    assert (books.saved_bytes, books.unaccounted_bytes) == (2 * 16 * 64 * 4, 0)


def test_a_reference_that_fails_fails_alone(tmp_path: Path) -> None:
    done = measure("models_failures:only_without_graph", tmp_path, "--question", "grad_mode")

    assert _failed(done) == {"grad"}
    assert "leaf" in done.arm("grad")["reason"]
    assert done.count("no_grad", "retained") == 256


def test_arms_that_do_not_reach_the_failure_are_measured(tmp_path: Path) -> None:
    done = measure("models_failures:trunk_refuses_backward", tmp_path, "--question", "freezing")

    assert _failed(done) == {"all trainable", "head frozen", "biases only"}
    assert "sign has no gradient here" in done.arm("all trainable")["reason"]
    assert done.count("trunk frozen", "gradients") == 528


def test_arms_that_the_optimizer_takes_are_measured(tmp_path: Path) -> None:
    done = measure("models_failures:refused_by_the_optimizer", tmp_path, "--question", "freezing")

    assert "all trainable" in _failed(done)
    assert "sparse" in done.arm("all trainable")["reason"]
    assert done.count("trunk frozen", "gradients") == 68
    assert done.arm("all frozen").get("status", "ok") == "ok"


def test_the_reference_that_the_others_are_held_against_is_named(tmp_path: Path) -> None:
    done = measure("models_failures:trunk_refuses_backward", tmp_path, "--question", "freezing")

    assert done.says("trunk frozen", "reference|against|compared")


def test_an_arm_that_changes_nothing_is_said_to(tmp_path: Path) -> None:
    done = measure("models_failures:frozen_already", tmp_path, "--question", "freezing")

    told = " ".join(
        [*done.arm("trunk frozen").get("notes", ()), *done.arm("trunk frozen").get("warnings", ())]
    )
    assert done.status == 0
    assert "nothing" in told or "the same" in told


def test_the_models_own_error_is_one_line_with_its_module(tmp_path: Path) -> None:
    done = measure("models_failures:raises", tmp_path)

    assert done.status == 2
    assert "Linear" in done.said
    assert "mat1 and mat2" in done.said
    assert "Traceback" not in done.said


def test_recording_that_is_off_in_the_process_is_turned_on_or_told(tmp_path: Path) -> None:
    done = measure("models_failures:gradients_off", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.count("grad", "saved") == 32768 or "set_grad_enabled" in done.said
    assert done.unaccounted() == 0


def test_a_ledger_where_recording_is_off_is_right_or_says_so() -> None:
    model = models.build()
    with torch.no_grad():
        books = ledger(model)

    assert books.saved_bytes == 32768 or any("recording" in note or "no_grad" in note for note in books.notes)


def test_inputs_of_inference_mode_fail_in_the_arm_that_records(tmp_path: Path) -> None:
    done = measure("models_failures:inference_tensors", tmp_path, "--question", "grad_mode")

    assert done.arm("grad")["status"] == "failed"
    assert "nference tensors" in done.arm("grad")["reason"]
    assert done.arm("inference_mode").get("status", "ok") == "ok"
