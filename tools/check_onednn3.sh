#!/usr/bin/env bash
# Compiles the float tactics against oneDNN 3.x headers (PyPI's onednn-devel), as Ubuntu 24.04 has
# them: src/kernels/onednn/onednn_compat.h hides the difference to Debian's 2.6.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/onednn3
if [ ! -f "$folder/include/oneapi/dnnl/dnnl.hpp" ]; then
  mkdir -p "$folder"
  if ! python3 -m pip download -q --no-deps --only-binary=:all: -d "$folder" onednn-devel; then
    echo "skipped: oneDNN 3.x headers: pip cannot get PyPI's onednn-devel here"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
  fi
  python3 - "$folder" <<'PY'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
for wheel in folder.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if "include/" in name and name.endswith((".h", ".hpp")):
                target = folder / "include" / name.split("include/", 1)[1]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    wheel.unlink()
PY
fi
version=$(sed -n 's/#define DNNL_VERSION_M[AI][JN]OR *\([0-9]*\).*/\1/p' \
  "$folder/include/oneapi/dnnl/dnnl_version.h" | paste -sd.)
count=0
for source in src/kernels/onednn/*.cc; do
  "${CXX:-g++}" -std=c++20 -Wall -Wextra -Werror -Wno-missing-field-initializers -fsyntax-only \
    -isystem "$folder/include" -Iinclude -Isrc "$source"
  count=$((count + 1))
done
echo "oneDNN $version headers: $count files compile"
