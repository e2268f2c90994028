"""What `import harness` brings, and what it leaves until it is asked for."""

import subprocess

import pytest
from anew import printed_anew
from quick_python import quick_python

import harness

pytestmark = pytest.mark.process


def test_importing_harness_does_not_import_torch() -> None:
    assert printed_anew("import sys, harness; print('torch' in sys.modules)") == "False"


def test_a_name_that_needs_torch_is_imported_when_it_is_asked_for() -> None:
    script = "from harness import Model, measure_model; print(Model.__module__)"
    done = subprocess.run([quick_python(), "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 (stands for this interpreter)

    assert done.stdout == "harness.workload.model\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'Modle'"):
        harness.Modle  # noqa: B018
    assert not hasattr(harness, "models")


def test_the_lazy_names_are_listed() -> None:
    assert {"Model", "measure_model", "Measurement", "__version__"} <= set(dir(harness))
