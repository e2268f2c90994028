"""What an exact metric is made of, by module and operator, so that a difference has a name."""

from collections import Counter
from collections.abc import Sequence

from harness.duel.worker.protocol import Message
from harness.measure.attribution import attribute_peak, saved_shares
from harness.measure.calls import placed
from harness.measure.observe import Observation
from harness.measure.recording import trace
from harness.record.measured import Share
from harness.record.names import OPERATORS, PEAK, SAVED


def explanation(observation: Observation) -> Message:
    """Return, by metric, rows of module, class, operator and value."""
    step = observation.step
    module = step.model.module
    classes = {path: type(child).__name__ for path, child in module.named_modules(remove_duplicate=False)}
    followed = trace([part.call for part in step.parts], follow=module, device=observation.device)
    counted = Counter(
        (path, classes.get(path, ""), span.name.rpartition("::")[2])
        for path, span in placed(followed.operators, followed.modules)
    )
    return {
        "parts": {
            SAVED: _rows(saved_shares(observation.graph, module)),
            PEAK: _rows(attribute_peak(step, observation.device).shares),
            OPERATORS: [[*key, count] for key, count in counted.items()],
        }
    }


def _rows(shares: Sequence[Share]) -> list[list[str | int]]:
    return [[share.module, share.kind, share.operator or share.category, share.bytes] for share in shares]
