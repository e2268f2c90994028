"""What `import harness` brings, and what it leaves until it is asked for."""

from pathlib import Path

import pytest
from anew import printed_anew

import harness

pytestmark = pytest.mark.process


def test_importing_harness_does_not_import_torch() -> None:
    assert printed_anew("import sys, harness; print('torch' in sys.modules)") == "False"


def test_a_name_that_needs_torch_is_imported_when_it_is_asked_for() -> None:
    assert printed_anew("from harness import Model, measure_model; print(Model.__module__)") == (
        "harness.workload.model"
    )


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'Modle'"):
        harness.Modle  # noqa: B018
    assert not hasattr(harness, "models")


def test_the_lazy_names_are_listed() -> None:
    assert {"Model", "measure_model", "Measurement", "__version__"} <= set(dir(harness))


def test_the_readmes_example_runs() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    said = printed_anew("import torch; torch.set_num_threads(1)\n" + code)
    assert "A/A control" in said
    assert "saved_bytes=262144, scalar_bytes=0, unaccounted_bytes=0" in said
