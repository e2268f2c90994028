"""The drawing of a history."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import runs

from harness.judge.trend import trend
from harness.report.trend_plot import PlotError, draw_trend


def history(model: str = "mlp") -> list[runs.Run]:
    return [
        runs.run(
            runs.record(runs.case(model), runs.arm(peak=4096 + 4 * (day > 3))),
            id=f"run-{day}",
            environment=runs.environment(started=f"2026-01-0{day}T00:00:00+00:00"),
        )
        for day in range(1, 7)
    ]


def test_a_plot_is_written(tmp_path: Path) -> None:
    draw_trend(trend(history()), tmp_path / "trend.svg")

    assert ET.parse(tmp_path / "trend.svg").getroot().tag.endswith("svg")  # noqa: S314 (written here)


def test_a_hostile_name_is_drawn_as_text(tmp_path: Path) -> None:
    draw_trend(trend(history(r"$\frac{x$ <script>")), tmp_path / "trend.svg")

    assert "<script" not in (tmp_path / "trend.svg").read_text()


def test_an_unknown_format_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match="cannot be drawn: Format 'xyz' is not supported"):
        draw_trend(trend(history()), tmp_path / "trend.xyz")
