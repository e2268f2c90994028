"""Runs of the same cases under several torch versions, side by side."""

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.judge.contrasts import Contrast, contrasts
from harness.record.schema import ArmResult, Metric, Record, Run
from harness.report.inert import markdown
from harness.report.tables import columns_of, environment_lines
from harness.report.text import markdown_table
from harness.report.units import ratio, whole


def version_pages(runs: Sequence[Run]) -> dict[str, str]:
    """Return a markdown page a question, with a column a torch version.

    Exact metrics are integers; where one differs between versions its row says so. Times are given
    as each version's own ratio of the arm to its reference, never as seconds across versions.

    Raises:
        HarnessError: two runs are of the same torch version, or no run was given.
    """
    by_version = {
        run.environment.torch: run for run in sorted(runs, key=lambda run: _key(run.environment.torch))
    }
    if len(by_version) != len(runs) or not runs:
        raise HarnessError("each run has to be of another torch version; give one run file a version")
    questions = dict.fromkeys(record.case.question for run in runs for record in run.records)
    return {question: _page(question, by_version) for question in questions}


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _page(question: str, runs: dict[str, Run]) -> str:
    records: dict[str, dict[str, Record]] = {}
    asks = ""
    for version, run in runs.items():
        for record in run.records:
            if record.case.question == question:
                records.setdefault(record.case.id, {})[version] = record
                asks = record.asks
    metrics = {metric.name: metric for run in runs.values() for metric in run.metrics}
    judged = {version: contrasts(run) for version, run in runs.items()}
    lines = [f"# {markdown(asks)} Torch versions side by side", ""]
    for run in runs.values():
        lines += [f"{markdown(line)}  " for line in environment_lines(run.environment)[:1]]
    lines += [
        "",
        (
            "Bytes and counts are exact. `changed` marks a row whose versions differ. A time is each"
            " version's own ratio of the arm to its reference: seconds are not compared across versions."
        ),
        "",
    ]
    for case, by_version in records.items():
        lines += [f"## {markdown(case)}", ""]
        rows = _case_rows(by_version, tuple(runs), metrics, {v: judged[v].get(case, ()) for v in runs})
        lines += [markdown_table(("arm", "metric", *runs, "changed"), rows), ""]
    return "\n".join(lines)


def _case_rows(
    records: dict[str, Record],
    versions: tuple[str, ...],
    metrics: dict[str, Metric],
    judged: dict[str, Sequence[Contrast]],
) -> list[tuple[str, ...]]:
    arms = dict.fromkeys(arm.arm for record in records.values() for arm in record.arms)
    columns = dict.fromkeys(name for record in records.values() for name in columns_of(record, metrics))
    rows: list[tuple[str, ...]] = []
    for arm in arms:
        results = {version: records[version].arm(arm) if version in records else None for version in versions}
        for name in columns:
            cells = tuple(_cell(results[version], metrics[name]) for version in versions)
            if any(cell != "-" for cell in cells):
                present = {cell for cell in cells if cell not in ("-", "skipped", "failed")}
                rows.append((arm, name, *cells, "changed" if len(present) > 1 else ""))
        times = tuple(_time(judged[version], arm) for version in versions)
        if any(time != "-" for time in times):
            rows.append((arm, "time / reference", *times, ""))
    return rows


def _cell(result: ArmResult | None, metric: Metric) -> str:
    if result is None:
        return "-"
    if result.status != "ok":
        return result.status
    if metric.name not in result.counts:
        return "-"
    return whole(result.counts[metric.name], metric.unit)


def _time(judged: Sequence[Contrast], arm: str) -> str:
    for contrast in judged:
        if contrast.arm == arm and not contrast.control:
            judgement = contrast.judgement
            return f"{ratio(judgement.ratio)} ({judgement.verdict.value})"
    return "-"
