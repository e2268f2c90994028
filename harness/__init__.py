"""What recording gradients costs a PyTorch model, in time and in exact bytes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.api import Comparison, compare, measure_model
    from harness.fitting.door import fit
    from harness.fitting.plan import Plan
    from harness.judge.verdict import Verdict
    from harness.limiting.asserting import assert_frozen, assert_no_graph, limits
    from harness.measure.ledger import Ledger, ledger
    from harness.measurement import Measurement
    from harness.workload.model import Model
    from harness.workload.step import Part, Step

__version__ = "0.2.0"

__all__ = [
    "Comparison",
    "HarnessError",
    "Ledger",
    "Measurement",
    "Model",
    "Part",
    "Plan",
    "Step",
    "Verdict",
    "assert_frozen",
    "assert_no_graph",
    "compare",
    "fit",
    "ledger",
    "limits",
    "measure_model",
]

# These need torch, which takes seconds to import, and whoever only reads results has no use for it.
_LAZY = {
    "Comparison": "harness.api",
    "Ledger": "harness.measure.ledger",
    "Measurement": "harness.measurement",
    "Model": "harness.workload.model",
    "Part": "harness.workload.step",
    "Plan": "harness.fitting.plan",
    "Step": "harness.workload.step",
    "Verdict": "harness.judge.verdict",
    "assert_frozen": "harness.limiting.asserting",
    "assert_no_graph": "harness.limiting.asserting",
    "compare": "harness.api",
    "fit": "harness.fitting.door",
    "ledger": "harness.measure.ledger",
    "limits": "harness.limiting.asserting",
    "measure_model": "harness.api",
}


def __getattr__(name: str) -> Any:
    """Import one of the names that need torch when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
