#!/usr/bin/env bash
# Make the environment of the peers that cannot live in ours. One line says what cannot be had.
set -euo pipefail
venv=${1:-.venv-peers}
# The newest that CPython 3.11 gets (1.221.0) aborts in its own code, so 3.12 it is.
package="nautilus_trader==1.231.0" wanted=3.12

version() { "$1" -c 'import venv, ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

python=
for candidate in ${PYTHON:-} "python$wanted" "/usr/bin/python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$wanted".*/bin/python; do
    if [ "$(version "$candidate")" = "$wanted" ]; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "peers: nothing set up: CPython $wanted with venv is missing; name one with PYTHON=/path/to/python$wanted" >&2
    exit 17
fi

if [ "$(version "$venv/bin/python")" = "$wanted" ] && "$venv/bin/python" -m pip freeze 2>/dev/null | grep -qix "$package"; then
    echo "peers: $package is there already ($venv, CPython $wanted)" >&2
    exit 0
fi
"$python" -m venv --clear "$venv"
echo "peers: installing $package into $venv (CPython $wanted, about a minute, 1 GB)" >&2
if ! "$venv/bin/python" -m pip install --quiet --no-input "$package" >"$venv/install.log" 2>&1; then
    echo "peers: $package could not be had for CPython $wanted, nothing set up: see $venv/install.log" >&2
    exit 23
fi
echo "peers: $package is ready; \`python -m benchmarks orders\` measures it" >&2
