"""What a search for a training step that fits has found, in plain dataclasses."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.record.bounds import ImplausibleError, quoted
from harness.record.check import check_not_negative
from harness.record.codec import decoded, read_file

_DTYPES = ("", "autocast", "bfloat16")  # by what they give up
TimeVerdict = Literal["", "better", "worse", "same", "undecided", "invalid"]


@dataclass(frozen=True, slots=True, order=True)
class FitCandidate:
    """One way to run the training step: which levers are pulled, and how far.

    Attributes:
        frozen: so many of the first blocks are frozen, with all that runs before them.
        biases_only: of each module only what is called a bias is trained.
        trained: patterns of the parameters that alone are trained; empty for all.
        dtype: "bfloat16" or "autocast"; "" for the model's own.
        optimizer: another optimizer's name; "" for the one asked for.
        checkpointed: blocks by number whose inside is computed again in the backward pass.
        micro_batches: the batch is run in so many parts whose gradients add up.
        update: how the optimizer steps: "for-loop", "foreach", "fused", "in backward"; "" for torch's own.
    """

    frozen: int = 0
    biases_only: bool = False
    dtype: str = ""
    optimizer: str = ""
    checkpointed: tuple[int, ...] = ()
    micro_batches: int = 1
    update: str = ""
    trained: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a few words, blocks by count alone.

        >>> str(FitCandidate(checkpointed=(0, 2), micro_batches=4))
        'checkpoint 2 blocks, 4 micro-batches'
        """
        said = [self.dtype, self.optimizer, "biases only" if self.biases_only else ""]
        said.append(f"only {', '.join(self.trained)}" if self.trained else "")
        said.append(f"freeze {self.frozen} blocks" if self.frozen else "")
        said.append(f"checkpoint {len(self.checkpointed)} blocks" if self.checkpointed else "")
        said.append(f"{self.micro_batches} micro-batches" if self.micro_batches > 1 else "")
        said.append(self.update and f"step {self.update}")
        return ", ".join(filter(None, said)) or "as it is"

    @property
    def sacrifice(self) -> tuple[int, int, bool, int]:
        """What of the mathematics is given up, as what sorts: nothing comes first."""
        dtypes = _DTYPES.index(self.dtype)
        return (dtypes, len(self.optimizer) > 0, self.biases_only or bool(self.trained), self.frozen)


@dataclass(frozen=True, slots=True)
class FitTrial:
    """A candidate that was run.

    Attributes:
        candidate: what was run.
        predicted: the peak that its pieces add up to, in bytes; None where they say nothing of it.
        peak: measured: parameters, buffers, inputs, optimizer state, and the highest level above them in
            the second step; None where it could not be run.
        reason: why not, or why it was thrown out all the same; else "".
        ratio: its time over that of the untouched step; None where it was not timed.
        low: of the ratio's 99 % interval.
        high: likewise.
        verdict: on its time.
        timing: why it has no ratio, or no verdict; else "".
        step_s: median seconds of a step; None where it was not timed.
    """

    candidate: FitCandidate
    predicted: int | None = None
    peak: int | None = None
    reason: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: TimeVerdict = ""
    timing: str = ""
    step_s: float | None = None

    @property
    def error(self) -> float | None:
        """The prediction's relative error; None where there is nothing to compare."""
        if self.predicted is None or not self.peak:
            return None
        return self.predicted / self.peak - 1


@dataclass(frozen=True, slots=True)
class Weight:
    """One part of the memory of a step, in bytes."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What a run with and without a plan's levers gave, from one state of everything random.

    Attributes:
        held: the plan changes nothing, as far as it says so.
        sentence: what was compared and found.
    """

    held: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Allocator:
    """What a device's allocator adds to the bytes that were asked for, at the plan's peak."""

    rounding: int
    workspace: int
    reserved: int


