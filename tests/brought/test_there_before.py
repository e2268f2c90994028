"""Storages that were there before a call are nothing that the call holds, wherever they live."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from brought import models_there_before as models
from brought.command import measure
from brought.witness import spared

from harness import Model, ledger

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("build", "saved"), models.LOSSES)
def test_a_target_of_the_loss_is_not_held_by_the_call(build: Callable[[], Model], saved: int) -> None:
    model = build()
    assert spared(model.loss_of_forward) == saved
    books = ledger(model.loss_of_forward)

    assert (books.saved_bytes, books.unaccounted_bytes) == (saved, 0)
    assert books.spared_bytes == saved + books.scalar_bytes


@pytest.mark.parametrize("build", models.MASKS)
def test_a_mask_is_not_held_by_the_call(build: Callable[[], Model]) -> None:
    model = build()
    assert spared(model) == 0
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (0, 0, 0)


def test_a_mask_mapped_from_a_file_is_not_held_by_the_call(tmp_path: Path) -> None:
    file = tmp_path / "mask.bin"
    np.ones(models.ROWS * models.WIDTH, dtype=np.float32).tofile(file)
    books = ledger(models.in_a_file(file))

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (0, 0, 0)


@pytest.mark.parametrize("build", [models.slotted_batch, models.nested_batch])
def test_a_batch_of_any_class_was_there(build: Callable[[], Model]) -> None:
    model = build()
    assert spared(model) == 0
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (0, 0)


def test_a_cache_that_is_only_read_was_there() -> None:
    model = models.cache_passed_in()
    assert spared(model) == 512
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (512, 0)


@pytest.mark.parametrize(
    ("build", "saved", "name"),
    [
        (models.layers_in_a_list, 12288, "hidden_layers"),
        (models.layers_in_a_dictionary, 12288, "experts"),
        (models.unregistered_leaf, 4096, "temperature"),
    ],
)
def test_what_parameters_does_not_see_is_told_and_not_counted(
    build: Callable[[], Model], saved: int, name: str
) -> None:
    model = build()
    assert spared(model) == saved
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (saved, 0)
    assert any(name in note for note in books.notes)


def test_a_graph_that_was_there_is_not_counted() -> None:
    model = models.computed_in_the_constructor()
    assert spared(model) == 0
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (0, 0)


def test_the_training_questions_do_not_count_the_target(tmp_path: Path) -> None:
    done = measure("models_there_before:squared_error", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert done.count("all trainable", "saved") == 4352
    assert done.unaccounted("all trainable") == 0


def test_the_command_tells_layers_that_parameters_does_not_see(tmp_path: Path) -> None:
    done = measure("models_there_before:layers_in_a_list", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.count("grad", "saved") == 12288
    assert done.unaccounted() == 0
    assert "hidden_layers" in done.said
