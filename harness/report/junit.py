"""JUnit XML: a suite a run, a test case a case, a failure for what failed in it."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from harness.judge.finding import Finding, FindingState, Outcome
from harness.report.inert import printable
from harness.report.sentence import sentence, verdict_line
from harness.report.text import many


def junit(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as one JUnit file.

    What concerns a whole run stands in a test case of its own, named after the door that asked.
    """
    root = ET.Element("testsuites", name="autograd-harness")
    totals = {"tests": 0, "failures": 0}
    for outcome in outcomes:
        suite = _suite(outcome)
        root.append(suite)
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
    for name, total in totals.items():
        root.set(name, str(total))
    root.set("errors", "0")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(outcome: Outcome) -> ET.Element:
    by_case: dict[str, list[Finding]] = {}
    for finding in outcome.findings:
        by_case.setdefault(finding.case, []).append(finding)
    whole = by_case.pop("", [])
    names = sorted({*outcome.equal, *outcome.cases, *by_case})
    cases = [
        _test_case(outcome.door, "the whole run", whole),
        *(
            _test_case(outcome.door, name, by_case.get(name, []), outcome.equal.get(name, 0))
            for name in names
        ),
    ]
    suite = ET.Element(
        "testsuite",
        name=printable(outcome.subject),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("command", outcome.command), *(("note", note) for note in outcome.notes)):
        ET.SubElement(properties, "property", name=name, value=printable(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = printable(verdict_line([outcome]))
    return suite


def _test_case(door: str, name: str, findings: Sequence[Finding], equal: int = 0) -> ET.Element:
    case = ET.Element("testcase", classname=f"harness.{door}", name=printable(name), time="0")
    failing = [sentence(finding) for finding in findings if finding.fails]
    rest = [sentence(finding) for finding in findings if not finding.fails]
    skipped = [finding for finding in findings if finding.state is FindingState.SKIPPED]
    if failing:
        failure = ET.SubElement(case, "failure", type="regression", message=printable(failing[0]))
        failure.text = printable("\n".join(failing))
    elif skipped and len(skipped) == len(findings) and not equal:
        ET.SubElement(case, "skipped", message=printable(rest[0]))
    if equal or rest:
        said = "\n".join([f"{many(equal, 'exact value')} equal", *rest])
        ET.SubElement(case, "system-out").text = printable(said)
    return case
