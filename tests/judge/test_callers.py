"""Who calls other operators, and where a graph is recorded that was not: from what a baseline holds."""

from harness.judge.callers import CallsChange, GraphChange, calls_changes, graph_changes
from harness.record.callers import callers_of
from harness.record.schema import Calls, CodeLine


def attention(*counts: int) -> tuple[Calls, ...]:
    """Return so many attention modules, each with its count of reshape; those alike in one group."""
    return tuple(
        Calls(
            modules=tuple(f"h.{place}.attn" for place, one in enumerate(counts) if one == count),
            kind="Attention",
            operators={"reshape": count, "matmul": 2},
        )
        for count in dict.fromkeys(counts)
    )


def changed(before: tuple[Calls, ...], after: tuple[Calls, ...]) -> tuple[CallsChange, ...]:
    return calls_changes(callers_of(before, ()), after)


def test_the_one_module_that_calls_more_is_named_by_its_path() -> None:
    assert changed(attention(1, 1, 1), attention(1, 1, 2)) == (
        CallsChange(who="h.2.attn (Attention)", modules=1, more=(("reshape", 1),)),
    )


def test_one_module_that_calls_less_is_named_too() -> None:
    assert changed(attention(2, 2, 2), attention(2, 0, 2)) == (
        CallsChange(who="h.1.attn (Attention)", modules=1, more=(("reshape", -2),)),
    )


def test_what_all_modules_of_a_pattern_do_is_said_once() -> None:
    assert changed(attention(1, 1, 1, 1), attention(3, 3, 3, 3)) == (
        CallsChange(who="h.*.attn (Attention)", modules=4, more=(("reshape", 2),)),
    )


def test_two_that_differ_from_the_rest_are_said_with_the_first() -> None:
    assert changed(attention(1, 1, 1, 1, 1), attention(1, 2, 1, 2, 1)) == (
        CallsChange(who="h.1.attn (Attention), one of 2", modules=2, more=(("reshape", 1),)),
    )


def test_where_no_module_stands_out_the_pattern_is_named_with_the_sum() -> None:
    assert changed(attention(1, 2, 3), attention(3, 2, 5)) == (
        CallsChange(who="h.*.attn (Attention)", modules=1, more=(("reshape", 4),)),
    )


def test_the_same_calls_in_another_module_of_the_pattern_are_no_change() -> None:
    assert changed(attention(1, 2), attention(2, 1)) == ()


def test_a_class_that_is_gone_and_one_that_came_are_both_told() -> None:
    before = (Calls(modules=("act",), kind="ReLU", operators={"relu": 1}),)
    after = (Calls(modules=("act",), kind="GELU", operators={"gelu": 1}),)

    assert changed(before, after) == (
        CallsChange(who="act (GELU)", modules=1, more=(("gelu", 1),)),
        CallsChange(who="act (ReLU)", modules=1, more=(("relu", -1),)),
    )


def test_the_operator_that_differs_most_is_the_first() -> None:
    before = (Calls(modules=("",), kind="Net", operators={"add": 1, "mul": 1}),)
    after = (Calls(modules=("",), kind="Net", operators={"add": 2, "mul": 9}),)

    assert changed(before, after)[0].more == (("mul", 8), ("add", 1))


def line(function: str, graphs: int, number: int = 41) -> CodeLine:
    return CodeLine(file="nets.py", line=number, count=graphs, function=function)


def test_a_function_that_recorded_nothing_and_records_now_is_named_on_whatever_line_it_is() -> None:
    before = callers_of((), (line("evaluate", 0), line("train", 3)))

    assert graph_changes(before, (line("train", 5), line("evaluate", 2, 43)), recorded_none=False) == (
        GraphChange(line=line("evaluate", 2, 43), was_called=True),
    )


def test_a_function_that_is_new_where_there_are_graphs_is_no_change() -> None:
    before = callers_of((), (line("train", 3),))

    assert graph_changes(before, (line("fit", 5),), recorded_none=False) == ()


def test_where_there_was_no_graph_at_all_every_line_that_records_is_told() -> None:
    assert graph_changes({}, (line("evaluate", 2), line("other", 0)), recorded_none=True) == (
        GraphChange(line=line("evaluate", 2), was_called=True),
    )
