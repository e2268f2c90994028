"""The probes: one file a metric family, and the table that lists them."""

from harness.measure import collectives
from harness.measure.probes import allocator, counts, saved, state
from harness.measure.probes.probe import Probe
from harness.measure.probes.rss import WITNESS
from harness.measure.probes.step_time import TIMES
from harness.record.measured import Metric

PROBES: tuple[Probe, ...] = (allocator.PROBE, saved.PROBE, state.PROBE, counts.PROBE)

METRICS: tuple[Metric, ...] = (
    *TIMES,
    *(metric for probe in PROBES for metric in probe.metrics),
    *collectives.METRICS,
    WITNESS,
)
