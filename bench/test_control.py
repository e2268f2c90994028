"""What does the instrument read where nothing differs?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("control")
def test_control(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What does the instrument read where nothing differs?"""
    measure(question, case, arm)
