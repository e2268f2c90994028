"""What does recording the graph cost a forward pass?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("grad_mode")
def test_grad_mode(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What does recording the graph cost a forward pass?"""
    measure(question, case, arm)
