#!/usr/bin/env bash
# clang-format and clang-tidy over the project's sources, ruff over its Python, and the include rule.
set -euo pipefail
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format)
tidy=$(command -v clang-tidy-14 || command -v clang-tidy)
mapfile -t sources < <(git ls-files 'include/*.h' 'src/*.h' 'src/*.cc' 'src/*.cu' 'cli/*.h' 'cli/*.cc' \
  'examples/*.h' 'examples/*.cc' 'tests/*.h' 'tests/*.cc' 'benchmarks/*.cc' \
  'python/src/*.h' 'python/src/*.cc' 'src/*.js' 'tests/*.js')
echo "clang-format: ${#sources[@]} files"
"$format" --dry-run -Werror "${sources[@]}"
python3 tools/check_includes.py
python3 tools/check_includes.py --self-test
ruff=build/python-venv/bin/ruff
if [ -x "$ruff" ]; then
  python="python examples benchmarks/peers benchmarks/gpu benchmarks/precision benchmarks/scale benchmarks/serve"
  "$ruff" format --check -q $python
  "$ruff" check -q $python
  python3 -m compileall -q python examples tools benchmarks
  echo "ruff: $(git ls-files $python | grep -c '\.py$') files"
else
  echo "ruff: left out, build/python-venv is missing"
fi
# The plan's generated header must be there before tidy reads the sources that use it. Tidy reads what
# the compiler reads: several sources at once (OCTILE_UNITY), each header once; leaf files are left out.
cmake --build build/release --target octile_plan_header >/dev/null
mapfile -t units < <(python3 - <<'PY'
import json, os, re
# Sources, or the batches of them in build/release.
wanted = re.compile(re.escape(os.getcwd()) +
                    r"/(build/release/)?(src|cli|examples|python/src|python/CMakeFiles/octile_python\.dir)/")
leaf = re.compile(r"_(avx2|avxvnni|avx512vnni|amx|neon|neondot)\.cc$")
for entry in json.load(open("build/release/compile_commands.json")):
    kernels = leaf.search(entry["file"]) or entry["file"].endswith(".cu")
    if wanted.match(entry["file"]) and not kernels:
        print(entry["file"])
PY
)
echo "clang-tidy: ${#units[@]} units"
printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$(nproc)" "$tidy" -p build/release --quiet \
  --checks=-bugprone-suspicious-include --extra-arg=-Wno-unknown-warning-option \
  2> >(grep -vE 'warnings? generated|Suppressed|Use -header-filter' >&2)
