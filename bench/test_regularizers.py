"""What does regularizing cost a training step?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("regularizers")
def test_regularizers(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What does regularizing cost a training step?"""
    measure(question, case, arm)
