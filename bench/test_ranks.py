"""What do ranks that train one model together send, hold and wait for?"""

import pytest

from harness.pytest_plugin import MeasureArm
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.harness_question("ranks")
def test_ranks(harness_measure: MeasureArm, question: Question, case: Case, arm: str) -> None:
    """Measure one arm: two ranks on this machine, started by torchrun, which measure all arms at once."""
    harness_measure(question, case, arm)
