"""What does each further derivative of the loss cost?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("differentiation")
def test_differentiation(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """What does each further derivative of the loss cost?"""
    harness_measure(question, case, arm)
