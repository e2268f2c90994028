"""What do parameter groups with their own weight decay cost an optimizer step?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("decay_groups")
def test_decay_groups(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """What do parameter groups with their own weight decay cost an optimizer step?"""
    measure(question, case, arm)
