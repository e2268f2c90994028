"""Nothing finished is lost, nothing is half written, nothing is overwritten."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from runs import environment

from harness.errors import HarnessError
from harness.record.codec import UnreadableError, decode_run
from harness.record.run_writer import RunWriter
from harness.record.schema import ArmResult, Case, Record, Run
from harness.record.store import StoreError, load_run, replace_file

RUN = Run(
    id="now",
    environment=environment(),
    metrics=(),
)


def record(model: str, *arms: str) -> Record:
    return Record(
        case=Case(question="grad_mode", model=model),
        asks="?",
        reference="grad",
        arms=tuple(ArmResult(arm=arm) for arm in arms),
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def failing(error: OSError) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = OSError(errno.EROFS, "Read-only file system")


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "b.json", b"{}")

    assert files(tmp_path) == ["a", "a/b.json"]
    assert (tmp_path / "a" / "b.json").read_bytes() == b"{}"


def test_a_full_disk_says_so_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(FULL))

    with pytest.raises(StoreError, match=r"a\.json cannot be written: No space left on device$"):
        replace_file(tmp_path / "a.json", b"new")

    assert files(tmp_path) == []


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(FULL))

    with pytest.raises(StoreError):
        replace_file(tmp_path / "a.json", b"new")

    assert files(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"old"


def test_an_interrupt_while_writing_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "a.json", b"new")

    assert files(tmp_path) == []


def test_a_read_only_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkstemp", failing(READ_ONLY))

    with pytest.raises(StoreError, match=r"a\.json cannot be written: Read-only file system$"):
        replace_file(tmp_path / "a.json", b"new")

    assert files(tmp_path) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(b"")

    with pytest.raises(StoreError, match=r"cannot be (made|written): Not a directory$"):
        RunWriter(tmp_path / "results", RUN)


def test_a_refusal_of_the_store_is_one_of_the_harness() -> None:
    assert issubclass(StoreError, HarnessError)


def test_a_session_on_a_read_only_folder_ends_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", failing(READ_ONLY))

    with pytest.raises(StoreError, match=r"now\.partial cannot be made: Read-only file system$"):
        RunWriter(tmp_path / "runs", RUN)


def test_a_session_on_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(FULL))

    with pytest.raises(StoreError, match="No space left on device"):
        RunWriter(tmp_path, RUN)

    assert files(tmp_path) == []


def test_a_run_is_one_file_of_its_records_in_their_order(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    for number in range(12):
        writer.add(record(f"model-{number}", "grad"))

    run = writer.finish(complete=True)

    assert files(tmp_path) == ["now.json"]
    assert run == decode_run((tmp_path / "now.json").read_bytes())
    assert [kept.case.model for kept in run.records] == [f"model-{number}" for number in range(12)]
    assert run.complete


def test_a_later_record_of_the_same_case_takes_its_place(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    writer.add(record("mlp", "grad"))
    writer.add(record("lstm", "grad"))
    writer.add(record("mlp", "grad", "no_grad"))

    records = writer.finish(complete=True).records

    assert records == (record("mlp", "grad", "no_grad"), record("lstm", "grad"))


def test_a_record_is_on_the_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    writer.add(record("mlp", "grad"))

    killed = load_run(tmp_path / "now.partial")

    assert killed.records == (record("mlp", "grad"),)
    assert not killed.complete
    assert killed.id == "now"


def test_a_disk_that_fills_up_keeps_the_records_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path, RUN)
    writer.add(record("mlp", "grad"))
    monkeypatch.setattr(os, "fsync", failing(FULL))
    with pytest.raises(StoreError):
        writer.add(record("lstm", "grad"))
    with pytest.raises(StoreError):
        writer.finish(complete=True)

    assert files(tmp_path) == ["now.partial", "now.partial/000000.json", "now.partial/run.json"]
    assert load_run(tmp_path / "now.partial").records == (record("mlp", "grad"),)


def test_a_run_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "now.json").write_bytes(b"old")
    writer = RunWriter(tmp_path, RUN)

    run = writer.finish(complete=True)

    assert run.id == "now-2"
    assert files(tmp_path) == ["now-2.json", "now.json"]
    assert (tmp_path / "now.json").read_bytes() == b"old"


def test_sessions_that_start_in_the_same_second_get_files_of_their_own(tmp_path: Path) -> None:
    writers = [RunWriter(tmp_path, RUN) for _ in range(3)]
    for number, writer in enumerate(writers):
        writer.add(record(f"model-{number}", "grad"))

    runs = [writer.finish(complete=True) for writer in writers]

    assert files(tmp_path) == ["now-2.json", "now-3.json", "now.json"]
    assert [run.id for run in runs] == ["now", "now-2", "now-3"]
    assert [load_run(writer.path).records[0].case.model for writer in writers] == [
        "model-0",
        "model-1",
        "model-2",
    ]


def test_a_session_that_finishes_while_another_looks_for_a_name_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RunWriter(tmp_path, RUN)
    make = Path.mkdir

    def make_after_the_first_has_finished(path: Path, *args: int, **options: bool) -> None:
        if path == tmp_path / "now.partial":
            first.finish(complete=True)
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", make_after_the_first_has_finished)
    second = RunWriter(tmp_path, RUN)

    assert second.run.id == "now-2"
    assert second.path == tmp_path / "now-2.json"


def test_a_file_that_appeared_under_the_runs_name_is_kept_and_so_are_the_records(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    writer.add(record("mlp", "grad"))
    (tmp_path / "now.json").write_bytes(b"not ours")

    with pytest.raises(StoreError, match=r"exists already; this session's records are in .*now\.partial$"):
        writer.finish(complete=True)

    assert (tmp_path / "now.json").read_bytes() == b"not ours"
    assert load_run(tmp_path / "now.partial").records == (record("mlp", "grad"),)


def test_a_killed_session_does_not_lend_its_name(tmp_path: Path) -> None:
    RunWriter(tmp_path, RUN).add(record("mlp", "grad"))

    assert RunWriter(tmp_path, RUN).run.id == "now-2"
    assert load_run(tmp_path / "now.partial").records == (record("mlp", "grad"),)


def test_a_missing_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"none\.json cannot be read: No such file or directory$"):
        load_run(tmp_path / "none.json")


def test_a_folder_that_is_no_partial_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"cannot be read: No such file or directory$"):
        load_run(tmp_path)


def test_a_damaged_part_is_refused_with_its_name(tmp_path: Path) -> None:
    RunWriter(tmp_path, RUN).add(record("mlp", "grad"))
    (tmp_path / "now.partial" / "000001.json").write_bytes(b"{")

    with pytest.raises(UnreadableError, match=r"000001\.json is not a record: "):
        load_run(tmp_path / "now.partial")


def test_a_run_that_was_interrupted_says_so(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, msgspec.structs.replace(RUN, complete=False))
    writer.add(record("mlp", "grad"))
    writer.finish(complete=False)

    assert not load_run(tmp_path / "now.json").complete


def test_what_was_planned_and_is_not_there_is_named_and_the_run_is_not_complete(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    mlp, lstm = (record(model, "grad").case.id for model in ("mlp", "lstm"))
    writer.plan([(mlp, "grad"), (mlp, "no_grad"), (lstm, "grad")])
    writer.add(record("mlp", "grad"))

    assert load_run(tmp_path / "now.partial").missing == ((mlp, "no_grad"), (lstm, "grad"))
    run = writer.finish(complete=True)
    assert run.missing == ((mlp, "no_grad"), (lstm, "grad"))
    assert not run.complete


def test_a_plan_that_was_carried_out_is_complete_but_for_what_is_excused(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    mlp = record("mlp", "grad").case.id
    writer.plan([(mlp, "grad"), (mlp, "no_grad")])
    writer.add(record("mlp", "grad"))
    writer.excuse({(mlp, "no_grad")})

    assert writer.finish(complete=True).complete


def test_records_that_vanish_while_a_session_goes_on_are_missed(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, RUN)
    models = ("mlp", "lstm")
    writer.plan([(record(model, "grad").case.id, "grad") for model in models])
    writer.add(record("mlp", "grad"))
    shutil.rmtree(tmp_path / "now.partial")
    writer.add(record("lstm", "grad"))

    run = writer.finish(complete=True)

    assert run.missing == ((record("mlp", "grad").case.id, "grad"),)
    assert not run.complete


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    (tmp_path / "a.json").chmod(0o600)

    replace_file(tmp_path / "a.json", b"new")

    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.json").write_bytes(b"old")
    (tmp_path / "a.json").symlink_to(tmp_path / "there" / "a.json")

    replace_file(tmp_path / "a.json", b"new")

    assert (tmp_path / "a.json").is_symlink()
    assert (tmp_path / "there" / "a.json").read_bytes() == b"new"


def test_a_device_and_a_pipe_are_written_through(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    replace_file(tmp_path / "pipe", b"new")
    replace_file(Path(os.devnull), b"new")

    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert Path(os.devnull).is_char_device()
