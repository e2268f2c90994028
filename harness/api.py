"""The door through Python: `compare`, for any two callables, without pytest."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import HarnessError
from harness.judge.contrasts import judge_samples
from harness.judge.times import arm_seconds, median_seconds
from harness.judge.verdict import ALPHA, Judgement, Verdict, invalid
from harness.measure.callables import independent_copy, time_pair
from harness.measure.clock import Clock, clock_for_devices_in_use
from harness.measure.sampling import TimingError
from harness.measurement import Collecting, Measurement
from harness.record.schema import Samples
from harness.setting import QUESTIONS, Setting, parse_bytes

if TYPE_CHECKING:
    from harness.session import Target
    from harness.workload.model import Model
    from harness.workload.step import Step

CONTROL_SHARE = 0.25  # of the budget, spent on the A/A control beside it


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found: a contrast, and the same instrument turned on no difference at all.

    Attributes:
        verdict: better, worse, same, undecided or invalid, of the arm seen from the reference.
        ratio: median over rounds of arm / reference; None when invalid.
        low: of the interval of that median, 99 % unless `alpha` is another;
            None when invalid or with too few units.
        high: likewise.
        reason: why it is undecided or invalid; else "".
        reference_s: median seconds of a call.
        arm_s: median seconds of a call.
        calls: calls a sample, on both sides.
        rounds: samples of each side.
        unit: what was judged, as files call it: "draw", a layout; where the sides could not be moved, a
            "window" of rounds.
        units: how many of them.
        control: the reference against a copy of itself, or against itself where it cannot be copied.
        control_is_copy: the control had memory of its own.
        samples: what was judged; None when invalid before any was taken.
        alpha: the chance of a false alarm that was put up with; the interval covers the rest.
    """

    verdict: Verdict
    ratio: float | None
    low: float | None
    high: float | None
    reason: str
    reference_s: float
    arm_s: float
    calls: int
    rounds: int
    unit: Literal["draw", "window", "round"]
    units: int
    control: Judgement
    control_is_copy: bool
    samples: Samples | None
    alpha: float = ALPHA

    @property
    def layout_varied(self) -> bool:
        """Whether the sides were moved in memory while they were timed."""
        return self.unit == "draw"

    @property
    def bias(self) -> float:
        """What the control read: its median ratio less 1; 0 is right, NaN when there was none."""
        return math.nan if self.control.ratio is None else self.control.ratio - 1

    def __str__(self) -> str:
        """Say it in one line."""
        if self.ratio is None:
            return f"{self.verdict}: {self.reason}"
        level = 100 * (1 - self.alpha)
        interval = (
            "no interval" if self.low is None else f"{level:g} % interval {self.low:.4f} to {self.high:.4f}"
        )
        layout = "" if self.layout_varied else "; layout did not vary"
        units = f"{'layout' if self.unit == 'draw' else self.unit}s"
        why = f"; {self.reason}" if self.reason else ""
        return (
            f"{self.verdict}: ratio {self.ratio:.4f}, {interval}, {self.units} {units}; "
            f"A/A control {self.bias:+.2%}{layout}{why}"
        )


def compare(
    reference: "Callable[[], object] | Model | Step",
    arm: "Callable[[], object] | Model | Step",
    budget: float = 1.0,
    seed: int | None = None,
    *,
    floor: float | None = None,
    alpha: float = ALPHA,
    clock: Clock | None = None,
) -> Comparison:
    """Time two callables against each other until it is decided whether they differ.

    Sides that can be moved (a `Model`, a `Step`, or any callable with a method `relocate(rng)`) are
    moved to fresh memory several times, and the layout is the unit that is judged; for bare callables it
    is a window of rounds, and what is said holds for the memory layout that they happen to have. With glibc
    the process keeps from now on what it frees, up to 32 MiB a block.

    Args:
        reference: called without arguments; a `Model` stands for its forward pass.
        arm: what is compared with it.
        budget: seconds of timing for both sides together, at most: what is decided earlier ends earlier.
            Warming up takes at least 0.04 s more, and the A/A control a quarter more.
        seed: of the order of the rounds and of the layouts; by default a fresh one.
        floor: the relative difference that is too small to matter; by default 0.1 %, and 0.5 % where each
            side has memory of its own, whose layout is worth nearly as much.
        alpha: the chance of a false alarm that is put up with.
        clock: seconds; by default the host's, after what devices have queued.

    Raises:
        HarnessError: the budget is not a positive number.
    """
    if not 0 < budget < math.inf:
        raise HarnessError(f"a budget of {budget} s cannot be spent; give seconds above 0")
    rng = Random(seed)
    ticking = clock or clock_for_devices_in_use()
    try:
        copied = independent_copy(reference)
        timed = time_pair(reference, arm, budget, rng, ticking, floor=floor, alpha=alpha)
        control = time_pair(
            reference,
            copied or reference,
            CONTROL_SHARE * budget,
            rng,
            ticking,
            floor=floor,
            alpha=alpha,
        )
    except TimingError as error:
        refused = invalid(str(error))
        return _comparison(refused, None, refused, alpha, control_is_copy=False)
    return _comparison(
        judge_samples(timed, floor=floor, alpha=alpha),
        timed,
        judge_samples(control, floor=floor, alpha=alpha),
        alpha,
        control_is_copy=copied is not None,
    )


