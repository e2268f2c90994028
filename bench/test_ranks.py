"""What do ranks that train one model together send, hold and wait for?"""

import pytest

from harness.pytest_plugin import Measure
from harness.record.schema import Case
from harness.workload.question import Question


@pytest.mark.question("ranks")
def test_ranks(measure: Measure, question: Question, case: Case, arm: str) -> None:
    """Measure one arm: two ranks on this machine, started by torchrun, which measure all arms at once."""
    measure(question, case, arm)
