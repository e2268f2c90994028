"""The ledger of one call: what it does to memory in bytes, and to the graph in counts."""

from dataclasses import dataclass

import torch

from harness.errors import HarnessError
from harness.measure.exact import exact_numbers
from harness.measure.observe import Observation
from harness.record.measured import Block
from harness.record.names import PEAK, SAVED
from harness.record.spared import why_nothing_is_spared
from harness.workload.call import as_call
from harness.workload.model import Model
from harness.workload.step import Part, Step


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one call of a step does to memory, in bytes, and to the graph, in counts.

    A number that cannot be had is None, with its reason in `unavailable`.

    Attributes:
        peak_bytes: highest allocated bytes above the start of the step.
        retained_bytes: held when the forward pass has returned, its output included.
        retained_no_grad_bytes: the same under `no_grad`.
        saved_bytes: unique storages that the call allocated and its graph holds for backward.
        scalar_bytes: Python numbers that the graph holds as tensors.
        unaccounted_bytes: what the books miss; 0 when they balance.
        unaccounted: the blocks behind it, largest first.
        nodes: autograd nodes behind what the forward pass returns.
        operators: operators dispatched in the step.
        leaked_bytes: what each call leaves behind when all that it returned is dropped.
        varies: the lowest and highest value of each number that differs from call to call, by its name here.
        unavailable: why a number cannot be had, by its name here.
        notes: what a reader of the numbers should know, a sentence each.
    """

    peak_bytes: int
    retained_bytes: int
    retained_no_grad_bytes: int | None
    saved_bytes: int
    scalar_bytes: int
    unaccounted_bytes: int | None
    unaccounted: tuple[Block, ...]
    nodes: int
    operators: int
    leaked_bytes: int
    varies: dict[str, tuple[int, int]]
    unavailable: dict[str, str]
    notes: tuple[str, ...]

    @property
    def spared_bytes(self) -> int | None:
        """What `no_grad` spares of what is held: the difference of both retained bytes."""
        if self.retained_no_grad_bytes is None:
            return None
        return self.retained_bytes - self.retained_no_grad_bytes


def ledger(subject: object) -> Ledger:
    """Return the exact ledger of one call of a step, of a model's forward pass, or of a callable.

    The call is made several times, with and without recording, each time from the same state; nothing is
    timed, and what the calls change is put back.

    Args:
        subject: a `Step`, a `Model`, or a callable without arguments, such as `lambda: model(x)`.

    Raises:
        HarnessError: it is none of these.
    """
    if isinstance(subject, Model):
        subject = Step((Part("forward", subject.__call__),), subject, subject.__call__)
    step = subject if isinstance(subject, Step) else as_call(subject, "ledger")
    if step is None:
        raise HarnessError(
            f"{type(subject).__name__} keeps no books; give a Model(module, inputs), a Step, or a callable"
            " without arguments"
        )
    was_recording = torch.is_grad_enabled()
    seen = Observation(step)
    exact = exact_numbers(seen)
    books = exact.books
    notes = exact.notes if was_recording else (RECORDING_WAS_OFF, *exact.notes)
    quiet = seen.no_grad_pass
    if books and quiet and books.spared <= 0:
        why = why_nothing_is_spared(seen.graph.nodes, books.saved, quiet.graph.nodes)
        notes = (f"no_grad saves nothing of what is held: {why}", *notes)
    return Ledger(
        peak_bytes=seen.levels.peak_bytes(),
        retained_bytes=seen.forward_levels.retained_bytes(),
        retained_no_grad_bytes=books.retained_no_grad if books else None,
        saved_bytes=seen.graph.saved_bytes,
        scalar_bytes=seen.graph.scalar_bytes,
        unaccounted_bytes=books.unaccounted if books else None,
        unaccounted=seen.unaccounted if books else (),
        nodes=seen.graph.nodes,
        operators=len(seen.whole.operators),
        leaked_bytes=seen.growth,
        varies={_ATTRIBUTES[name]: each for name, each in exact.varies.items() if name in _ATTRIBUTES},
        unavailable=dict.fromkeys(_OF_THE_BOOKS, exact.unavailable["unaccounted"]) if books is None else {},
        notes=notes,
    )


_ATTRIBUTES = {
    PEAK: "peak_bytes",
    "retained": "retained_bytes",
    SAVED: "saved_bytes",
    "scalars": "scalar_bytes",
    "unaccounted": "unaccounted_bytes",
    "nodes": "nodes",
    "operators": "operators",
}
_OF_THE_BOOKS = ("retained_no_grad_bytes", "spared_bytes", "unaccounted_bytes")

RECORDING_WAS_OFF = (
    "recording of gradients was switched off in this process (torch.set_grad_enabled); the passes here switch"
    " it on"
)
