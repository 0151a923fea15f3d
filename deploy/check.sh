#!/usr/bin/env bash
# Everything that must hold before a commit lands; `make test` and CI both call this.
set -euo pipefail
# Hundreds of processes are started here: where byte code may not be kept, each compiles all that it imports.
unset PYTHONDONTWRITEBYTECODE
bin=${1:-.venv}/bin

"$bin/ruff" check .
"$bin/ruff" format --check .
rm -f .coverage .coverage.*
"$bin/mypy" . &
types=$!
# The kernels are compiled once, before two workers would both do it.
"$bin/swarm" kernels
wait "$types"
"$bin/coverage" run -m pytest -n 2 -m "not soak" "${@:2}"
"$bin/coverage" combine -q
"$bin/coverage" report
