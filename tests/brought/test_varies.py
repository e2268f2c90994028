"""Repeats are checked: what differs from call to call is a range and no exact number, and has a name."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_varies as models
from brought.command import measure
from brought.witness import spared
from typer.testing import CliRunner

from harness import Ledger, Model, ledger
from harness.commands import app

pytestmark = pytest.mark.process


def _explained(books: Ledger) -> bool:
    """Return whether books balance, or say who keeps what without a graph too."""
    return books.unaccounted_bytes == 0 or any(re.search("kept|keep|held|hold", note) for note in books.notes)


def test_random_depth_in_eval_is_exact(tmp_path: Path) -> None:
    model = models.layerdrop_in_eval()
    assert spared(model) == 49152
    books = ledger(model)
    done = measure("models_varies:layerdrop_in_eval", tmp_path, "--question", "grad_mode")

    assert (books.saved_bytes, books.unaccounted_bytes, dict(books.varies)) == (49152, 0, {})
    assert done.count("grad", "saved") == 49152
    assert not done.arm("grad").get("varies")


@pytest.mark.parametrize("build", [models.layerdrop, models.drawn_by_python, models.drawn_by_numpy])
def test_random_depth_from_one_seed_balances(build: Callable[[], Model]) -> None:
    books = ledger(build())

    # The input of the first GELU and on: every layer that ran holds two activations.
    assert books.saved_bytes % 8192 == 0
    assert books.unaccounted_bytes == 0


@pytest.mark.parametrize(
    "target",
    [
        "layerdrop",
        pytest.param("drawn_by_python", marks=pytest.mark.slow),
        pytest.param("drawn_by_numpy", marks=pytest.mark.slow),
        pytest.param("wav2vec2", marks=pytest.mark.slow),
    ],
)
def test_random_depth_is_said_to_vary(target: str, tmp_path: Path) -> None:
    done = measure(f"models_varies:{target}", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert any(arm.get("varies") for record in done.run["records"] for arm in record["arms"])
    assert "varies" in done.said
    assert "layers" in done.said


@pytest.mark.parametrize("target", ["layerdrop", pytest.param("wav2vec2", marks=pytest.mark.slow)])
def test_random_depth_balances_in_every_arm(target: str, tmp_path: Path) -> None:
    done = measure(f"models_varies:{target}", tmp_path, "--question", "grad_mode", "--train")

    assert done.status == 0
    assert done.unaccounted() == 0


def test_what_no_seed_restores_is_a_range() -> None:
    books = ledger(models.drawn_by_a_clock())

    assert books.varies["saved_bytes"] == (0, 49152)
    assert books.saved_bytes in {0, 49152}
    assert any("layers" in note for note in books.notes)


def test_the_command_writes_the_range_down(tmp_path: Path) -> None:
    done = measure("models_varies:drawn_by_a_clock", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert "saved" in done.arm("grad")["varies"]
    low, high = done.arm("grad")["varies"]["saved"]
    assert (low, high) == (0, 49152)
    assert "varies" in done.said


def test_a_generator_of_the_modules_own_is_restored_or_its_range_is_told() -> None:
    books = ledger(models.own_generator())

    assert books.unaccounted_bytes == 0
    assert books.varies or ledger(models.own_generator()).saved_bytes == books.saved_bytes


def test_rows_that_grow_out_of_reach_are_a_range(tmp_path: Path) -> None:
    books = ledger(models.growing_rows())
    done = measure("models_varies:growing_rows", tmp_path, "--question", "grad_mode")

    low, high = books.varies["saved_bytes"]
    assert high > low
    assert (high - low) % 256 == 0  # rows of 64 numbers
    assert "varies" in done.said


def test_a_cache_that_is_passed_in_is_put_back_and_told() -> None:
    model = models.decoder()
    books = ledger(model)
    again = ledger(model)

    assert (books.saved_bytes, books.spared_bytes) == (again.saved_bytes, 4 + books.scalar_bytes)
    assert _explained(books)
    assert len(model.inputs[1].keys) == 0  # type: ignore[index]
    assert any("input" in note for note in books.notes)


def test_a_decoding_step_starts_from_the_cache_that_was_passed_in(tmp_path: Path) -> None:
    model = models.llama_decode_step()
    books = ledger(model)
    done = measure("models_varies:llama_decode_step", tmp_path, "--question", "grad_mode")

    assert books.unaccounted_bytes == 0
    cache = next(value for value in model.inputs.values() if hasattr(value, "get_seq_length"))
    assert cache.get_seq_length() == 64
    assert done.unaccounted() == 0
    assert done.says("input", "chang|grow|longer|not what|restor|put back")
    # logits of one token, and longer keys and values: 2 layers * 2 * (2 * 4 * 65 * 8) * 4 B
    held = 2 * 101 * 4 + 2 * 2 * (2 * 4 * 65 * 8) * 4
    assert done.count("no_grad", "retained") == held


def test_a_table_that_the_first_call_fills_is_not_spared_by_no_grad() -> None:
    model = models.filled_at_the_first_call()
    books = ledger(model)
    assert spared(models.filled_at_the_first_call()) == 0

    assert books.spared_bytes == 0
    assert _explained(books)


@pytest.mark.parametrize(
    "target",
    [
        "layerdrop",
        pytest.param("drawn_by_a_clock", marks=pytest.mark.slow),
        pytest.param("growing_rows", marks=pytest.mark.slow),
    ],
)
def test_the_gate_is_green_on_what_varies(target: str, tmp_path: Path) -> None:
    options = ["--baseline", str(tmp_path / "baselines")]
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        torch.manual_seed(number)
        measure(f"models_varies:{target}", folder, "--question", "grad_mode")
        command = ["gate", str(folder / "run.json"), *options]
        if number == 0:
            CliRunner().invoke(app, [*command, "--update"])
        assert CliRunner().invoke(app, command).exit_code == 0
