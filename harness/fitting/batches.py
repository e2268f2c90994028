"""The largest batch that fits a limit: of the step as it is, and with levers that give up no mathematics."""

from dataclasses import replace

from harness.fitting.searching import Say
from harness.fitting.workbench import Workbench
from harness.measure.inspection import OutOfMemoryError
from harness.measure.scaling import largest_batch
from harness.record.fit import BatchFit, FitCandidate, FitTrial
from harness.workload.model import WorkloadError


def largest_batches(bench: Workbench, plan: FitTrial | None, limit: int, say: Say) -> tuple[BatchFit, ...]:
    """Return the largest batch of the step as it is, of the plan, and with every block checkpointed.

    Args:
        bench: with the model.
        plan: what fits at the batch that was given; its micro-batches are left out, since a batch in parts
            is no larger a batch.
        limit: bytes.
        say: is told what is being done.
    """
    candidates = [FitCandidate()]
    if plan is not None:
        candidates.append(replace(plan.candidate, micro_batches=1))
    if bench.names.paths:
        candidates.append(FitCandidate(checkpointed=tuple(range(len(bench.names.paths)))))
    return tuple(_largest(bench, one, limit, say) for one in dict.fromkeys(candidates))


def _largest(bench: Workbench, candidate: FitCandidate, limit: int, say: Say) -> BatchFit:
    def peak_at(batch_size: int) -> int | None:
        say(f"a batch of {batch_size}: {candidate}")
        larger = bench.sized(batch_size)
        try:
            return larger.observe(candidate)
        except OutOfMemoryError:
            return None
        finally:
            bench.passes += larger.passes * batch_size / bench.case.batch_size

    if not bench.entry.sized:
        return BatchFit(candidate, reason=f"the model makes batches of {bench.case.batch_size} alone")
    try:
        size, runs = largest_batch(peak_at, bench.case.batch_size, limit)
    except WorkloadError as error:
        return BatchFit(candidate, reason=str(error))
    return BatchFit(candidate, size, dict(runs).get(size, 0))
