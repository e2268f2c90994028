"""Where torch refuses an instrument, what it would have read is not available, and all else is measured."""

from collections.abc import Callable
from pathlib import Path

import pytest
from brought import models_refusals as models
from brought.command import measure
from brought.witness import spared

from harness import Model, ledger

# torch's own forward mode compiles a decomposition with torch.jit.script, which is deprecated
pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]

_TRANSFORMED = (models.hamiltonian, models.jacobian, models.meta_step)


@pytest.mark.parametrize("build", _TRANSFORMED)
def test_transforms_that_refuse_hooks_leave_the_levels(build: Callable[[], Model]) -> None:
    model = build()
    model()
    books = ledger(model)

    assert books.peak_bytes > 0
    assert books.retained_bytes > 0
    assert books.operators > 0
    assert books.spared_bytes is not None
    # No hook is told of what these save; the graph's own nodes are asked.
    assert books.saved_bytes + books.scalar_bytes == books.spared_bytes


@pytest.mark.parametrize(
    "build",
    [
        models.hamiltonian,
        pytest.param(models.jacobian, marks=pytest.mark.slow),
        pytest.param(models.meta_step, marks=pytest.mark.slow),
    ],
)
def test_the_command_measures_a_model_with_transforms(build: Callable[[], Model], tmp_path: Path) -> None:
    done = measure(f"models_refusals:{build.__name__}", tmp_path)

    assert done.status == 0
    for arm in ("grad", "no_grad", "all trainable", "trunk frozen"):
        assert done.count(arm, "peak") > 0
    assert done.unaccounted() == 0


def test_forward_mode_has_books() -> None:
    # tanh and what its tangent needs; 6400 B by torch's own profiler, with and without a graph
    assert ledger(models.tangent()).spared_bytes == 6400


def test_vmap_alone_has_books() -> None:
    model = models.ensemble()
    assert spared(model) == 40960
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (40960, 0)


@pytest.mark.parametrize("build", [models.forces, models.adapts])
def test_a_pass_that_needs_a_graph_has_all_but_the_pass_without(
    build: Callable[[], Model], tmp_path: Path
) -> None:
    model = build()
    books = ledger(model)
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "grad_mode")

    assert books.peak_bytes > 0
    assert books.saved_bytes is not None
    assert books.saved_bytes > 0
    assert books.retained_no_grad_bytes is None
    assert "retained_no_grad_bytes" in books.unavailable
    assert done.count("grad", "saved") == books.saved_bytes
    for arm in ("no_grad", "inference_mode"):
        assert done.arm(arm)["status"] == "failed"
        assert "RuntimeError" in done.arm(arm)["reason"]


def test_forces_are_trained(tmp_path: Path) -> None:
    done = measure("models_refusals:forces", tmp_path, "--question", "freezing")

    assert done.status == 0
    assert done.count("all trainable", "gradients") == (3 * 32 + 32 + 32) * 4
    assert "2.bias" in done.said  # the last bias moves no force, and gets no gradient


@pytest.mark.parametrize(
    "build", [models.traced, pytest.param(models.scripted, marks=pytest.mark.slow), models.scripted_inside]
)
def test_a_scripted_model_is_measured(build: Callable[[], Model], tmp_path: Path) -> None:
    books = ledger(build())
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "grad_mode")

    # The executor holds what it runs with a graph in mind under no_grad too, once it was specialised so.
    expected = 16384 + (16 * 64 * 4 if build is models.scripted_inside else 0)
    assert books.retained_bytes - books.retained_no_grad_bytes == books.spared_bytes
    assert books.retained_bytes == expected + 256
    assert books.saved_bytes in {None, expected, expected - 16384}
    assert (books.saved_bytes is None) == ("saved_bytes" in books.unavailable)
    # TorchScript that was run with a graph may refuse inference mode: that arm fails, with torch's reason.
    assert done.status in {0, 2}
    assert done.count("grad", "peak") > 0
    assert "Traceback" not in done.said


@pytest.mark.parametrize(
    "build",
    [
        models.traced,
        pytest.param(models.scripted, marks=pytest.mark.slow),
        pytest.param(models.scripted_inside, marks=pytest.mark.slow),
    ],
)
def test_a_scripted_model_is_trained(build: Callable[[], Model], tmp_path: Path) -> None:
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "freezing")
    model = build()

    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    assert done.status == 0
    assert done.count("all trainable", "gradients") == parameters * 4


@pytest.mark.parametrize("build", [models.jagged, models.jagged_inside])
def test_jagged_rows_are_measured(build: Callable[[], Model], tmp_path: Path) -> None:
    books = ledger(build())
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "grad_mode")

    assert books.spared_bytes == 11264 + (books.scalar_bytes or 0)
    assert books.saved_bytes in {None, 11264}
    assert (books.saved_bytes is None) == ("saved_bytes" in books.unavailable)
    for arm in ("grad", "no_grad"):  # torch has no jagged tensors made in inference mode
        assert done.arm(arm).get("status", "ok") == "ok"


@pytest.mark.parametrize("build", [models.sparse_words, models.sparse_bag])
def test_a_sparse_gradient_counts_its_indices_and_values(build: Callable[[], Model], tmp_path: Path) -> None:
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "regularizers")

    assert done.count("no regularizer", "gradients") == 10240 + 1280 + 68
    assert done.count("ensemble of 3", "gradients") == 3 * (10240 + 1280 + 68)


@pytest.mark.parametrize("build", [models.sparse_coo_input, models.sparse_buffer])
def test_a_sparse_matrix_was_there(build: Callable[[], Model], tmp_path: Path) -> None:
    model = build()
    assert spared(model) == 4096
    books = ledger(model)
    done = measure(f"models_refusals:{build.__name__}", tmp_path, "--question", "grad_mode")

    assert books.spared_bytes == 4096 + (books.scalar_bytes or 0)
    assert books.saved_bytes == 4096
    assert done.status == 0
    assert done.count("grad", "saved") == 4096


def test_a_wrapper_without_memory_is_looked_through_or_told(tmp_path: Path) -> None:
    books = ledger(models.wrapped_input())
    done = measure("models_refusals:wrapped_input", tmp_path, "--question", "grad_mode")

    assert books.spared_bytes == 16384 + (books.scalar_bytes or 0)
    assert books.saved_bytes in {None, 16384}
    assert (books.saved_bytes is None) == ("saved_bytes" in books.unavailable)
    assert done.status == 0


def test_a_model_without_memory_is_measured_or_refused_in_one_line(tmp_path: Path) -> None:
    done = measure("models_refusals:meta_weights", tmp_path, "--question", "grad_mode")

    assert done.status in {0, 2}
    if done.status == 2:
        assert "meta" in done.said
    else:
        assert done.count("grad", "peak") == 0
