"""The claims of the real torch that need neither a clock nor many seeds."""

import pytest
import torch

from harness.claims.catalogue import every_claim, find
from harness.claims.claim import Lab, conclude

pytestmark = pytest.mark.process

LAB = Lab(budget=0.05, seeds=16, epochs=20, models=("mlp-relu", "convnet"), timed=("mlp-relu",))

EXPECTED = {
    "D1": "holds when",
    "D2": "holds",
    "N1": "holds when",
    "N2": "holds",
    "N4": "holds",
    "N5": "refuted",
    "N6": "holds when",
    "N7": "holds when",
    "N8": "holds when",
    "F1": "holds",
    "F2": "holds when",
    "F3": "holds",
    "W1": "holds",
    "W3": "holds",
    "W4": "holds",
    "W6": "holds",
    "W7": "holds",
    "W8": "holds when",
    "B1": "holds",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_claim_about_the_real_torch_has_its_verdict(name: str) -> None:
    torch.set_num_threads(1)
    (claim,) = find([name])
    assert conclude(claim.test(LAB).checks)[0] == EXPECTED[name]


def test_freezing_has_both_its_true_and_its_false_places() -> None:
    (claim,) = find(["F2"])
    found = {check.where: check.holds for check in claim.test(LAB).checks}
    assert found == {
        "its .grad is None": True,
        "its .grad is None, even with momentum and decay": True,
        "its .grad is zero and SGD has no momentum and no decay": True,
        "its .grad is zero and there is momentum from before": False,
        "its .grad is zero and there is decay": False,
        "its .grad still holds a gradient": False,
        "batch normalisation is in train mode, buffers included": False,
        "batch normalisation is in eval mode, buffers included": True,
    }


def test_adam_with_decay_walks_the_path_of_the_penalty_and_adamw_does_not() -> None:
    (claim,) = find(["W2"])
    found = {check.where: check.holds for check in claim.test(LAB).checks}
    assert found == {"SGD": True, "SGD with momentum": True, "Adam": True, "AdamW": False}


def test_there_are_35_claims_with_ids_in_order() -> None:
    ids = [claim.id for claim in every_claim()]
    assert ids == [
        *(f"D{number}" for number in range(1, 4)),
        *(f"N{number}" for number in range(1, 9)),
        *(f"F{number}" for number in range(1, 5)),
        *(f"W{number}" for number in range(1, 12)),
        *(f"O{number}" for number in range(1, 9)),
        "B1",
    ]