def _comparison(
    judged: Judgement, samples: Samples | None, control: Judgement, alpha: float, *, control_is_copy: bool
) -> Comparison:
    return Comparison(
        verdict=judged.verdict,
        ratio=judged.ratio,
        low=judged.low,
        high=judged.high,
        reason=judged.reason,
        reference_s=median_seconds(samples.reference) if samples else math.nan,
        arm_s=arm_seconds(samples) if samples else math.nan,
        calls=samples.calls if samples else 0,
        rounds=sum(map(len, samples.arm)) if samples else 0,
        unit=samples.unit if samples else "round",
        units=judged.units,
        control=control,
        control_is_copy=control_is_copy,
        samples=samples,
        alpha=alpha,
    )


def measure_model(
    target: "Target",
    inputs: object = None,
    *,
    questions: Sequence[str] = QUESTIONS,
    device: str = "cpu",
    dtype: str = "",
    memory_format: str = "",
    batch_sizes: Sequence[int] = (),
    mode: str = "",
    trainable: Sequence[str] = (),
    time: float | None = None,
    budget: float | None = None,
    loss: str | Callable[[Any], Any] = "",
    memory_limit: int | str | None = None,
    curve: bool = True,
    full: bool = False,
    seed: int = 0,
    threads: int = 0,
    progress: bool | None = None,
) -> Measurement:
    """Measure a model: what recording its graph costs, where its memory goes, what freezing would buy.

    A model at hand is copied for every arm and stays as it is.

    Args:
        target: a name as on the command line, a `Model`, a module, or a function that returns a `Model`
            or `(module, inputs)`.
        inputs: of a module: a tensor, a tuple, or a dict of keyword arguments.
        questions: by name.
        device: cpu, cuda or cuda:1.
        dtype: "float32", "bfloat16", ..., or "autocast"; "" for the model's own.
        memory_format: "channels_last", or "" for torch's own.
        batch_sizes: by default the model's own.
        mode: "train" or "eval"; by default as the model is handed over, or each question's own.
        trainable: patterns of the parameters that an arm of their own trains, such as "lora_*".
        time: seconds of the whole run, 60 unless told; 0 for exact numbers only.
        budget: seconds of timing an arm, in place of a share of the run's time.
        loss: a name, a function of the model's output, or "" for the model's own.
        memory_limit: bytes, or text such as "8GiB": also find the largest batch that fits.
        curve: also freeze the first k blocks, for every k.
        full: at every k, also where the time of the run is too short for all.
        seed: of weights, inputs and the order of rounds.
        threads: intra-op threads of torch; 0 leaves them as they are.
        progress: show on standard error how far it is; by default in notebooks and terminals.

    Raises:
        HarnessError: the model cannot be had, built or run; in one sentence.
    """
    from harness.session import Inquiry, start_study

    setting = Setting(
        device=device,
        dtype=dtype,
        memory_format=memory_format,
        batch_sizes=tuple(batch_sizes),
        mode=mode,
        trainable=tuple(trainable),
        time=time,
        budget=budget,
        loss=loss,
        memory_limit=parse_bytes(memory_limit) if isinstance(memory_limit, str) else memory_limit,
        curve=curve,
        full=full,
        seed=seed,
        threads=threads,
    )
    shows = "ipykernel" in sys.modules or sys.stderr.isatty() if progress is None else progress
    watch = Collecting(shows)
    run = start_study(Inquiry(target, inputs, questions), setting, watch).measure()
    return Measurement(run, tuple(watch.notes), tuple(watch.problems))
