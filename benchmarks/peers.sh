#!/usr/bin/env bash
# Make the environment of the peers that cannot live in ours. One line says what cannot be had.
set -euo pipefail
venv=${1:-.venv-peers}
# CPython 3.12 gets the newest peer; 3.11 only an older one, which was seen to abort here.
declare -A pinned=([3.12]="nautilus_trader==1.231.0" [3.11]="nautilus_trader==1.221.0")

version() { "$1" -c 'import venv, ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

python= found=
for wanted in 3.12 3.11; do
    for candidate in ${PYTHON:-} "python$wanted" "/usr/bin/python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$wanted".*/bin/python; do
        if [ "$(version "$candidate")" = "$wanted" ]; then python=$candidate found=$wanted; break 2; fi
    done
done
if [ -z "$python" ]; then
    echo "peers: nothing set up: CPython 3.12 or 3.11 with venv is missing; name one with PYTHON=/path/to/python3.12" >&2
    exit 17
fi

package=${pinned[$found]}
if [ "$(version "$venv/bin/python")" = "$found" ] && "$venv/bin/python" -m pip freeze 2>/dev/null | grep -qix "$package"; then
    echo "peers: $package is there already ($venv, CPython $found)" >&2
    exit 0
fi
"$python" -m venv --clear "$venv"
echo "peers: installing $package into $venv (CPython $found, about a minute, 1 GB)" >&2
if ! "$venv/bin/python" -m pip install --quiet --no-input "$package" >"$venv/install.log" 2>&1; then
    echo "peers: $package could not be had for CPython $found, nothing set up: see $venv/install.log" >&2
    exit 23
fi
echo "peers: $package is ready; \`python -m benchmarks orders\` measures it" >&2
