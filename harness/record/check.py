"""What a run file has to hold beyond its types, for a file may come from anyone."""

from harness.errors import HarnessError
from harness.record.schema import ArmResult, Books, Metric, Run, Samples


class ImplausibleError(HarnessError, ValueError):
    """A run whose types are right and whose contents are not, in one sentence."""


def check_run(run: Run) -> None:
    """Check that names are unique and numbers are ones that a measurement can give.

    Raises:
        ImplausibleError: a case, an arm or a metric is there twice, a number is negative that cannot be, a
            metric is not declared, or samples are not paired seconds.
    """
    metrics: dict[str, Metric] = {}
    for metric in run.metrics:
        if metric.name in metrics:
            raise ImplausibleError(f"metric {metric.name!r} is declared twice")
        metrics[metric.name] = metric
    cases = set()
    for record in run.records:
        name = record.case.id
        if name in cases:
            raise ImplausibleError(f"case {name!r} is there twice; keep one record a case")
        cases.add(name)
        arms = set()
        for arm in record.arms:
            where = f"case {name!r}, arm {arm.arm!r}"
            if arm.arm in arms:
                raise ImplausibleError(f"{where} is there twice; keep one result an arm")
            arms.add(arm.arm)
            _check_counts(arm, metrics, where)
            if arm.books is not None:
                _check_books(arm.books, where)
            for samples in arm.timings:
                _check_samples(samples, metrics, where)


def _check_counts(arm: ArmResult, metrics: dict[str, Metric], where: str) -> None:
    # What the books say may be negative: a pass that frees what it found leaves less than it met.
    may_be = (arm.books.retained, arm.books.unaccounted) if arm.books is not None else ()
    for name, value in arm.counts.items():
        if name not in metrics:
            raise ImplausibleError(f"{where}: {name!r} is not among the run's metrics")
        if value < 0 and value not in may_be:
            raise ImplausibleError(f"{where}: {name} is {value}; it cannot be negative")


def _check_books(books: Books, where: str) -> None:
    if books.saved < 0 or books.scalars < 0:
        raise ImplausibleError(
            f"{where}: the books hold {books.saved} saved and {books.scalars} scalar bytes;"
            " neither can be negative"
        )


def _check_samples(samples: Samples, metrics: dict[str, Metric], where: str) -> None:
    if samples.metric not in metrics:
        raise ImplausibleError(f"{where}: {samples.metric!r} is not among the run's metrics")
    if list(map(len, samples.reference)) != list(map(len, samples.arm)):
        raise ImplausibleError(f"{where}: the samples of {samples.metric} are not paired")
    if not samples.arm or not all(samples.arm):
        raise ImplausibleError(f"{where}: {samples.metric} has a layout without samples")
    # JSON has no word for infinity and NaN, so that the lowest sample says all
    if min(map(min, samples.reference)) <= 0 or min(map(min, samples.arm)) <= 0:
        raise ImplausibleError(f"{where}: a sample of {samples.metric} is not above 0")
