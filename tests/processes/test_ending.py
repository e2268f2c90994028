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


@pytest.mark.process
def test_where_nanobind_would_list_what_is_left_it_is_looked_through() -> None:
    """Its functions and classes are of types whose module it calls by its own name."""
    ending = (
        "import sys, types; from harness.processes.ending import end_without_search; end_without_search();"
        "sys.modules['made'] = types.ModuleType('made');"
        "sys.modules['made'].function = type('nb_func', (), {'__module__': 'nanobind'})()"
    )

    assert printed_anew(SCRIPT.format(ending)) == "False"
