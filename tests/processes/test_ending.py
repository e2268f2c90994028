"""A process that ends without the last search for garbage."""

import pytest
from anew import printed_anew

SCRIPT = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # is run last
{}
"""


@pytest.mark.process
def test_at_the_end_nothing_is_left_to_look_through() -> None:
    ending = "from harness.processes.ending import end_without_search; end_without_search()"

    assert printed_anew(SCRIPT.format(ending)) == "True"
    assert printed_anew(SCRIPT.format("")) == "False"
