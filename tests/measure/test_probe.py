"""What a probe says of its metrics."""

from harness.measure.probes.probe import exact


def test_an_exact_metric_keeps_its_unit_whatever_it_is() -> None:
    assert exact("energy", "J", "of a step").unit == "J"
    assert exact("peak", "B", "of a step").unit == "B"
