"""What the tests of models that people bring share: what is there before a file of them is collected once."""

from collections.abc import Iterator

import pytest

from harness.measure.garbage import old_objects_set_aside


@pytest.fixture(scope="module")
def _objects_set_aside() -> Iterator[None]:
    """Spare each pass a collection of all that pytest and transformers left.

    Not for tests of factories that hand out one module: nobody finds out who holds what is set aside.
    """
    with old_objects_set_aside():
        yield
