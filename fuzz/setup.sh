#!/usr/bin/env bash
# Makes .venv-fuzz: atheris at a pinned version, and beside it all that .venv holds. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv-fuzz
stamp=$venv/.set-up
wanted=$(cksum <fuzz/setup.sh)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

[ -x $venv/bin/python ] || .venv/bin/python -m venv --without-pip $venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
.venv/bin/pip --python $venv/bin/python install --no-compile atheris==3.0.0
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
ours=$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# addsitedir follows the .pth file that an editable install of Zehn is
echo "import site; site.addsitedir('$packages')" >"$ours/zehn-packages.pth"
echo "$wanted" >"$stamp"
