"""What does recording the graph cost a forward pass?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("grad_mode")
def test_grad_mode(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """What does recording the graph cost a forward pass?"""
    harness_measure(question, case, arm)
