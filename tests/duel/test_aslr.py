"""ASLR is off in a worker, and a seed decides its addresses."""

import json
import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from harness.duel.worker import aslr

pytestmark = pytest.mark.process

PROGRAM = """
import importlib.util, json, mmap, sys
spec = importlib.util.spec_from_file_location("start", sys.argv[1])
start = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start)
with start.moved_down(int(sys.argv[2])):
    import _ctypes  # a library that is loaded after the move
    loaded = [line.split("-")[0] for line in open("/proc/self/maps") if "_ctypes" in line]
    print(json.dumps([sys.argv[3], sys.flags.no_site, loaded[0], hash("a"), id(object)]))
"""


def started(folder: Path, seed: int) -> list[object]:
    """Return what a script in a process of this seed sees."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    start = Path(aslr.__file__).with_name("start.py")
    command = [sys.executable, "-S", aslr.__file__, str(seed), str(program), str(start)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env={})  # noqa: S603 (this interpreter)
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/maps is Linux's")
def test_one_seed_gives_one_layout_and_another_another(tmp_path: Path) -> None:
    if started(tmp_path, 0)[0] == "0":  # also compiles what the next ones load
        pytest.skip("the system does not let a process turn ASLR off")
    first, again, other = started(tmp_path, 7 << 16), started(tmp_path, 7 << 16), started(tmp_path, 8 << 16)

    assert first == again
    assert first[:2] == ["1", 1]  # it was obeyed, and the interpreter has kept its options
    assert int(str(first[2]), 16) - int(str(other[2]), 16) == mmap.PAGESIZE
    assert first[3] != other[3]


def test_elsewhere_than_on_linux_aslr_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert not aslr.turn_aslr_off()
