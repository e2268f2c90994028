"""What recording gradients costs a PyTorch model, in time and in exact bytes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Comparison as Comparison
    from harness.api import compare as compare
    from harness.fitting.door import fit as fit
    from harness.fitting.plan import Plan as Plan
    from harness.measure.observe import Ledger as Ledger
    from harness.measure.observe import ledger as ledger
    from harness.measuring import Measurement as Measurement
    from harness.measuring import measure_model as measure_model
    from harness.workload.model import Model as Model

__version__ = "0.1.0"

# These need torch, which takes seconds to import, and whoever only reads results has no use for it.
_LAZY = {
    "Comparison": "harness.api",
    "compare": "harness.api",
    "Ledger": "harness.measure.observe",
    "ledger": "harness.measure.observe",
    "fit": "harness.fitting.door",
    "Plan": "harness.fitting.plan",
    "Model": "harness.workload.model",
    "Measurement": "harness.measuring",
    "measure_model": "harness.measuring",
}


def __getattr__(name: str) -> Any:
    """Import one of the few names that need torch when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