@dataclass(frozen=True, slots=True)
class BatchFit:
    """The largest batch of a candidate that fits, seen by runs of it and of the next larger one.

    Attributes:
        candidate: what was run.
        batch_size: examples; 0 where not even one fits.
        peak: of a step of that batch, in bytes.
        reason: why none was found; else "".
    """

    candidate: FitCandidate
    batch_size: int = 0
    peak: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FitSearch:
    """Everything that one search gave.

    Attributes:
        target: what the model is called.
        setting: device, dtype, batch and optimizer, in words.
        limit: bytes; None where the whole frontier was asked for.
        allowed: what of the mathematics may be given up.
        untouched: the step as it is.
        plan: the trial that is proposed; None where nothing fits.
        trials: every candidate that was run, the untouched step first.
        blocks: paths, in the order they run.
        weights: what the memory of the least trial is made of, largest first.
        proof: of the plan; None where nothing was proved.
        notes: levers that were left out, with the reason, and what else a reader should know.
        lines: to paste into a training script.
        passes: forward and backward passes of a whole batch that all this took, about.
        took_s: seconds that all this took.
        batch_size: examples a batch.
        allocator: of the plan, on a device.
        limit_text: the limit as it was written; "" where it was a number.
        batches: the largest batches that fit, where they were asked for.
    """

    target: str
    setting: str
    limit: int | None
    allowed: tuple[str, ...]
    untouched: FitTrial
    plan: FitTrial | None
    trials: tuple[FitTrial, ...]
    blocks: tuple[str, ...]
    weights: tuple[Weight, ...]
    proof: Proof | None
    notes: tuple[str, ...]
    lines: tuple[str, ...]
    passes: float
    took_s: float
    batch_size: int
    allocator: Allocator | None = None
    limit_text: str = ""
    batches: tuple[BatchFit, ...] = ()

    @property
    def least(self) -> FitTrial | None:
        """The trial with the lowest peak, of those that were not thrown out."""
        return least_of(self.trials)


def least_of(trials: Iterable[FitTrial]) -> FitTrial | None:
    """Return the trial with the lowest peak, of those that ran and were not thrown out; None for none."""
    ran = (trial for trial in trials if trial.peak is not None and not trial.reason)
    return min(ran, key=lambda trial: trial.peak or 0, default=None)


def load_search(path: Path) -> FitSearch:
    """Read the file that `harness fit --json` writes.

    Raises:
        UnreadableError: it cannot be read, or holds no search.
    """
    return decoded(read_file(path), FitSearch, str(path), "what harness fit --json writes", check_search)


def check_search(search: FitSearch) -> None:
    """Check what the readers of a search count on.

    Raises:
        ImplausibleError: a candidate pulls levers of blocks that there are not, or a number is one that no
            run gives.
    """
    if search.batch_size < 1:
        raise ImplausibleError(f"the batch has {search.batch_size} examples; 1 is the least")
    check_not_negative(
        {"limit": search.limit or 0, "passes": search.passes, "took_s": search.took_s}, "the search"
    )
    for trial in (search.untouched, *search.trials, *([search.plan] if search.plan else [])):
        _check_candidate(trial.candidate, len(search.blocks))
        _check_trial(trial)
    for one in search.batches:
        _check_candidate(one.candidate, len(search.blocks))
        check_not_negative({"batch_size": one.batch_size, "peak": one.peak}, "a largest batch")


def _check_candidate(candidate: FitCandidate, blocks: int) -> None:
    if candidate.dtype not in _DTYPES:
        known = ", ".join(_DTYPES[1:])
        raise ImplausibleError(f"a candidate in {quoted(candidate.dtype)}; known are {known}")
    if not 0 <= candidate.frozen <= blocks or not all(0 <= one < blocks for one in candidate.checkpointed):
        raise ImplausibleError(f"a candidate pulls levers of blocks beyond the {blocks} there are")
    if candidate.micro_batches < 1:
        raise ImplausibleError(f"a candidate has {candidate.micro_batches} micro-batches; 1 is the least")


def _check_trial(trial: FitTrial) -> None:
    check_not_negative({"peak": trial.peak or 0, "predicted": trial.predicted or 0}, "a trial")
    for name, value in {"ratio": trial.ratio, "low": trial.low, "high": trial.high}.items():
        if value is not None and value <= 0:
            raise ImplausibleError(f"a trial's {name} is {value:g}; it is above 0")
