"""What does each further derivative of the loss cost?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("differentiation")
def test_differentiation(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What does each further derivative of the loss cost?"""
    measure(question, case, arm)
