"""What does freezing part of a model save in a training step?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("freezing")
def test_freezing(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """What does freezing part of a model save in a training step?"""
    harness_measure(question, case, arm)
