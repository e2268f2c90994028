"""What the stored structs say of themselves."""

import pytest

from harness.record.schema import ArmResult, Books, Case, Record

CASE = Case(question="grad_mode", model="mlp-relu", batch_size=64)


def test_a_case_is_named_by_all_that_tells_it_from_another() -> None:
    assert CASE.id == "grad_mode/mlp-relu/eval/cpu-float32-b64"


def test_a_variant_is_part_of_the_name() -> None:
    case = Case(question="decay_groups", model="lstm", mode="train", variant="adamw-fused", batch_size=2)

    assert case.id == "decay_groups/lstm/train/adamw-fused/cpu-float32-b2"


def test_books_balance_when_what_is_held_was_saved() -> None:
    assert Books(retained=264704, retained_no_grad=2560, saved=262144, scalars=0).unaccounted == 0


def test_books_tell_scalars_from_what_cannot_be_accounted_for() -> None:
    assert Books(retained=1000, retained_no_grad=100, saved=500, scalars=48).unaccounted == 352


def test_an_arm_that_was_not_measured_is_none() -> None:
    assert Record(case=CASE, asks="?", reference="grad").arm("grad") is None


def test_a_later_arm_comes_after_the_first() -> None:
    record = Record(case=CASE, asks="?", reference="grad")
    record = record.with_arm(ArmResult(arm="grad")).with_arm(ArmResult(arm="no_grad"))

    assert [arm.arm for arm in record.arms] == ["grad", "no_grad"]


def test_an_arm_that_comes_again_takes_its_own_place() -> None:
    record = Record(
        case=CASE, asks="?", reference="grad", arms=(ArmResult(arm="grad"), ArmResult(arm="no_grad"))
    ).with_arm(ArmResult(arm="grad", status="failed", reason="out of memory"))

    assert [(arm.arm, arm.status) for arm in record.arms] == [("grad", "failed"), ("no_grad", "ok")]


def test_what_is_stored_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match=r"immutable|cannot assign"):
        CASE.batch_size = 3  # type: ignore[misc]
