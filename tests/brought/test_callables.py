"""Bare callables: leaves that were there are their parameters, what the call allocates is the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from brought import models_callables as models
from brought.command import measure
from brought.witness import held, spared

from harness import ledger
from harness.errors import HarnessError

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("build", "saved"), models.CALLS)
def test_a_callable_has_books(build: Callable[[], Callable[[], object]], saved: int) -> None:
    call = build()
    assert spared(call) == saved
    books = ledger(call)

    assert (books.saved_bytes, books.unaccounted_bytes) == (saved, 0)
    assert books.spared_bytes == saved + books.scalar_bytes
    assert books.nodes > 0


@pytest.mark.parametrize(
    ("build", "saved"),
    [*models.CALLS[:4], *(pytest.param(*call, marks=pytest.mark.slow) for call in models.CALLS[4:])],
)
def test_the_command_agrees_with_the_ledger_on_a_callable(
    build: Callable[[], Callable[[], object]], saved: int, tmp_path: Path
) -> None:
    done = measure(f"models_callables:{build.__name__}", tmp_path)

    assert done.status == 0
    arm = done.run["records"][0]["arms"][0]
    assert arm["counts"]["saved"] == saved
    assert arm["counts"]["nodes"] > 0


def test_what_a_callable_makes_itself_is_allocated_by_the_call() -> None:
    call = models.makes_its_own()
    books = ledger(call)

    # batch, tanh, and the last weight, 4 * 64 * 4 = 1024 B, which the way to tanh needs
    assert books.saved_bytes >= 4096 + 4096 + 1024
    # parameters go with their module where nothing is recorded; with a graph all of them stay: their leaves
    # are nodes of it
    assert books.spared_bytes == spared(call) + books.scalar_bytes
    assert books.unaccounted_bytes == 0 or books.unaccounted


def test_an_evaluation_without_a_graph_saves_nothing() -> None:
    call = models.without_grad()
    assert (held(call), spared(call)) == (256, 0)
    books = ledger(call)

    assert (books.saved_bytes, books.retained_bytes, books.nodes) == (0, 256, 0)


def test_an_evaluation_that_lost_its_no_grad_is_seen() -> None:
    call = models.lost_no_grad()
    assert spared(call) == 4096

    assert ledger(call).saved_bytes == 4096


def test_a_training_step_in_a_function_has_a_peak_and_holds_nothing() -> None:
    books = ledger(models.training())

    assert books.peak_bytes >= 4096 + (64 * 64 + 64 + 64 * 4 + 4) * 4  # tanh, and then the gradients
    assert books.saved_bytes == 0
    # its backward needs a graph, so that there is no pass without one
    assert books.retained_no_grad_bytes is None
    assert "retained_no_grad_bytes" in books.unavailable
    assert [note for note in books.notes if note.startswith("a call runs a backward pass itself: ")]


def test_a_call_that_takes_a_derivative_does_not_train() -> None:
    x = torch.ones(8, requires_grad=True)

    assert not ledger(lambda: torch.autograd.grad((x * x).sum(), x)).notes


def test_a_callable_that_returns_nothing_holds_nothing() -> None:
    books = ledger(models.returns_nothing())

    assert (books.saved_bytes, books.retained_bytes, books.unaccounted_bytes) == (0, 0, 0)
    assert books.peak_bytes >= 4096


def test_a_step_has_the_books_of_its_forward_pass() -> None:
    books = ledger(models.as_step())

    assert (books.saved_bytes, books.unaccounted_bytes) == (4096, 0)


def test_a_callable_that_needs_an_argument_is_refused_in_one_line() -> None:
    with pytest.raises(HarnessError, match="rows"):
        ledger(models.needs_an_argument())


@pytest.mark.parametrize("subject", [3, None, "mlp-relu", object()])
def test_what_cannot_be_called_is_refused_in_one_line(subject: object) -> None:
    with pytest.raises(HarnessError, match=r"Model.*Step|Step.*Model"):
        ledger(subject)  # type: ignore[arg-type]


def test_a_network_that_a_callable_names_is_frozen_itself_and_not_a_copy_that_never_runs(
    tmp_path: Path,
) -> None:
    done = measure("models_callables:names_a_net_of_its_file", tmp_path, "--question", "freezing")

    arms = {arm["arm"]: arm for arm in done.run["records"][0]["arms"]}
    # the last layer alone: a weight of 64 x 4 floats and a bias of 4
    assert arms["trunk frozen"]["counts"]["gradients"] == 64 * 4 * 4 + 4 * 4
    assert arms["trunk frozen"]["counts"]["nodes"] < arms["all trainable"]["counts"]["nodes"]
    (line,) = arms["all trainable"]["places"]["nodes"]
    assert (line["function"], line["count"]) == ("names_a_net_of_its_file", 2)
