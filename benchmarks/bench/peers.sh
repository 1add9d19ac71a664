#!/usr/bin/env bash
# Makes .venv-peers with what Zehn is compared with, every version pinned. Does nothing when it is as peers.txt asks.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=.venv-peers
stamp=$venv/.set-up
wanted=$(cat benchmarks/bench/peers.txt benchmarks/bench/peers.sh | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

[ -x $venv/bin/python ] || .venv/bin/python -m venv $venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
echo "bench: installing the peers into $venv (about 1.5 GB; a few minutes the first time)"
$venv/bin/pip install --no-compile -r benchmarks/bench/peers.txt
echo "$wanted" >"$stamp"
