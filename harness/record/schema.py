"""The stored data: a run holds its environment and one record a case.

History of the format, newest first; a file once written loads for ever:

1  first format (version 0.1.0)
"""

from typing import Literal

import msgspec

from harness.record.measured import (
    Attribution,
    Better,
    Block,
    Books,
    Calls,
    Case,
    CodeLine,
    Kind,
    Metric,
    Share,
    Unit,
)

__all__ = [
    "SCHEMA",
    "Allocated",
    "ArmResult",
    "Attribution",
    "Better",
    "Block",
    "Books",
    "Calls",
    "Case",
    "CodeLine",
    "Environment",
    "Fit",
    "Group",
    "Kind",
    "Metric",
    "RankResult",
    "Record",
    "Run",
    "Samples",
    "Share",
    "Status",
    "Unit",
    "World",
]

SCHEMA = 1

Status = Literal["ok", "failed", "skipped"]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The ranks that measured together."""

    ranks: int
    backend: str  # "gloo", "nccl"
    nodes: tuple[str, ...]  # host names, in the order of their ranks


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run was measured."""

    harness: str
    torch: str
    build: str  # the flavour torch was built in: "cpu", "cu126", "rocm6.2"
    python: str
    platform: str
    processor: str
    cpu_capability: str  # the instruction set torch's kernels take: "AVX2", "AVX512"
    threads: int  # intra-op
    interop_threads: int
    device: str  # what the runs were measured on, in words
    commit: str  # of the working directory; "" outside a repository
    started: str  # ISO 8601, UTC
    load: float  # the 1-minute load average when the run began
    cores: int = 0  # that the process may run on; 0 where it was not written down
    packages: dict[str, str] = {}  # what else decides results: transformers, timm, ...
    host: str = ""  # the machine's name; "" where it was not written down
    world: World | None = None  # None where one process measured


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Paired seconds per call, layout by layout and round by round, both sides of one contrast.

    `reference[layout][round]` and `arm[layout][round]` were taken in the same round.
    """

    metric: str
    calls: int  # calls a sample; the samples are per call already
    reference: tuple[tuple[float, ...], ...]
    arm: tuple[tuple[float, ...], ...]
    unit: Literal["draw", "window", "round"] = "draw"  # what is judged; files call a layout a draw
    measured_s: float = 0.0  # seconds spent inside samples
    pass_s: float = 0.0  # seconds the whole timing pass took
    level: float = 0.0  # the chance of a false alarm that its interval is for; 0 where nothing was set apart

    @property
    def unit_name(self) -> str:
        """What is judged, in a word: what is stored as a draw is a layout."""
        return "layout" if self.unit == "draw" else self.unit


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter group of an optimizer."""

    name: str
    weight_decay: float
    tensors: int
    parameters: int
    state_bytes: int


class Allocated(msgspec.Struct, frozen=True, kw_only=True):
    """Allocated bytes over one step, relative to its start, from the allocator's own events."""

    parts: tuple[str, ...]  # of the step, in order
    marks: tuple[float, ...]  # seconds at which the parts begin, and the end; the profiler was active
    times: tuple[float, ...]  # seconds, one an event
    levels: tuple[int, ...]  # bytes after that event
    holders: tuple[str, ...] = ()  # who holds bytes of them: paths of modules, and what is in none
    of: tuple[int, ...] = ()  # the holder of what each event adds or takes; () where that is not known


class RankResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one of several ranks gave; those of one arm were timed together, a round in the same place."""

    rank: int
    host: str
    device: str  # as torch calls it: "cpu", "cuda:1"
    counts: dict[str, int] = {}
    timings: tuple[Samples, ...] = ()


class ArmResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm of a case gave."""

    arm: str
    status: Status = "ok"
    reason: str = ""  # why it failed or was skipped
    counts: dict[str, int] = {}  # exact and witness metrics by name
    varies: dict[str, tuple[int, int]] = {}  # exact metrics that differ from call to call: lowest, highest
    unavailable: dict[str, str] = {}  # metrics that cannot be had, each with the reason
    places: dict[str, tuple[CodeLine, ...]] = {}  # the code an exact metric comes from
    calls: tuple[Calls, ...] = ()  # who calls which operators; () where that is not the same in every pass
    timings: tuple[Samples, ...] = ()  # the reference's own are its A/A control
    groups: tuple[Group, ...] = ()
    books: Books | None = None
    blocks: tuple[Block, ...] = ()  # what the books could not account for
    timeline: tuple[tuple[float, float], ...] = ()  # witness: seconds, resident bytes of a process of its own
    warnings: tuple[str, ...] = ()
    notes: tuple[
        str, ...
    ] = ()  # what a reader of the times should know: which of host and device limits them
    axis: int | None = None  # where the arm stands on its record's axis, such as the number of frozen blocks
    saved: tuple[Share, ...] = ()  # what the forward pass saved for backward, by module; adds up to `saved`
    attribution: Attribution | None = None
    allocated: Allocated | None = None
    ranks: tuple[RankResult, ...] = ()  # by rank; `counts` and `timings` are then of the one with most


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The largest batch of a model that a memory limit allows, found by extrapolation and then by runs."""

    case: Case  # of that batch; its question is the step that was run
    limit: int  # bytes
    runs: tuple[tuple[int, int], ...]  # batch size and peak bytes of every run, in order; 0 for out of memory

    @property
    def peaks(self) -> dict[int, int]:
        """Return the peak bytes by batch size."""
        return dict(self.runs)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All arms of one case."""

    case: Case
    asks: str  # the question in one sentence
    reference: str  # the arm that the others are compared with
    columns: tuple[str, ...] = ()  # the metrics that a table shows; the others are in the record only
    arms: tuple[ArmResult, ...] = ()

    def with_arm(self, result: ArmResult) -> "Record":
        """Return the record with one more arm, or with that arm replaced."""
        arms = {arm.arm: arm for arm in self.arms} | {result.arm: result}
        return msgspec.structs.replace(self, arms=tuple(arms.values()))

    def arm(self, name: str) -> ArmResult | None:
        """Return the arm of that name, or None where it was not measured."""
        return next((arm for arm in self.arms if arm.arm == name), None)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All records of one session, with the environment they share."""

    schema: int = SCHEMA
    id: str
    environment: Environment
    metrics: tuple[Metric, ...]
    records: tuple[Record, ...] = ()
    fits: tuple[Fit, ...] = ()
    complete: bool = True  # False when the session was interrupted
    command: str = ""  # what measured it
    floor: float = 0.001  # the relative difference that is too small to matter
    wall_s: float = 0.0  # seconds of the session so far; 0 where nobody looked
    calls_s: float = 0.0  # of them, inside the calls that are measured: warm-up, samples, passes of probes
    planned: tuple[tuple[str, str], ...] = ()  # case and arm, before anything ran; () where it was not noted

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """Return what was planned and is not there, by case and arm: neither measured, failed nor skipped."""
        there = {(record.case.id, arm.arm) for record in self.records for arm in record.arms}
        return tuple(dict.fromkeys(each for each in self.planned if each not in there))
