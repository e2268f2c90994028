"""What a search found, in words."""

from dataclasses import replace

from searches import FOUND, FROZEN, PLAN, UNTOUCHED

from harness.record.fit import FitCandidate
from harness.report.fit import answer, cost, fit_text, levers_in_words, mark


def test_the_answer_is_one_sentence_with_what_it_costs() -> None:
    assert answer(FOUND) == (
        "fits 64 MiB: checkpoint blocks 3 to 6 of 6 (a.2 to a.5), AdamW for-loop: peak 60 MiB (60 %), step"
        " 21 % slower (18 to 24); nothing of the mathematics is given up."
    )


def test_what_is_given_up_is_said() -> None:
    assert answer(replace(FOUND, plan=FROZEN)).endswith(
        "; given up: training blocks 1 to 3 and all that runs before."
    )


def test_where_nothing_fits_the_least_and_what_it_is_made_of_is_said() -> None:
    assert answer(replace(FOUND, plan=None, trials=(UNTOUCHED, PLAN))) == (
        "nothing fits 64 MiB: the least that was run needs 60 MiB (checkpoint blocks 3 to 6 of 6 (a.2 to"
        " a.5), AdamW for-loop); most of it is saved 40 MiB, parameters 10 MiB; --allow dtype,optimizer would"
        " try more."
    )


def test_batch_norm_that_kept_micro_batches_out_is_among_what_may_be_allowed() -> None:
    refused = ("micro-batches left out: BatchNorm: allow batchnorm to run them all the same",)
    nothing = replace(FOUND, plan=None, trials=(UNTOUCHED,), notes=refused)

    assert answer(nothing).endswith("--allow dtype,optimizer,batchnorm would try more.")


def test_a_limit_that_is_met_is_said() -> None:
    assert answer(replace(FOUND, plan=UNTOUCHED)) == (
        "fits 64 MiB as it is: peak 100 MiB; nothing has to be changed."
    )


def test_without_a_limit_both_ends_are_said() -> None:
    assert answer(replace(FOUND, limit=None, plan=None)) == (
        "net: peak 100 MiB as it is; the least that was run needs 50 MiB (50 %), step not timed, with freeze"
        " blocks 1 to 3 of 6 (a.0 to a.2)."
    )


def test_where_nothing_needs_less_than_the_step_as_it_is_that_is_said() -> None:
    assert answer(replace(FOUND, limit=None, plan=None, trials=(UNTOUCHED,))) == (
        "net: peak 100 MiB as it is; nothing that was run needs less; --allow dtype,optimizer would try more."
    )


def test_where_there_is_nothing_to_paste_the_levers_that_were_left_out_are_said() -> None:
    lines = fit_text(replace(FOUND, plan=None, lines=())).splitlines()

    assert "micro-batches left out: BatchNorm" in lines
    assert lines[-1] == "* plan  ! over the limit  ~ gives something up  ? not decided in the time"


def test_a_terminal_of_80_columns_holds_it_in_40_lines() -> None:
    lines = fit_text(FOUND).splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert "Or freeze alone: freeze blocks 1 to 3 of 6 (a.0 to a.2): peak 50 MiB" in " ".join(lines)
    assert "out: 2 micro-batches of 4: the step ran out of memory" in lines
    assert "micro-batches left out: BatchNorm" not in lines
    assert "micro-batches left out: BatchNorm" in fit_text(FOUND, verbose=True).splitlines()


def test_trials_are_marked() -> None:
    assert [mark(trial, FOUND) for trial in FOUND.trials] == ["!", "*", "~", "!"]


def test_costs_in_words() -> None:
    assert cost(UNTOUCHED) == "as before"
    assert cost(FROZEN) == "not timed"
    assert cost(replace(PLAN, ratio=0.8, low=0.75, high=0.85, verdict="better")) == "20 % faster (15 to 25)"
    assert cost(replace(PLAN, low=None, high=None, verdict="undecided")) == "about 21 % slower (undecided)"
    assert cost(replace(PLAN, verdict="undecided"), short=True) == "+21 % ?"


def test_levers_in_words() -> None:
    every = FitCandidate(
        dtype="bfloat16", optimizer="SGD", checkpointed=(0, 2), micro_batches=4, update="in backward"
    )

    assert levers_in_words(every, FOUND, short=True) == (
        "all in bfloat16, train with SGD, checkpoint blocks 1, 3 of 6, 4 micro-batches of 2, step in the"
        " backward pass"
    )
    assert levers_in_words(FitCandidate(), FOUND) == "as it is"
