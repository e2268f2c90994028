"""What does freezing part of a model save in a training step?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("freezing")
def test_freezing(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What does freezing part of a model save in a training step?"""
    measure(question, case, arm)
