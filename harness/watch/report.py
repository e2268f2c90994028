"""What the watcher found, as lines for a terminal: worst first, with what would help."""

from collections.abc import Sequence

from harness.watch.finding import WatchFinding

_SHOWN = 10  # findings; the rest is counted, and stands in the JSON file
_NAMES = 3
REMEDIES = {
    "unused": "put torch.no_grad() around that call",
    "kept": "keep loss.item() or loss.detach(), not the loss",
    "thawed": "freeze them before each step, or make the optimizer after they are thawed",
    "moving": "call .eval() on the frozen layers after .train()",
}


def lines(findings: Sequence[WatchFinding]) -> list[str]:
    """Return the findings as lines of at most 80 columns where names and paths allow."""
    if not findings:
        return ["nothing found: every graph that was recorded was used, or was left to a test"]
    shown = list(findings[:_SHOWN])
    told = [line for finding in shown for line in _lines_of(finding)]
    if len(findings) > len(shown):
        told.append(f"and {len(findings) - len(shown)} more; --harness-watch-json FILE writes them all")
    return told


def finding_sentence(finding: WatchFinding) -> str:
    """Say in one sentence what was found."""
    times = f"{finding.times:,} time{'s' * (finding.times != 1)}"
    if finding.kind == "unused":
        held = "" if finding.bytes is None else f", {_size(finding.bytes)} each"
        return f"{finding.module} recorded a graph that no backward pass used, {times}{held}"
    if finding.kind == "kept":
        return f"{finding.times} graphs of earlier steps of {finding.module} are still held"
    names = ", ".join(finding.names[:_NAMES])
    more = f" and {len(finding.names) - _NAMES} more" if len(finding.names) > _NAMES else ""
    if finding.kind == "thawed":
        return f"frozen when the optimizer was made, and yet trained: {names}{more}, {times}"
    return f"frozen, and yet its buffers move in training: {names}{more}, {times}"


def _lines_of(finding: WatchFinding) -> list[str]:
    tests = "" if finding.tests == 1 else f" and {finding.tests - 1} more"
    return [
        f"{finding.place} in {finding.function}",
        f"    {finding_sentence(finding)}",
        f"    -> {REMEDIES[finding.kind]}",
        f"    in {finding.test or 'no test: while the suite was collected'}{tests}",
    ]


def _size(count: int) -> str:
    from harness.report.units import quantity

    return quantity(count, "B")
