#!/usr/bin/env bash
# Asks PyPI which of the pinned versions have known vulnerabilities. --strict: what could not be looked up is a failure,
# so that nothing passes where there is no network. pip-audit has an environment of its own, for it is needed at releases alone.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
.venv/bin/python -m venv "$place/venv"
PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 "$place/venv/bin/pip" install pip-audit==2.10.1
"$place/venv/bin/pip-audit" --strict --no-deps --disable-pip --timeout 15 --progress-spinner off -r "${1:-constraints.txt}"
