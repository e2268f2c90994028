"""What a run has to hold beyond its types, for a file may come from anyone: what its readers count on."""

from collections.abc import Iterable, Mapping, Sequence

from harness.record.bounds import ImplausibleError, quoted
from harness.record.schema import Allocated, ArmResult, Attribution, Books, Fit, Metric, Record, Run, Samples

LONGEST_SAMPLE, SHORTEST_SAMPLE = 1e9, 1e-15  # seconds a call


def check_run(run: Run) -> None:
    """Check that names are unique and numbers are ones that a measurement can give.

    Raises:
        ImplausibleError: a case, an arm or a metric is there twice, a number is negative that cannot be, a
            metric is not declared, samples are not paired seconds, or parts that belong together do not.
    """
    metrics = {metric.name: metric for metric in run.metrics}
    check_unique((metric.name for metric in run.metrics), "metric", "is declared twice")
    check_unique((record.case.id for record in run.records), "case", "is there twice; keep one record a case")
    check_share(run.floor, "the floor")
    check_not_negative({"wall_s": run.wall_s, "calls_s": run.calls_s}, "the run")
    for record in run.records:
        _check_record(record, metrics)
    for fit in run.fits:
        _check_fit(fit)


def check_unique(names: Iterable[object], what: str, says: str) -> None:
    """Check that no name is there twice."""
    known = set()
    for name in names:
        if name in known:
            raise ImplausibleError(f"{what} {quoted(name) if isinstance(name, str) else name} {says}")
        known.add(name)


def check_share(value: float, what: str) -> None:
    """Check a relative difference."""
    if not 0 <= value < 1:
        raise ImplausibleError(f"{what} is {value:g}; it is from 0 to below 1")


def check_not_negative(values: Mapping[str, float], where: str) -> None:
    """Check numbers that count something."""
    for name, value in values.items():
        if value < 0:
            raise ImplausibleError(f"{where}: {name} is {value:g}; it cannot be negative")


def _check_record(record: Record, metrics: Mapping[str, Metric]) -> None:
    name = quoted(record.case.id)
    if record.case.batch_size < 1:
        raise ImplausibleError(f"case {name} has a batch of {record.case.batch_size}; 1 is the least")
    for arm in record.arms:
        _check_arm(arm, metrics, f"case {name}, arm {quoted(arm.arm)}")
    check_unique(
        (arm.arm for arm in record.arms), f"case {name}, arm", "is there twice; keep one result an arm"
    )
    check_unique(
        (arm.axis for arm in record.arms if arm.axis is not None),
        f"case {name}: place",
        "of its axis is there twice",
    )


def _check_arm(arm: ArmResult, metrics: Mapping[str, Metric], where: str) -> None:
    _check_counts(arm.counts, arm.books, metrics, where)
    for name, (low, high) in arm.varies.items():
        _check_declared(name, metrics, where)
        if low > high:
            raise ImplausibleError(f"{where}: {quoted(name)} varies from {low} to {high}")
    if arm.books is not None:
        _check_books(arm.books, where)
    check_timings(arm.timings, metrics, where)
    for group in arm.groups:
        counted = {"tensors": group.tensors, "parameters": group.parameters, "bytes": group.state_bytes}
        check_not_negative(counted, f"{where}, group {quoted(group.name)}")
    check_not_negative({"its axis": arm.axis or 0}, where)
    for calls in arm.calls:
        check_not_negative(calls.operators, f"{where}, calls")
    for share in arm.saved:
        check_not_negative({"bytes": share.bytes}, f"{where}, saved")
    for block in arm.blocks:
        check_not_negative({"bytes": block.bytes}, f"{where}, held")
    if arm.attribution is not None:
        _check_attribution(arm.attribution, where)
    if arm.allocated is not None:
        _check_allocated(arm.allocated, where)
    _check_ranks(arm, metrics, where)


def _check_ranks(arm: ArmResult, metrics: Mapping[str, Metric], where: str) -> None:
    check_unique((rank.rank for rank in arm.ranks), f"{where}: rank", "is there twice")
    for rank in arm.ranks:
        _check_counts(rank.counts, arm.books, metrics, f"{where}, rank {rank.rank}")
        check_timings(rank.timings, metrics, f"{where}, rank {rank.rank}")
    if len({bool(rank.timings) for rank in arm.ranks}) > 1:
        raise ImplausibleError(f"{where}: some ranks were timed and some not")


