"""The memory of a step as stacked areas: who holds it, how long it is, and what is drawn of it."""

import re
from pathlib import Path

import msgspec
import pytest

import harness
from harness.record.names import GRADIENTS, TEMPORARIES
from harness.record.schema import Allocated, ArmResult, Case, Record
from harness.report.areas import areas
from harness.report.holders import all_moments, has_holders

_LINE = Allocated(
    parts=("forward", "backward"),
    marks=(0.0, 0.002, 0.004),
    times=(0.001, 0.0015, 0.0018, 0.003, 0.0035),
    levels=(1024, 3072, 2048, 6144, 4096),
    holders=("h.0.act", TEMPORARIES, GRADIENTS),
    of=(0, 1, 1, 2, 0),
)
_PLAIN = msgspec.structs.replace(_LINE, holders=(), of=())


def _record(*lines: Allocated | None, peak: int = 6144) -> Record:
    arms = tuple(
        ArmResult(arm=f"arm {number}", counts={"peak": peak}, allocated=line)
        for number, line in enumerate(lines)
    )
    return Record(case=Case(question="freezing", model="nets:make"), asks="?", reference="arm 0", arms=arms)


def test_the_levels_of_all_holders_add_up_to_the_level() -> None:
    (moments,) = all_moments([_LINE])

    assert moments.names == ("h 0", "gradients", "temporaries")
    assert [sum(row) for row in moments.levels] == [0, *_LINE.levels, 4096]
    assert moments.levels[-1] == (-1024, 4096, 1024)
    assert moments.highest == 6144
    assert moments.parts == ((0.0, "forward"), (0.5, "backward"))


def test_holders_have_the_same_names_in_all_arms() -> None:
    other = msgspec.structs.replace(_LINE, holders=("head", TEMPORARIES, "h.1.act"))

    assert {each.names for each in all_moments([_LINE, other])} == {
        ("h 0", "head", "h 1", "gradients", "temporaries")
    }


def test_where_one_arm_does_not_say_who_holds_its_bytes_there_is_one_holder() -> None:
    assert [has_holders(each) for each in (_LINE, _PLAIN)] == [True, False]
    assert [each.names for each in all_moments([_LINE, _PLAIN])] == [("allocated",)] * 2


def test_neighbours_share_a_band_where_a_model_has_many_blocks() -> None:
    paths = tuple(f"h.{number}.{part}" for number in range(12) for part in ("attn", "mlp"))
    line = msgspec.structs.replace(
        _LINE, holders=("wte", "ln_f", *paths, TEMPORARIES), of=(0, 1, 2, 3, len(paths) + 2)
    )

    assert all_moments([line])[0].names == (
        "wte",
        "ln_f",
        *(f"h {first} to {first + 1}" for first in range(0, 12, 2)),
        "temporaries",
    )


def test_rows_of_blocks_share_the_room_and_what_is_outside_is_named_as_far_as_there_is_room() -> None:
    outside = ("", "stem.conv", "stem.norm", "stem.act", "pool.a", "pool.b", "head.a", "head.b")
    paths = tuple(f"layer{row}.{number}.conv" for row in range(1, 5) for number in range(3))
    few, many = (
        msgspec.structs.replace(_LINE, holders=(*outside, *more, TEMPORARIES), of=(0, 1, 2, 3, 4))
        for more in (("h.0.a", "h.1.a"), paths)
    )

    assert all_moments([few])[0].names == (
        *("the model itself", "stem", "pool", "head", "h 0", "h 1", "temporaries"),
    )
    assert all_moments([many])[0].names == (
        *("other modules", "layer1 0 to 2", "layer2 0 to 2", "layer3 0 to 2", "layer4 0 to 2"),
        "temporaries",
    )


def test_each_band_of_the_legend_has_a_colour_of_its_own() -> None:
    """The style sheet has as many as there can be bands."""
    paths = tuple(f"{row}.{number}.conv" for row in "abcdefgh" for number in range(2))
    line = msgspec.structs.replace(
        _LINE, holders=("stem", "head", *paths, TEMPORARIES, GRADIENTS), of=(0, 1, 2, 3, 4)
    )
    drawn = areas(_record(line), {}, 6)
    sheet = (Path(harness.__file__).parent / "report" / "templates" / "run.html").read_text(encoding="utf-8")

    assert drawn is not None
    colours = [colour for colour, _ in drawn.legend]
    fills = [re.findall(rf"\.{colour} {{ --fill: (#\w+); }}", sheet) for colour in colours]
    assert len(colours) == len(set(colours)) > 10
    assert all(len(fill) == 1 for fill in fills)
    assert len({fill for (fill,) in fills}) == len(fills)


