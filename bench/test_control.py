"""What does the instrument read where nothing differs?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("control")
def test_control(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """What does the instrument read where nothing differs?"""
    harness_measure(question, case, arm)
