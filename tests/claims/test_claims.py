"""The claims of the real torch that need neither a clock nor many seeds."""

import functools

import pytest
import torch

from harness.claims.catalogue import every_claim, find
from harness.claims.claim import Evidence, Lab
from harness.claims.conclude import conclude, grounds
from harness.claims.no_grad import model_of

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
    "N9": "refuted",
    "N10": "refuted",
    "F1": "holds",
    "F2": "holds when",
    "F3": "holds",
    "F5": "holds when",
    "F6": "refuted",
    "W1": "holds",
    "W3": "holds",
    "W4": "holds",
    "W6": "holds",
    "W7": "holds",
    "W5": "holds when",
    "W8": "holds",
    "W9": "holds",
    "W10": "holds",
    "W12": "holds when",
    "B1": "holds",
}


@functools.cache
def evidence_of(name: str) -> Evidence:
    """Put a claim to the test once, however many tests look at what was seen."""
    torch.set_num_threads(1)
    (claim,) = find([name])
    return claim.test(LAB)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_claim_about_the_real_torch_has_its_verdict(name: str) -> None:
    (claim,) = find([name])
    assert conclude(evidence_of(name).checks, is_sampled=claim.is_sampled)[0] == EXPECTED[name]


def test_freezing_has_both_its_true_and_its_false_places() -> None:
    found = {check.where: check.holds for check in evidence_of("F2").checks}
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
    found = {check.where: check.holds for check in evidence_of("W2").checks}
    assert found == {"SGD": True, "SGD with momentum": True, "Adam": True, "AdamW": False}


def test_what_no_grad_spares_are_activations_and_gradients_come_with_backward() -> None:
    numbers = {number.name: number.value for number in evidence_of("N9").numbers}
    assert numbers["mlp-relu: gradients after forward"] == 0
    assert numbers["mlp-relu: spared by no_grad"] > 0
    parameters = sum(each.nbytes for each in model_of("mlp-relu", LAB).module.parameters())
    assert numbers["mlp-relu: gradients after backward"] == parameters


def test_dropping_the_result_frees_what_entering_no_grad_does_not() -> None:
    numbers = {number.name: number.value for number in evidence_of("N10").numbers}
    assert numbers["convnet: freed by entering"] == 0
    assert numbers["convnet: freed by dropping the result"] > 1_000_000


def test_decay_has_a_valley_on_data_with_noise_and_signal_alone() -> None:
    found = {
        (ground.where, place): ground.holds
        for ground in grounds(evidence_of("W5").checks)
        for place in ground.places
    }
    assert found["test error falls, then rises", "ridge on diabetes"] is True
    assert found["test error falls, then rises", "ridge without noise"] is False
    assert found["test error falls, then rises", "ridge with nothing to learn"] is False
    assert found["training error only rises", "ridge without noise"] is True
    assert found["training error only rises", "the book's regression by SGD"] is False


def test_a_norm_that_overflows_is_a_number_beside_the_verdict() -> None:
    evidence = evidence_of("W9")
    said = {number.name: number.text for number in evidence.numbers if number.text}
    assert said["entries of 1e+25 in float32, whose norm is 2e+25: sqrt(sum of squares)"] == "inf"
    assert all(check.holds for check in evidence.checks)


def test_there_are_40_claims_with_ids_in_order() -> None:
    ids = [claim.id for claim in every_claim()]
    assert ids == [
        *(f"D{number}" for number in range(1, 4)),
        *(f"N{number}" for number in range(1, 11)),
        *(f"F{number}" for number in range(1, 7)),
        *(f"W{number}" for number in range(1, 13)),
        *(f"O{number}" for number in range(1, 9)),
        "B1",
    ]
