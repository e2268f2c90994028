"""A model is measured as it was handed over: its dtypes, its modes, and what of it is trainable."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_as_handed_over as models
from brought.command import measure
from brought.witness import spared

from harness import Model, ledger, measure_model

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("build", "saved", "parameters", "dtype"), models.DTYPES)
def test_a_model_keeps_its_dtype(
    build: Callable[[], Model], saved: int, parameters: int, dtype: str, tmp_path: Path
) -> None:
    model = build()
    assert sum(p.numel() * p.element_size() for p in model.module.parameters()) == parameters
    assert spared(model) == saved
    books = ledger(model)
    done = measure(f"models_as_handed_over:{build.__name__}", tmp_path)

    assert (books.saved_bytes, books.unaccounted_bytes) == (saved, 0)
    assert done.status == 0
    assert done.run["records"][0]["case"]["dtype"] == dtype
    assert (done.count("grad", "saved"), done.unaccounted()) == (saved, 0)
    assert done.count("all trainable", "gradients") == parameters


def test_complex_weights_keep_their_imaginary_part(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = measure("models_as_handed_over:complex_weights", tmp_path)
    model = models.complex_weights()

    assert done.status == 0
    assert done.count("all trainable", "gradients") == 8 * 8 * 16 * 8
    assert done.count("grad", "saved") == ledger(model).saved_bytes == spared(model)


@pytest.mark.parametrize("build", [models.complex64, models.complex_weights])
def test_a_complex_model_is_not_cast_to_a_real_dtype(build: Callable[[], Model], tmp_path: Path) -> None:
    done = measure(f"models_as_handed_over:{build.__name__}", tmp_path, "--dtype", "float32")

    right = sum(p.numel() * p.element_size() for p in build().module.parameters())
    if done.status == 0:
        assert done.count("all trainable", "gradients") == right
    else:
        assert done.says("complex", "float32")


def test_a_cast_that_is_asked_for_is_made_and_named(tmp_path: Path) -> None:
    done = measure(
        "models_as_handed_over:bfloat16", tmp_path, "--dtype", "float32", "--question", "grad_mode"
    )

    assert done.run["records"][0]["case"]["dtype"] == "float32"
    assert done.count("grad", "saved") == 2 * 16384
    assert "bfloat16" in done.said


@pytest.mark.parametrize("build", [models.bfloat16, models.complex64, models.mixed, models.norm_in_eval])
def test_the_three_doors_agree_to_the_byte(build: Callable[[], Model], tmp_path: Path) -> None:
    through_python = measure_model(build(), questions=["grad_mode"], budget=0, curve=False)
    by_command = measure(f"models_as_handed_over:{build.__name__}", tmp_path, "--question", "grad_mode")
    counts = through_python.record("grad_mode").arms[0].counts
    books = ledger(build())

    assert counts["saved"] == by_command.count("grad", "saved") == books.saved_bytes
    assert counts["peak"] == by_command.count("grad", "peak") == books.peak_bytes
    assert counts["retained"] == by_command.count("grad", "retained") == books.retained_bytes


@pytest.mark.parametrize("build", [models.norm_in_eval, models.norm_in_eval_by_override])
@pytest.mark.parametrize("asked", [(), pytest.param(("--train",), marks=pytest.mark.slow)])
def test_a_norm_that_was_set_to_eval_stays_so(
    build: Callable[[], Model], asked: tuple[str, ...], tmp_path: Path
) -> None:
    model = build()
    right = spared(model.loss_of_forward)
    done = measure(f"models_as_handed_over:{build.__name__}", tmp_path, "--question", "freezing", *asked)

    assert ledger(model.loss_of_forward).saved_bytes == right
    # Statistics of the batch in train mode would allocate a mean and a deviation for 16 channels.
    reference = done.run["records"][0]["reference"]
    assert (done.count(reference, "saved"), done.unaccounted(reference)) == (right, 0)


def test_a_dropout_in_eval_stays_so_in_a_training_step(tmp_path: Path) -> None:
    model = models.dropout_in_eval()
    assert spared(model) == 8192
    done = measure("models_as_handed_over:dropout_in_eval", tmp_path, "--question", "freezing")

    assert ledger(model).saved_bytes == 8192
    # the loss holds its prediction beside: 16 * 4 * 4 = 256 B
    assert done.count("all trainable", "saved") == 8192 + 256


def test_a_dropout_kept_in_train_mode_runs_in_an_eval_model(tmp_path: Path) -> None:
    model = models.dropout_in_train_alone()
    assert spared(model) == 12288
    done = measure("models_as_handed_over:dropout_in_train_alone", tmp_path, "--question", "grad_mode")

    assert ledger(model).saved_bytes == 12288
    assert done.count("grad", "saved") == 12288


def test_a_model_whose_norm_must_not_train_can_be_measured(tmp_path: Path) -> None:
    done = measure("models_as_handed_over:refuses_train_mode", tmp_path)

    assert done.status == 0
    assert all(
        arm.get("status", "ok") != "failed" for record in done.run["records"] for arm in record["arms"]
    )


def test_a_mode_that_is_changed_is_said(tmp_path: Path) -> None:
    done = measure("models_as_handed_over:dropout_in_eval", tmp_path, "--question", "grad_mode", "--eval")

    assert re.search(r"(set|chang|switch|put)[^.]{0,60}eval|eval[^.]{0,60}(chang|handed over)", done.said)


def test_measuring_changes_no_mode_of_the_model_at_hand() -> None:
    model = models.norm_in_eval()
    before = [module.training for module in model.module.modules()]
    ledger(model)
    measure_model(model, questions=["freezing"], budget=0, curve=False)

    assert [module.training for module in model.module.modules()] == before


@pytest.mark.parametrize(("build", "gradients"), [(models.frozen_base, 1040), (models.frozen_bias, 17424)])
def test_what_was_frozen_stays_frozen_and_the_reference_is_called_so(
    build: Callable[[], Model], gradients: int, tmp_path: Path
) -> None:
    done = measure(f"models_as_handed_over:{build.__name__}", tmp_path, "--question", "freezing")

    assert done.count(done.run["records"][0]["reference"], "gradients") == gradients
    assert "as handed over" in done.said


def test_an_input_that_requires_grad_is_recorded() -> None:
    model = models.input_requires_grad()
    assert spared(model) == 4096
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (4096, 0)
    assert model.inputs[0].requires_grad  # type: ignore[index]
    assert model.inputs[0].grad is None  # type: ignore[index]


def test_measuring_leaves_the_generator_and_the_default_dtype_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    model = models.dropout_in_train_alone()
    torch.manual_seed(7)
    ledger(model)

    assert torch.equal(torch.rand(3), expected)
    assert torch.get_default_dtype() == torch.float32
