"""What a step hands to collectives, in bytes, from torch's own record of operators and their tensors.

Counted where torch hands a tensor to a process group, so that it is the same for gloo and NCCL. What then
crosses a wire depends on the algorithm that the backend picks.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.measure.torch_compat import operator_recorder
from harness.processes.folder import own_folder
from harness.record.measured import Metric

SENT = "sent"
TRAINABLE = "trainable"
RANK_PEAK = "peak of a rank"
_PREFIX = "c10d::"
_TENSOR_FIELDS = 6  # tensor, storage, offset, elements, bytes of an element, device
_REDUCED, _GATHERED, _SCATTERED, _BROADCAST, _OTHER = (
    "all-reduced",
    "all-gathered",
    "reduce-scattered",
    "broadcast",
    "otherwise sent",
)
# By operator: what it counts as, and which of its arguments is the whole buffer, not one rank's share.
_COLLECTIVES = {
    "allreduce_": (_REDUCED, 0),
    "allreduce_coalesced_": (_REDUCED, 0),
    "_allgather_base_": (_GATHERED, 0),
    "allgather_": (_GATHERED, 0),
    "allgather_coalesced_": (_GATHERED, 0),
    "allgather_into_tensor_coalesced_": (_GATHERED, 0),
    "_reduce_scatter_base_": (_SCATTERED, 1),
    "reduce_scatter_": (_SCATTERED, 1),
    "reduce_scatter_tensor_coalesced_": (_SCATTERED, 1),
    "broadcast_": (_BROADCAST, 0),
}


def _metric(name: str, meaning: str) -> Metric:
    return Metric(name, "B", "lower", "exact", meaning)


METRICS = (
    _metric(TRAINABLE, "the parameters that are trained, of all ranks together"),
    _metric(SENT, "bytes of all buffers that a rank hands to collectives in a step"),
    _metric(_REDUCED, "of them, summed over all ranks"),
    _metric(_GATHERED, "of them, put together from a share of each rank: the whole, not the share"),
    _metric(_SCATTERED, "of them, summed over all ranks, a share to each: the whole, not the share"),
    _metric(_BROADCAST, "of them, copied from one rank to the others"),
    _metric(_OTHER, "of them, in other collectives"),
    Metric(
        RANK_PEAK, "B", "lower", "witness", "highest allocated bytes above the start of a step, on any rank"
    ),
)


def bytes_sent(step: Callable[[], object]) -> dict[str, int]:
    """Run a step once and return the bytes that it hands to collectives, by metric.

    All ranks have to call this together.
    """
    with tempfile.TemporaryDirectory(dir=own_folder()) as folder:
        path = Path(folder) / "operators.json"
        recorder = operator_recorder()
        recorder.register_callback(str(path))
        recorder.start()
        try:
            step()
        finally:
            recorder.stop()
            recorder.unregister_callback()
        return sent_of(json.loads(path.read_bytes())["nodes"])


def sent_of(nodes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Add up the buffers of the collectives among recorded operators.

    A kind of collective that did not occur is left out; `sent` is always there.

    >>> sent_of([{"name": "c10d::allreduce_", "inputs": [[[1, 2, 0, 100, 4, "cpu"]], "<Object>"]}])
    {'all-reduced': 400, 'sent': 400}
    """
    sent: dict[str, int] = {}
    for node in nodes:
        if not node["name"].startswith(_PREFIX):
            continue
        inputs = node["inputs"]
        # torch < 2.3 lists the values themselves; drop with those tox factors
        values = inputs["values"] if isinstance(inputs, dict) else inputs
        kind, whole = _COLLECTIVES.get(node["name"].removeprefix(_PREFIX), (_OTHER, None))
        counted = sum(_tensors(values if whole is None else values[whole]))
        if counted:
            sent[kind] = sent.get(kind, 0) + counted
    return {**sent, SENT: sum(sent.values())}


def _tensors(value: object) -> Iterator[int]:
    """Yield the bytes of every tensor in nested lists of recorded values."""
    if not isinstance(value, list):
        return
    if len(value) == _TENSOR_FIELDS and all(isinstance(field, int) for field in value[:-1]):
        yield value[3] * value[4]
        return
    for item in value:
        yield from _tensors(item)
