"""What is held after the result is dropped is told, per call, with who holds it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from brought import models_leaks as models
from brought.command import measure

from harness import Model, ledger

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("build", "leaked"),
    [
        (models.appended_by_a_hook, 8192),
        (models.loss_log, 8192 + 256 + 4),
        (models.global_log, 8192),
        (models.memo, 8192),
        (models.clean, 0),
    ],
)
def test_what_each_call_leaves_is_counted(build: Callable[[], Model], leaked: int) -> None:
    books = ledger(build())

    # wrapped Python numbers of a graph that is left, 8 B each, are there beside
    assert books.leaked_bytes in {leaked, leaked + books.scalar_bytes}
    assert (leaked == 0) == (not any("leak" in note or "dropped" in note for note in books.notes))


@pytest.mark.parametrize(
    ("build", "module"),
    [(models.appended_by_a_hook, "1"), (models.loss_log, "net"), (models.memo, "net")],
)
def test_a_leak_names_its_module(build: Callable[[], Model], module: str) -> None:
    told = [note for note in ledger(build()).notes if "leak" in note or "dropped" in note or "held" in note]

    assert any(module in note for note in told)


def test_what_is_replaced_at_each_call_does_not_grow() -> None:
    model = models.replaced_by_a_hook()
    books = ledger(model)

    assert books.leaked_bytes in {0, 8192}  # held after the call, and as much after the next
    assert ledger(model).leaked_bytes == books.leaked_bytes
    assert books.spared_bytes == 0


def test_a_total_that_runs_on_is_told() -> None:
    books = ledger(models.running_total())

    assert books.leaked_bytes > 0
    assert any("total" in note for note in books.notes)


def test_an_output_kept_on_ctx_balances_and_is_told() -> None:
    books = ledger(models.output_on_ctx())

    assert books.saved_bytes == 8192
    assert books.unaccounted_bytes == 0
    assert books.leaked_bytes in {0, 8192}  # whether the collector ran before it was read
    assert any("cycle" in note or "collector" in note for note in books.notes)


@pytest.mark.parametrize("build", [models.packed_as_it_is, models.moved_to_where_it_is])
def test_a_circle_that_nothing_frees_balances_and_is_a_leak(build: Callable[[], Model]) -> None:
    books = ledger(build())

    assert (books.saved_bytes, books.spared_bytes, books.unaccounted_bytes) == (8192, 8192, 0)
    assert books.leaked_bytes == 8192
    assert any("the graph that is kept grows" in note for note in books.notes)


@pytest.mark.parametrize("target", ["appended_by_a_hook", "loss_log", "global_log", "output_on_ctx", "memo"])
def test_the_command_tells_a_leak(target: str, tmp_path: Path) -> None:
    done = measure(f"models_leaks:{target}", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.says("leak|dropped|held after")


def test_the_command_tells_no_leak_where_there_is_none(tmp_path: Path) -> None:
    done = measure("models_leaks:clean", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert not done.says("leak|dropped|held after")
    assert done.unaccounted() == 0


def test_timing_stops_before_a_leak_eats_memory(tmp_path: Path) -> None:
    before = len(models._HISTORY)
    measure("models_leaks:global_log", tmp_path, "--question", "grad_mode", "--budget", "0.2")

    # a budget of 0.2 s an arm is thousands of calls of 0.05 ms
    assert len(models._HISTORY) - before < 1000
    models._HISTORY.clear()
