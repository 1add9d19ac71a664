#!/usr/bin/env bash
# Makes .venv with every version pinned by constraints.txt. Does nothing when it is already as the project files ask.
# Without a GPU it takes the CPU build of PyTorch, never the one that brings gigabytes of CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.set-up
wanted=$(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

find_python() {  # python3.11 first: the CPU build of PyTorch at hand may be for it alone
  for name in "${PYTHON:-python3.11}" python3.11 python3.13 python3.12 python3.14 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "setup: Python 3.11 or newer with venv is needed; install it, or name it: PYTHON=/path/to/python make setup" >&2
  exit 2
}

install_torch() {
  local version
  version=$(sed -n 's/^torch==\([^+; ]*\).*/\1/p' constraints.txt)
  if [ "$(uname -s)" != Linux ] || nvidia-smi >/dev/null 2>&1; then
    "$pip" install "torch==$version"
  elif ! "$pip" install "torch==$version+cpu" 2>/dev/null; then  # already here, or a wheel at hand
    "$pip" install "torch==$version+cpu" --extra-index-url https://download.pytorch.org/whl/cpu
  fi
}

[ -x $venv/bin/python ] || "$(find_python)" -m venv $venv
pip=$venv/bin/pip
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 PIP_CONSTRAINT="$PWD/constraints.txt"  # builds are pinned too
echo "setup: installing into $venv (a few minutes the first time)"
install_torch
"$pip" install -e '.[dev]'
echo "$wanted" >"$stamp"
echo "setup: done"
