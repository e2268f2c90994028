#!/usr/bin/env bash
# What a GPU has to prove, in at most 8 minutes of it, the most telling first; one part's end ends no other.
#
#     bash tests/device/session.sh [FOLDER]
#
# FOLDER takes what is said and the run files; by default $OUT, or device-session. WHEELS names a folder of wheels
# for a machine without a registry: `pip download -d wheels msgspec memory-profiler pytest pytest-benchmark ...`
# of what pyproject.toml names, for its Python. PYTHON is the interpreter that has torch.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-${OUT:-device-session}}
python=${PYTHON:-python3}
mkdir -p "$out"
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install -q --no-index --find-links "$WHEELS" --no-deps "$WHEELS"/*.whl
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1

part() { # name, seconds at most, command
    local name=$1 limit=$2 began=$SECONDS
    shift 2
    timeout -k 5 "$limit" "$@" >"$out/$name.txt" 2>&1
    local status=$?
    echo "$name: status $status, $((SECONDS - began)) of $limit s" | tee -a "$out/parts.txt"
    tail -n 12 "$out/$name.txt"
}

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "session.sh: torch of $python sees no CUDA device here; PYTHON names the interpreter that does" >&2
    exit 2
fi
"$python" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name())' | tee "$out/parts.txt"
part fast 120 "$python" -m pytest tests/device -m "cuda and not slow" -q -rA -p no:cacheprovider
part times 60 "$python" tests/device/compare_times.py
part planted 40 "$python" -m pytest tests/device -m cuda -k planted -s -q -p no:cacheprovider
part alarms 90 "$python" -m pytest tests/device -m cuda -k alarm -s -q -p no:cacheprovider
part bench 110 "$python" -m pytest bench/ --benchmark-only --harness-device cuda --harness-budget 0.1 \
    --harness-results "$out/bench" -q -p no:cacheprovider
part gpt2 60 "$python" -m harness measure hf:gpt2 --device cuda --json "$out/gpt2.json"
