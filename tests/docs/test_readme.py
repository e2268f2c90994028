"""The front pages: short, alike in both languages, and true to the record of their picture."""

import re
from pathlib import Path

import pytest
from documents import ROOT, blocks_of, tokens_of

from harness.record.store import load_run

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_a_front_page_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) < 80


def test_both_languages_have_the_same_blocks() -> None:
    assert blocks_of(CHINESE) == blocks_of(README)


def test_both_languages_have_the_same_headings() -> None:
    assert [each.tag for each in tokens_of(CHINESE) if each.type == "heading_open"] == [
        each.tag for each in tokens_of(README) if each.type == "heading_open"
    ]


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_what_is_said_of_the_picture_is_in_its_record(page: Path) -> None:
    run = load_run(ROOT / "results" / "records" / "vit.json")
    forward, training = run.records
    passed, trained = (
        {arm.arm: arm.counts["peak"] / 2**20 for arm in record.arms} for record in (forward, training)
    )
    (said,) = re.findall(r"!\[(.*?)\]\(docs/pictures/vit.svg\)", page.read_text(encoding="utf-8"), re.DOTALL)

    (command,) = re.findall(r"`(harness measure hf:vit-b16 .*?)`", page.read_text(encoding="utf-8"))

    assert run.command.startswith(f"{command} ")
    assert re.findall(r"(\d+) MiB", said) == ["112", "7", "346", "7"]
    assert round(passed["grad"]) == 112
    assert max(passed["no_grad"], passed["inference_mode"]) < 7
    assert round(trained["all trainable"]) == round(trained["head frozen"]) == 346
    assert round(trained["trunk frozen"]) == 7


def test_the_first_command_of_another_projects_ci_needs_nothing_of_this_one() -> None:
    text = README.read_text(encoding="utf-8")

    assert "bench/" not in text
