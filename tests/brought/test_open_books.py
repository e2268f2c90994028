"""Open books have a reason: which block, of which module, and why, also where the rest is negative."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_open_books as models
from brought.command import measure
from brought.witness import spared

from harness import Ledger, Model, ledger

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning"),
]


def _told(books: Ledger, *words: str) -> bool:
    """Return whether books balance, or one sentence or block has each of the words."""
    if books.unaccounted_bytes == 0:
        return True
    sentences = [*books.notes, *(f"{block.module} {block.operator} {block}" for block in books.unaccounted)]
    return all(any(word in sentence for sentence in sentences) for word in words)


def test_a_parametrization_keeps_nothing() -> None:
    model = models.weight_norm_new()
    right = spared(model)
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (right, 0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (models.weight_norm_old, ("0", "weight")),
        (models.spectral_norm_old, ("0", "weight")),
        (models.kept_weight, ("rounded",)),
        (models.freed_by_the_module, ("free",)),
        (models.freed_by_a_hook, ("free",)),
        (models.hidden_on_ctx, ("mul", "HidesOnCtx")),
    ],
)
def test_a_rest_has_a_block_and_a_module(build: Callable[[], Model], words: tuple[str, ...]) -> None:
    right = spared(build())
    books = ledger(build())

    assert books.spared_bytes == right + (books.scalar_bytes if right else 0)
    assert _told(books, *words[:1])


@pytest.mark.parametrize(
    ("build", "spared_"),
    [(models.kept_weight, 0), (models.freed_by_the_module, 0), (models.hidden_on_ctx, 16384)],
)
def test_what_is_spared_is_right_where_books_are_open(build: Callable[[], Model], spared_: int) -> None:
    assert spared(build()) == spared_
    books = ledger(build())

    assert books.spared_bytes == spared_ + (books.scalar_bytes if spared_ else 0)


def test_what_no_hook_is_told_of_is_a_positive_rest_with_its_operator() -> None:
    books = ledger(models.hidden_on_ctx())

    assert (books.saved_bytes, books.unaccounted_bytes) == (8192, 8192)
    assert [(block.bytes, block.operator) for block in books.unaccounted] == [(8192, "aten::mul")]


@pytest.mark.parametrize("kept_by", models.POSITIONS)
def test_what_a_cache_outside_the_model_keeps_is_not_saved(kept_by: str) -> None:
    books = ledger(models.kept_outside(kept_by))

    assert (books.saved_bytes, books.spared_bytes, books.unaccounted_bytes) == (4096, 4096, 0)
    assert books.leaked_bytes == 0


def test_of_a_graph_that_a_list_keeps_alive_only_what_no_grad_keeps_too_is_not_saved() -> None:
    books = ledger(models.logged())

    assert (books.saved_bytes, books.spared_bytes, books.unaccounted_bytes) == (8192, 8192, 0)
    assert books.leaked_bytes == 2 * 8192
    assert any("the graph that is kept grows" in note for note in books.notes)


def test_a_checkpoint_keeps_the_state_of_the_generator() -> None:
    model = models.checkpointed()
    assert spared(model) == 8192
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (8192, torch.get_rng_state().numel())
    assert [block.operator for block in books.unaccounted] == ["torch.get_rng_state"]


def test_old_weight_norm_is_measured_in_every_question(tmp_path: Path) -> None:
    questions = [word for name in ("freezing", "regularizers") for word in ("--question", name)]
    # copy.deepcopy refuses it after a call
    done = measure("models_open_books:weight_norm_old", tmp_path, *questions)

    assert done.status == 0
    assert all(
        arm.get("status", "ok") != "failed" for record in done.run["records"] for arm in record["arms"]
    )


@pytest.mark.parametrize("target", ["weight_norm_old", "spectral_norm_old", "kept_weight", "freed_by_a_hook"])
def test_the_command_names_what_is_kept_or_freed(target: str, tmp_path: Path) -> None:
    done = measure(f"models_open_books:{target}", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.unaccounted() == 0 or "kept" in done.said or "keeps" in done.said or "free" in done.said
    assert all(
        arm.get("status", "ok") != "failed" for record in done.run["records"] for arm in record["arms"]
    )
