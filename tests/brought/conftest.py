"""What the tests of models that people bring share: what is there before a file of them is collected once."""

from collections.abc import Iterator

import pytest

from harness.measure.garbage import old_objects_set_aside


@pytest.fixture(autouse=True, scope="module")
def _old_objects_set_aside() -> Iterator[None]:
    """Spare each pass a collection of all that pytest and transformers left."""
    with old_objects_set_aside():
        yield
