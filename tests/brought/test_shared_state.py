"""Arms and calls start from the same state, and a call that changes its inputs or its state is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_shared_state as models
from brought.command import measure
from brought.witness import spared

from harness import Model, ledger

pytestmark = pytest.mark.process


@pytest.mark.parametrize("target", ["handed_out", "handed_out_as_a_model", "handed_out_in_part"])
def test_arms_of_one_module_are_as_those_of_fresh_ones(target: str, tmp_path: Path) -> None:
    done = measure(f"models_shared_state:{target}", tmp_path, "--question", "freezing")
    if done.status == 2:
        assert "same module" in done.said or "same object" in done.said
        return

    assert done.status == 0
    assert done.count("all trainable", "gradients") == 34320
    assert done.count("head frozen", "gradients") == 33280
    assert done.count("biases only", "gradients") == 528


def test_a_module_that_is_handed_out_stays_as_it_was(tmp_path: Path) -> None:
    module, _ = models.handed_out()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    measure("models_shared_state:handed_out", tmp_path)

    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize(
    "target", ["hidden_state_detached", "counter", "moving_average", "once_from_one_state"]
)
def test_no_arm_fails_or_differs_by_the_state_of_another(target: str, tmp_path: Path) -> None:
    done = measure(f"models_shared_state:{target}", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    for arm in ("grad", "no_grad", "inference_mode"):
        assert done.arm(arm).get("status", "ok") == "ok", done.arm(arm)["reason"]
    # the output is held in each; without a graph that is all
    assert done.count("no_grad", "retained") == done.count("inference_mode", "retained")


@pytest.mark.parametrize("build", [models.counter, models.counter_in_a_list, models.once_from_one_state])
def test_a_call_starts_from_the_state_that_was_handed_over(build: Callable[[], Model]) -> None:
    books = ledger(build())

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (0, 0, 0)
    assert books.retained_bytes == 4096
    assert books.nodes == 5  # tanh, addmm, transpose, two parameters


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (models.counter, "calls"),
        (models.moving_average, "plain"),
        (models.hidden_state_detached, "hidden"),
        (models.once_from_one_state, "total"),
    ],
)
def test_state_that_a_call_changes_is_told(build: Callable[[], Model], name: str) -> None:
    assert any(name in note for note in ledger(build()).notes)


def test_a_graph_that_grows_from_call_to_call_is_told(tmp_path: Path) -> None:
    done = measure("models_shared_state:hidden_state_with_its_graph", tmp_path, "--question", "grad_mode")

    assert done.status in {0, 2}
    assert done.says(r"\bhidden\b")
    assert any("hidden" in note for note in ledger(models.hidden_state_with_its_graph()).notes)


def test_averages_that_a_call_moves_do_not_open_the_books() -> None:
    model = models.moving_average()
    assert spared(model) == 4096
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (4096, 0)


def test_a_teacher_that_a_call_moves_is_as_it_was_afterwards() -> None:
    model = models.teacher()
    before = [parameter.detach().clone() for parameter in model.module.parameters()]
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (8192, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.module.parameters(), strict=True))
    assert spared(model) == 8192


@pytest.mark.parametrize(
    ("build", "saved"),
    [(models.writes_its_input, 0), (models.pops_its_labels, 100), (models.changes_its_batch, 0)],
)
def test_an_input_that_a_call_changes_is_told_and_put_back(build: Callable[[], Model], saved: int) -> None:
    model = build()
    before = models.fingerprint(model.inputs)
    books = ledger(model)

    assert models.fingerprint(model.inputs) == before
    assert (books.saved_bytes, books.unaccounted_bytes) == (saved, 0)
    assert any("input" in note for note in books.notes)


@pytest.mark.parametrize("target", ["writes_its_input", "pops_its_labels", "changes_its_batch"])
def test_the_command_measures_a_model_that_changes_its_inputs(target: str, tmp_path: Path) -> None:
    done = measure(f"models_shared_state:{target}", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.unaccounted() == 0
    assert done.says("input", "chang|written|not what|restor|put back")
    assert "NaN" not in done.said
    assert "infinity" not in done.said


def test_an_input_that_is_used_up_is_told_in_one_line(tmp_path: Path) -> None:
    done = measure("models_shared_state:takes_next", tmp_path, "--question", "grad_mode")

    assert "iterator" in done.said or "StopIteration" in done.said
    assert "Traceback" not in done.said


def test_both_grad_modes_run_from_one_random_state(tmp_path: Path) -> None:
    books = ledger(models.random_rows())
    done = measure("models_shared_state:random_rows", tmp_path, "--question", "grad_mode")

    assert books.unaccounted_bytes == 0
    assert done.unaccounted() == 0
