"""Where the memory goes, in words."""

from harness.record.schema import ArmResult, Attribution, Case, Record, Share
from harness.report.attribution import block_of, contributors, memory_sentence, tree_lines


def _saved(size: int, module: str, kind: str, operator: str = "") -> Share:
    return Share(category="saved", bytes=size, blocks=1, module=module, kind=kind, operator=operator)


_SHARES = (
    *(_saved(600, f"h.{index}.mlp.act", "GELU") for index in range(12)),
    *(_saved(200, f"h.{index}.mlp.fc", "Linear") for index in (0, 1, 5)),
    _saved(400, "", "Net", "pow"),
)


def test_a_path_is_cut_at_its_first_number() -> None:
    assert block_of("h.11.mlp") == ("h", 11)
    assert block_of("encoder.layer.2") == ("encoder.layer", 2)
    assert block_of("0.layers.1") == ("0.layers", 1)
    assert block_of("3.1") == ("", 3)
    assert block_of("head") == ("head", None)
    assert block_of("") == ("", None)
    assert block_of("conv2d.weight") == ("conv2d.weight", None)


def test_alike_modules_of_alike_blocks_are_one_contributor() -> None:
    assert contributors(_SHARES) == (
        ("GELU in h 0 to 11", 7200),
        ("Linear in h 0 to 1, 5", 600),
        ("pow", 400),
    )


def test_alike_blocks_of_a_sequential_are_one_contributor() -> None:
    shares = [_saved(100, f"{block}.layers.{layer}", "Linear") for block in (1, 2, 3) for layer in (0, 2)]

    assert contributors([*shares, _saved(50, "4.layers", "Sum"), _saved(10, "0", "Embedding")]) == (
        ("Linear in layers 0, 2 of 1 to 3", 600),
        ("Sum in submodule 4", 50),
        ("Embedding in submodule 0", 10),
    )


def test_blocks_that_hold_shares_at_other_numbers_stay_apart() -> None:
    shares = [_saved(100, path, "Linear") for path in ("0.blocks.0", "1.blocks.0", "1.blocks.8")]
    mixed = [_saved(100, path, "Linear") for path in ("1.layers.0", "layers.2")]

    assert [name for name, _ in contributors(shares)] == ["Linear in 1.blocks 0, 8", "Linear in 0.blocks 0"]
    assert [name for name, _ in contributors(mixed)] == ["Linear in 1.layers 0", "Linear in layers 2"]


def test_the_sentence_names_who_holds_what_no_grad_saves() -> None:
    case = Case(question="grad_mode", model="m")
    reference = ArmResult(
        arm="grad", saved=_SHARES, counts={"peak": 9000, "retained": 8300, "saved": 8200, "nodes": 40}
    )
    quiet = ArmResult(arm="no_grad", counts={"peak": 4904, "retained": 100, "saved": 0, "nodes": 0})
    record = Record(case=case, asks="", reference="grad", arms=(reference, quiet))
    assert memory_sentence(record) == (
        "no_grad saves 8.008 KiB of what a pass holds, and lowers its peak by 4 KiB: of what is saved for"
        " backward, 88 % is GELU in h 0 to 11"
    )
    assert memory_sentence(Record(case=case, asks="", reference="grad", arms=(reference,))) == ""
    nothing = ArmResult(arm="grad")
    assert (
        memory_sentence(
            Record(case=case, asks="", reference="grad", arms=(nothing, ArmResult(arm="no_grad")))
        )
        == ""
    )


def test_the_sentence_says_where_nothing_is_saved_and_why() -> None:
    counts = {"peak": 9000, "retained": 8300, "saved": 8200, "nodes": 40}
    arms = (ArmResult(arm="grad", counts=counts), ArmResult(arm="no_grad", counts=counts))
    record = Record(case=Case(question="grad_mode", model="m"), asks="", reference="grad", arms=arms)
    assert memory_sentence(record) == (
        "no_grad saves nothing of what a pass holds, and does not lower its peak: the pass records under"
        " no_grad too, such as in a region of torch.enable_grad() or in another thread"
    )


def test_the_tree_adds_up_and_names_the_remainder() -> None:
    shares = (
        Share(category="parameters", bytes=600, blocks=1, module="head", kind="Linear"),
        *(
            Share(category="temporaries", bytes=size, blocks=1, operator=f"op{size}")
            for size in (90, 80, 70, 60, 50, 30, 20)
        ),
    )
    lines = tree_lines(Attribution(peak=1000, above_start=400, part="backward", shares=shares), width=60)
    assert "\n".join(lines) == (
        "peak 1,000 B in the backward part, 400 B above the step's start\n"
        "  parameters                                    600 B  60.0%\n"
        "    Linear in head                              600 B  60.0%\n"
        "  temporaries                                   400 B  40.0%\n"
        "    op90                                         90 B   9.0%\n"
        "    op80                                         80 B   8.0%\n"
        "    op70                                         70 B   7.0%\n"
        "    op60                                         60 B   6.0%\n"
        "    op50                                         50 B   5.0%\n"
        "    2 more                                       50 B   5.0%"
    )


def test_a_long_name_is_cut_to_the_width() -> None:
    shares = (Share(category="saved", bytes=10, blocks=1, module="a" * 90, kind="Linear"),)
    lines = tree_lines(Attribution(peak=10, above_start=10, part="forward", shares=shares), width=50)
    assert all(len(line) <= 60 for line in lines)
    assert "..." in lines[-1]
