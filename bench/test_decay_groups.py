"""What do parameter groups with their own weight decay cost an optimizer step?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("decay_groups")
def test_decay_groups(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """What do parameter groups with their own weight decay cost an optimizer step?"""
    harness_measure(question, case, arm)