def _check_declared(name: str, metrics: Mapping[str, Metric], where: str) -> None:
    if name not in metrics:
        raise ImplausibleError(f"{where}: {quoted(name)} is not among the run's metrics")


def _check_counts(
    counts: Mapping[str, int], books: Books | None, metrics: Mapping[str, Metric], where: str
) -> None:
    # What the books say may be negative: a pass that frees what it found leaves less than it met.
    may_be = (books.retained, books.unaccounted) if books is not None else ()
    for name, value in counts.items():
        _check_declared(name, metrics, where)
        if value < 0 and value not in may_be:
            raise ImplausibleError(f"{where}: {quoted(name)} is {value}; it cannot be negative")


def _check_books(books: Books, where: str) -> None:
    if books.saved < 0 or books.scalars < 0:
        raise ImplausibleError(
            f"{where}: the books hold {books.saved} saved and {books.scalars} scalar bytes;"
            " neither can be negative"
        )


def check_timings(timings: Sequence[Samples], metrics: Mapping[str, Metric], where: str) -> None:
    """Check the samples of one arm, a metric each."""
    check_unique((samples.metric for samples in timings), f"{where}: metric", "is timed twice")
    for samples in timings:
        check_samples(samples, metrics, where)


def check_samples(samples: Samples, metrics: Mapping[str, Metric], where: str) -> None:
    """Check that samples are paired seconds of a metric that is declared."""
    _check_declared(samples.metric, metrics, where)
    name = quoted(samples.metric)
    if list(map(len, samples.reference)) != list(map(len, samples.arm)):
        raise ImplausibleError(f"{where}: the samples of {name} are not paired")
    if not samples.arm or not all(samples.arm):
        raise ImplausibleError(f"{where}: {name} has a layout without samples")
    layouts = (*samples.reference, *samples.arm)
    least, most = min(map(min, layouts)), max(map(max, layouts))
    if least <= 0:
        raise ImplausibleError(f"{where}: a sample of {name} is not above 0")
    if least < SHORTEST_SAMPLE or most > LONGEST_SAMPLE:
        raise ImplausibleError(
            f"{where}: a sample of {name} is outside {SHORTEST_SAMPLE:g} to {LONGEST_SAMPLE:g} s"
        )
    if samples.calls < 1:
        raise ImplausibleError(f"{where}: the samples of {name} have {samples.calls} calls; 1 is the least")
    check_share(samples.level, f"{where}: the level of {name}")
    check_not_negative({"measured_s": samples.measured_s, "pass_s": samples.pass_s}, f"{where}, {name}")


def _check_attribution(attribution: Attribution, where: str) -> None:
    for share in attribution.shares:
        check_not_negative({"bytes": share.bytes, "blocks": share.blocks}, f"{where}, at the peak")
    whole = sum(share.bytes for share in attribution.shares)
    if whole != attribution.peak:
        raise ImplausibleError(
            f"{where}: the shares of the peak add up to {whole:,} B, and the peak is {attribution.peak:,} B"
        )
    if attribution.shares and not whole:
        raise ImplausibleError(f"{where}: a peak of 0 B has shares")


def _check_allocated(line: Allocated, where: str) -> None:
    if len(line.times) != len(line.levels):
        raise ImplausibleError(
            f"{where}: the timeline has {len(line.times):,} times and {len(line.levels):,} levels"
        )
    if len(line.marks) != len(line.parts) + 1:
        raise ImplausibleError(
            f"{where}: the timeline has {len(line.marks):,} marks for {len(line.parts):,} parts; one more is"
            " needed, for the end"
        )
    if line.of and len(line.of) != len(line.levels):
        raise ImplausibleError(
            f"{where}: the timeline has {len(line.levels):,} levels, and a holder for {len(line.of):,}"
        )
    if any(not 0 <= each < len(line.holders) for each in line.of):
        raise ImplausibleError(f"{where}: the timeline names a holder that it does not have")


def _check_fit(fit: Fit) -> None:
    name = f"the fit of {quoted(fit.case.model)}"
    batch, peaks = fit.case.batch_size, fit.peaks
    check_not_negative({"limit": fit.limit, "batch": batch}, name)
    for size, peak in fit.runs:
        check_not_negative({"batch": size, "peak": peak}, f"{name}, a run")
    if (batch and batch not in peaks) or batch + 1 not in peaks:
        raise ImplausibleError(
            f"{name} says that a batch of {batch} is the largest, and has no run of"
            f" {batch if batch and batch not in peaks else batch + 1}"
        )
