"""Baseline files: sorted, merged by git without conflicts, refused in one sentence."""

import subprocess
from pathlib import Path

import pytest
import runs

from harness.record.baseline import (
    Baseline,
    BaselineError,
    Key,
    decode_baseline,
    encode_baseline,
    key_of,
    path_of,
    read_baselines,
    write_baseline,
)

KEY = Key(torch="2.13.0", build="cpu", threads=1, dtype="float32", device="cpu", cpu_capability="AVX2")
ROWS = {(f"case-{place}", "grad"): {"peak": place, "saved": place} for place in range(5)}
HEAD = (
    '{"format": 1, "key": {"torch": "2", "build": "cpu", "threads": 1, "dtype": "float32",'
    ' "device": "cpu", "cpu_capability": "AVX2"}'
)


def test_what_is_written_is_read() -> None:
    baseline = Baseline(key=KEY, values=ROWS, packages={"numpy": "2.4.6"})

    assert decode_baseline(encode_baseline(baseline)) == baseline


def test_the_order_of_rows_is_always_the_same() -> None:
    turned = {key: dict(reversed(row.items())) for key, row in reversed(ROWS.items())}

    assert encode_baseline(Baseline(key=KEY, values=turned)) == encode_baseline(
        Baseline(key=KEY, values=ROWS)
    )


CALLERS = {
    ("operators", "h.*.attn (Attention)"): {"reshape": 2},
    ("nodes", "evaluate (nets.py)"): {"graphs": 0},
}


def test_callers_are_written_a_row_for_all_arms_that_are_made_of_the_same() -> None:
    baseline = Baseline(
        key=KEY,
        values={("case", "grad"): {"peak": 1}, ("case", "no_grad"): {"peak": 1}},
        callers={("case", "no_grad"): CALLERS, ("case", "grad"): CALLERS},
    )
    text = encode_baseline(baseline)

    assert text.decode().partition('"callers": [\n')[2] == (
        '\n["case","nodes","evaluate (nets.py)",["grad","no_grad"],{"graphs":0}],\n'
        '\n["case","operators","h.*.attn (Attention)",["grad","no_grad"],{"reshape":2}],\n\nnull\n]}\n'
    )
    assert decode_baseline(text) == baseline


def test_a_file_from_before_callers_were_kept_is_written_as_it_was() -> None:
    old = encode_baseline(Baseline(key=KEY, values=ROWS))

    assert b"callers" not in old
    assert encode_baseline(decode_baseline(old)) == old


def test_a_caller_that_a_merge_left_twice_is_named() -> None:
    row = '["case", "operators", "h.* (Block)", ["grad"], {"add": 1}]'
    data = f'{HEAD}, "rows": [null], "callers": [{row}, {row}, null]}}'.encode()

    with pytest.raises(BaselineError, match=r"'h\.\* \(Block\)' of 'case', 'grad', is there twice"):
        decode_baseline(data)


def test_a_device_other_than_the_cpu_is_named_in_words() -> None:
    where = runs.environment(device="NVIDIA H100 80GB HBM3", build="cu126")
    key = key_of(where, runs.case(device="cuda:1"))

    assert key.device == "cuda NVIDIA H100 80GB HBM3"
    assert key.name == "torch2.13.0-cu126-1t-float32-cuda_NVIDIA_H100_80GB_HBM3-AVX2"


def test_a_key_from_a_stranger_stays_in_its_folder(tmp_path: Path) -> None:
    key = key_of(runs.environment(torch="../../etc/x", cpu_capability="a/b\\c\0"), runs.case())

    assert path_of(tmp_path, key).parent == tmp_path
    assert write_baseline(tmp_path, Baseline(key=key)).parent == tmp_path


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    names = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    command = ["git", *names, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 (literals)


def merged(folder: Path, ours: Baseline, theirs: Baseline, attributes: str = "") -> Baseline | None:
    """Merge two changes of one baseline with git; None where git finds a conflict."""
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text(attributes)
    write_baseline(folder, Baseline(key=KEY, values=ROWS))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "base")
    git(folder, "switch", "-qc", "theirs")
    write_baseline(folder, theirs)
    git(folder, "commit", "-qam", "theirs")
    git(folder, "switch", "-q", "main")
    path = write_baseline(folder, ours)
    git(folder, "commit", "-qam", "ours")
    if git(folder, "merge", "-q", "theirs").returncode:
        return None
    return decode_baseline(path.read_bytes())


def changed(place: int, value: int) -> Baseline:
    return Baseline(key=KEY, values={**ROWS, (f"case-{place}", "grad"): {"peak": value, "saved": place}})


@pytest.mark.parametrize(("ours", "theirs"), [(0, 1), (3, 4), (0, 4), (2, 1)])
def test_changes_of_different_rows_merge(tmp_path: Path, ours: int, theirs: int) -> None:
    both = merged(tmp_path, changed(ours, 1000), changed(theirs, 2000))

    assert both is not None
    assert both.values[f"case-{ours}", "grad"]["peak"] == 1000
    assert both.values[f"case-{theirs}", "grad"]["peak"] == 2000


@pytest.mark.parametrize(("ours", "theirs"), [("case-2a", "case-2b"), ("case-8", "case-9"), ("a", "case-9")])
def test_new_cases_merge_with_the_projects_attributes(tmp_path: Path, ours: str, theirs: str) -> None:
    attributes = (Path(__file__).parents[2] / ".gitattributes").read_text().replace("results/baselines/", "")
    sides = [Baseline(key=KEY, values={**ROWS, (name, "grad"): {"peak": 7}}) for name in (ours, theirs)]
    both = merged(tmp_path, *sides, attributes=attributes)

    assert both is not None
    assert both.values == {**ROWS, (ours, "grad"): {"peak": 7}, (theirs, "grad"): {"peak": 7}}


def test_two_values_of_one_row_are_refused_after_the_merge(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="peak of case-1, grad, is there twice"):
        merged(tmp_path, changed(1, 1000), changed(1, 2000), attributes="*.json merge=union\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a baseline"),
        ("[1]", "is not a baseline"),
        ('{"format": 1', "is not a baseline"),
        ("{}", "has no field `format`"),
        ('{"format": 2}', "newer than 1, which is read here: upgrade autograd-harness"),
        ('{"format": 0}', "formats 1 to 1 are read here"),
        (f'{HEAD}, "rows": [["case", "arm", "peak", 1.5]]}}', "Expected `int`, got `float`"),
        (f'{HEAD}, "rows": [["case", "arm", "peak", NaN]]}}', "is not a baseline"),
        (f'{HEAD}, "rows": [["c", "a", "m", 1], ["c", "a", "m", 1]]}}', "m of c, a, is there twice"),
    ],
)
def test_what_is_no_baseline_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BaselineError) as refused:
        decode_baseline(text.encode(), "b.json")

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match=r"cannot be read: No such file or directory; `harness gate"):
        read_baselines(tmp_path / "none")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BaselineError, match="cannot be read: Not a directory"):
        read_baselines(tmp_path / "file")
