"""Numbers as text."""

import math

import pytest

from harness.record.schema import Unit
from harness.report.inert import markdown
from harness.report.units import quantity, ratio


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "B", "0 B"),
        (1023, "B", "1023 B"),
        (1024, "B", "1 KiB"),
        (393216, "B", "384 KiB"),
        (100_663_296, "B", "96 MiB"),
        (-2048, "B", "-2 KiB"),
        (5 * 1024**4, "B", "5 TiB"),
        (5000 * 1024**4, "B", "5000 TiB"),
        (0.0, "s", "0 s"),
        (3e-10, "s", "3e-10 s"),
        (2.5e-8, "s", "25 ns"),
        (7.25e-05, "s", "72.5 us"),
        (0.0123456, "s", "12.3 ms"),
        (61.0, "s", "61 s"),
        (0, "1", "0"),
        (1234567, "1", "1,234,567"),
        (math.nan, "s", "-"),
    ],
)
def test_a_quantity_is_read_with_its_unit(value: float, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1024 * 1024 - 1, "B", "1 MiB"),
        (9.9999e-4, "s", "1 ms"),
        (999_999e-6, "s", "1 s"),
        (123456.0, "s", "123456 s"),
    ],
)
def test_a_quantity_that_rounds_up_to_the_next_unit_is_written_in_it(
    value: float, unit: Unit, text: str
) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (1.0, "1.000"), (0.9995, "1.000"), (1.0235, "1.024")]
)
def test_a_ratio_has_three_digits_or_is_none(value: float | None, text: str) -> None:
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\t!", "two lines !"),
        ("a|b", "a\\|b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("no_grad", "no\\_grad"),
        ("[x](y) `z` *w*", "\\[x\\](y) \\`z\\` \\*w\\*"),
        ("C:\\x", "C:\\\\x"),
    ],
)
def test_text_from_anywhere_is_shown_as_it_is(text: str, shown: str) -> None:
    assert markdown(text) == shown
