"""The output is whatever the call returns, in an object of any class, found without calling its code."""

from collections.abc import Callable
from pathlib import Path

import pytest
from brought import models_outputs as models
from brought.command import measure
from brought.witness import held, spared

from harness import Model, ledger

pytestmark = pytest.mark.process


@pytest.mark.parametrize("build", [models.distribution, models.distribution_in_a_distribution])
def test_a_distribution_is_an_output(build: Callable[[], Model]) -> None:
    model = build()
    assert spared(model) == 8192
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes) == (8192, 0)
    assert books.nodes > 0


@pytest.mark.parametrize("way", models.WAYS)
def test_an_activation_in_an_object_is_an_output(way: str) -> None:
    model = models.returned_in(way)
    assert spared(model) == 0
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (0, 0, 0)
    assert books.nodes == 9  # addmm, transpose, tanh, addmm, transpose, and four parameters


@pytest.mark.parametrize("way", models.WAYS)
def test_what_hangs_behind_an_object_is_saved(way: str) -> None:
    model = models.returned_alone_in(way)
    assert spared(model) == 8192
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (8192, 0, 8192)
    assert books.retained_bytes == held(model)


def test_a_module_in_the_output_brings_no_parameters_with_it() -> None:
    model = models.module_beside_the_output()
    assert spared(model) == 8192
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes, books.nodes) == (8192, 0, 9)
    assert books.retained_bytes == 8192 + 32 * 8 * 4


@pytest.mark.parametrize("build", [models.generator, models.lazy_map, models.generator_in_a_dictionary])
def test_a_generator_is_said_to_have_run_nothing(build: Callable[[], Model]) -> None:
    books = ledger(build())

    assert any("generator" in note or "iterator" in note for note in books.notes)


def test_the_command_says_that_a_generator_has_run_nothing(tmp_path: Path) -> None:
    done = measure("models_outputs:generator", tmp_path, "--question", "grad_mode")

    assert done.status in {0, 2}
    assert done.says("generator")


@pytest.mark.parametrize(
    ("build", "nodes"),
    [(models.nothing, 0), (models.a_number, 0), (models.classes, 0)],
)
def test_an_output_without_a_graph_spares_nothing(build: Callable[[], Model], nodes: int) -> None:
    model = build()
    assert spared(model) == 0
    books = ledger(model)

    assert (books.saved_bytes, books.unaccounted_bytes, books.spared_bytes) == (0, 0, 0)
    assert books.nodes == nodes


def test_an_array_over_an_activation_is_held_with_and_without_a_graph() -> None:
    model = models.an_array()
    assert (held(model), spared(model)) == (8 * 64 * 4, 0)
    books = ledger(model)

    assert (books.retained_bytes, books.spared_bytes) == (8 * 64 * 4, 0)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(models.gpt2, marks=pytest.mark.slow),
        models.llama,
        pytest.param(models.t5, marks=pytest.mark.slow),
    ],
)
def test_a_decoder_at_its_defaults_balances(build: Callable[[], Model]) -> None:
    model = build()
    books = ledger(model)

    assert books.unaccounted_bytes == 0
    assert books.nodes > 0
    assert spared(model) == books.saved_bytes


def test_the_cache_of_a_decoder_is_held_with_and_without_a_graph() -> None:
    without, with_cache = models.llama(use_cache=False), models.llama()
    # keys and values: 2 layers * 2 * (2 rows * 2 heads * 17 tokens * 8) * 4 B
    cache = 2 * 2 * (2 * 2 * 17 * 8) * 4
    more = ledger(with_cache).retained_no_grad_bytes - ledger(without).retained_no_grad_bytes

    assert more == cache


def test_the_command_measures_a_decoder_at_its_defaults(tmp_path: Path) -> None:
    done = measure("models_outputs:llama", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.unaccounted() == 0
    assert done.count("grad", "nodes") > 0


def test_the_default_loss_of_a_distribution_is_asked_for_only_where_something_trains(tmp_path: Path) -> None:
    done = measure("models_outputs:distribution_in_a_distribution", tmp_path, "--question", "grad_mode")

    assert done.status == 0
    assert done.count("grad", "saved") == 8192
