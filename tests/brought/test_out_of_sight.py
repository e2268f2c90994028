"""What no instrument of one thread sees is told, and so is what a first call builds."""

from collections.abc import Callable

import pytest
from brought import models_out_of_sight as models

from harness import Ledger, Model, ledger

pytestmark = pytest.mark.process


def _told(books: Ledger, *words: str) -> bool:
    return any(all(word in note for word in words) for note in books.notes)


@pytest.mark.parametrize(
    ("build", "bytes_"),
    [
        (models.in_a_thread, "12,288 B"),
        (models.in_two_threads, "8,192 B"),
        (models.returns_a_constant, "4,096 B"),
    ],
)
def test_what_was_made_elsewhere_is_told_in_bytes(build: Callable[[], Model], bytes_: str) -> None:
    books = ledger(build())

    assert _told(books, bytes_, "there before", "another thread")
    assert books.unaccounted_bytes == 0


def test_a_thread_that_computes_nothing_is_not_told() -> None:
    books = ledger(models.with_an_idle_thread())

    assert (books.saved_bytes, books.notes) == (8192, ())


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (models.builds_a_layer, "first"),
        (models.builds_a_row, "layers.0"),
        (models.builds_a_parameter, "weight"),
    ],
)
def test_what_the_first_call_builds_is_told_until_it_is_built(build: Callable[[], Model], name: str) -> None:
    model = build()
    first = ledger(model)
    model()
    later = ledger(model)

    assert _told(first, f"the first call builds {name},", "call the model once")
    assert later.notes == ()
    assert (first.saved_bytes, later.saved_bytes) == (8192, 8192)
    assert first.retained_bytes - later.retained_bytes in {33280, 32768}  # with a bias, and without
