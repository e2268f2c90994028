"""What `python -m bench.fits` is asked for by name."""

import pytest

from bench.fits.__main__ import SHARES, chosen
from harness.errors import HarnessError


def test_a_name_chooses_what_it_names_alone() -> None:
    assert chosen(["0.5"], SHARES, "share") == ("0.5",)


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(HarnessError, match=r"no share '0\.6' here; there are 0\.75, 0\.5, 0\.35"):
        chosen(["0.6"], SHARES, "share")
