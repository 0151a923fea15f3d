#!/usr/bin/env bash
# Make the virtual environment and install the locked set. One line says what is missing.
set -euo pipefail
venv=${1:-.venv}

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; }

python=
for candidate in ${PYTHON:-} python3.11 python3 python /usr/bin/python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "setup: CPython 3.11 with venv is missing (found: $(python3 --version 2>&1 || true)): install python3.11 and python3.11-venv, or name one with PYTHON=/path/to/python3.11" >&2
    exit 17
fi

"$python" -m venv "$venv"
echo "setup: installing $(grep -c == constraints.txt) locked packages into $venv (about two minutes)" >&2
log="$venv/install.log"
# Byte code is made when a module is first imported: making all of it takes a minute, and most is never used.
if ! "$venv/bin/python" -m pip install --quiet --no-input --no-compile -c constraints.txt -e '.[dev]' >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "setup: the packages could not be installed: see $log; check the network and the free disk space (3 GB)" >&2
    exit 23
fi
