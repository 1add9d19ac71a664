#!/usr/bin/env bash
# Builds the wheel, installs it into an empty environment without any extra, and tries there what has to work: index, search,
# duplicates, the weights that ship; and that each missing extra is one line that names it. Needs pip's index or its cache.
# What passes is kept in dist/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python=${PYTHON:-$root/.venv/bin/python}

(cd "$root" && "$python" -m hatchling build -t wheel -d "$place/dist") >"$place/log" 2>&1 || {
  cat "$place/log" >&2
  echo "wheel: the build failed" >&2
  exit 1
}
"$python" -m venv "$place/venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 PIP_CONSTRAINT="$root/constraints.txt"
"$place/venv/bin/pip" install "$place"/dist/zehn-*.whl
echo "wheel: $(basename "$place"/dist/*.whl), $(du -h "$place"/dist/*.whl | cut -f1), $(find "$place/venv" -name '*.dist-info' | wc -l) packages"

cd "$place" # away from the sources
unset PYTHONPATH
export HOME=$place ZEHN_HOME=$place/home ZEHN_CACHE=$place/cache PATH=$place/venv/bin:$PATH
python - <<'END'
import importlib.util
import pathlib

import numpy as np
from PIL import Image

import zehn

assert "site-packages" in zehn.__file__, zehn.__file__
assert importlib.util.find_spec("torch") is None
for number in range(12):
    patches = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    path = pathlib.Path("photos", "odd" if number % 2 else "even", f"{number}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(patches).resize((96, 72), Image.Resampling.NEAREST).save(path)
END

zehn --version
zehn index create photos
zehn index add photos photos --labels folder
[ "$(zehn search photos/odd/7.png --k 1 --paths-only)" = "$place/photos/odd/7.png" ]
zehn search photos/odd/7.png --where "label = 'even'" --distance cosine --approximate --json >/dev/null
zehn duplicates photos >/dev/null
zehn index verify photos >/dev/null
zehn encode photos --model cifar10-robust --out codes.npz
for model in cifar10 cifar10-robust cifar10-reconstruction; do
  python -c "import numpy, zehn; zehn.Autoencoder.load('$model').inverse_transform(numpy.zeros((1, 10), 'f4'))"
done

names() { # names EXTRA COMMAND…: the command fails with exit code 2 and one line that says how to install the extra
  local extra=$1 said code=0
  shift
  said=$("$@" 2>&1 >/dev/null) || code=$?
  if [ $code != 2 ] || [[ $said != *"zehn[$extra]"* ]] || [ "$(wc -l <<<"$said")" != 1 ]; then
    echo "wheel: expected exit code 2 and one line that names zehn[$extra] from: $*; came $code: $said" >&2
    exit 1
  fi
}
names train zehn train --dataset folder:photos --preset smoke
names train zehn data info digits
names serve zehn serve photos --no-browser
names parquet zehn index export photos photos.parquet
names report python -c "$(cat <<'END'
import sys
from zehn.errors import MissingExtraError
try:
    import zehn.figures
except MissingExtraError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
END
)"
zehn search photos/odd/7.png --k 3 --show hits.png >/dev/null # a picture needs no extra
names scale zehn index create far --engine postgresql://nobody@127.0.0.1:1/nothing
mkdir -p "$root/dist" && rm -f "$root"/dist/zehn-*.whl && cp "$place"/dist/*.whl "$root/dist/"
echo "wheel: all is well: dist/$(basename "$place"/dist/*.whl)"