def test_a_long_timeline_keeps_its_peak_and_its_end() -> None:
    levels = [1000 + step % 7 for step in range(20_000)]
    levels[12_345] = 9_999
    line = Allocated(
        parts=("forward",),
        marks=(0.0, 2.0),
        times=tuple(step * 1e-4 for step in range(20_000)),
        levels=tuple(levels),
    )
    (moments,) = all_moments([line])

    assert len(moments.times) < 300
    assert moments.highest == 9_999
    assert sum(moments.levels[-1]) == levels[-1]


def test_the_time_axis_is_that_of_the_step_without_the_profiler() -> None:
    drawn = areas(_record(_LINE, _LINE), {("arm 0", "time"): 1e-3, ("arm 1", "time"): 5e-4}, 6)

    assert drawn is not None
    assert [panel.title for panel in drawn.panels] == [
        "arm 0: peak 6 KiB, 1 ms",
        "arm 1: peak 6 KiB, 500 us",
    ]
    slow, fast = (_rightmost(panel.svg) for panel in drawn.panels)
    assert slow == 346  # the end of the axis
    assert fast == 196  # half of it
    assert "as it was timed, without the profiler" in drawn.caption
    assert all("ms of a step" in panel.svg for panel in drawn.panels)


def _rightmost(svg: str) -> int:
    """Return where the lowest area ends, from its moves across."""
    path = re.findall(r'<path class="a\d+" d="M(\d+) \d+([^"]*)z">', svg)[-1]
    return int(path[0]) + sum(int(step) for step in re.findall(r"h(-?\d+)", path[1]))


def test_a_step_that_was_not_timed_is_drawn_as_a_share_of_itself() -> None:
    drawn = areas(_record(_LINE, _LINE), {("arm 0", "time"): 1e-3}, 6)

    assert drawn is not None
    assert "share of each step" in drawn.caption
    assert all("% of the step" in panel.svg and "ms" not in panel.svg for panel in drawn.panels)
    assert drawn.panels[0].title == "arm 0: peak 6 KiB"


def test_a_record_without_holders_says_so_and_one_without_a_timeline_has_no_picture() -> None:
    drawn = areas(_record(_PLAIN), {}, 6)

    assert drawn is not None
    assert drawn.legend == ()
    assert "Which block holds them is not in this record" in drawn.caption
    assert areas(_record(None), {}, 6) is None


def test_an_empty_step_and_memory_that_only_falls_are_drawn() -> None:
    still = Allocated(parts=("forward",), marks=(0.0, 0.0), times=(), levels=())
    falling = Allocated(parts=("forward",), marks=(0.0, 1.0), times=(0.5,), levels=(-2048,))

    assert areas(_record(still), {}, 6) is not None
    drawn = areas(_record(falling), {}, 6)
    assert drawn is not None
    assert ">-2<" in drawn.panels[0].svg


@pytest.mark.parametrize("text", ['"><script>alert(1)</script>', "</title><b>"])
def test_names_of_modules_are_text(text: str) -> None:
    line = msgspec.structs.replace(_LINE, holders=(text, TEMPORARIES, GRADIENTS), parts=(text, "backward"))
    drawn = areas(_record(line), {}, 6)

    assert drawn is not None
    assert "<script" not in drawn.panels[0].svg
    assert "<b>" not in drawn.panels[0].svg


@pytest.mark.parametrize("end", [0.0, -1.0, 1e-308, 1e308])
@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-300, 1e300])
def test_times_of_any_size_stay_inside_the_axes(end: float, seconds: float) -> None:
    line = msgspec.structs.replace(_LINE, marks=(0.0, 1e308, end), times=(-1e308, 1e308, 0.0, 1.0, 5e-324))
    drawn = areas(_record(line), {("arm 0", "time"): seconds}, 6)

    assert drawn is not None
    assert 46 <= _rightmost(drawn.panels[0].svg) <= 346


def test_a_step_without_parts_has_no_marks() -> None:
    drawn = areas(_record(msgspec.structs.replace(_LINE, parts=(), marks=(1.0,))), {}, 6)

    assert drawn is not None
    assert 'class="mark"' not in drawn.panels[0].svg
