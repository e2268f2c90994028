"""What is saved on real models: the committed table, made again from its record."""

from pathlib import Path

import runs

from bench.savings import savings
from harness.record.store import load_run

RESULTS = Path(__file__).parents[2] / "results"


def test_the_table_is_made_again_from_its_record_byte_for_byte() -> None:
    table = savings(load_run(RESULTS / "records" / "h200-models.json"))

    assert table == (RESULTS / "tables" / "cuda" / "savings.md").read_text(encoding="utf-8")


def test_a_question_that_was_not_asked_leaves_its_cells_empty() -> None:
    last = savings(runs.run()).splitlines()[-1]

    assert [cell.strip() for cell in last.strip("|").split("|")] == [
        *("mlp, float32, batch 8", "4 KiB", "4 KiB", "", "", "", "")
    ]
