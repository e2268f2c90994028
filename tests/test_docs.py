"""Examples in docstrings are run, so that none says what the code does not do."""

import doctest
import importlib
import pkgutil

import pytest

import harness

MODULES = tuple(
    module.name
    for module in pkgutil.walk_packages(harness.__path__, "harness.")
    if not module.name.endswith("__main__")  # which runs when it is imported as a program only
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)

    assert results.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    with_examples = {
        name for name in MODULES if any(test.examples for test in finder.find(importlib.import_module(name)))
    }

    assert {"harness.record.measured", "harness.judge.verdict", "harness.report.units"} <= with_examples
