#!/usr/bin/env bash
# Packs what was built, with its shared libraries, into build/bundle.tar.gz, so that conformance and
# the demo run on a machine that has none of our packages (another CPU, say):
#
#   tools/bundle.sh && scp build/bundle.tar.gz elsewhere:
#   ssh elsewhere 'tar xzf bundle.tar.gz && bundle/check.sh'
#
# check.sh runs every tactic on every instruction set that the machine has, then the demo once for
# each of them, and prints result.json; results go to $OUT (default: the bundle).
set -euo pipefail
cd "$(dirname "$0")/.."
bundle=build/bundle
rm -rf "$bundle"
mkdir -p "$bundle/lib" "$bundle/data"
programs=(build/release/tests/octile_conformance_test build/release/octile
  build/release/examples/mnist/octile_mnist_demo)
for program in "${programs[@]}"; do
  cp "$program" "$bundle/"
  strip "$bundle/$(basename "$program")"
  # The C library and the loader are the other machine's.
  ldd "$program" | awk '$2 == "=>" && $1 !~ /^(libc|libm|ld-linux.*)\.so/ {print $3}' |
    while read -r library; do cp -Ln "$library" "$bundle/lib/"; done
done
data=/usr/share/datasets/fashion-mnist
cp "$data"/t10k-*.gz "$bundle/data/"
python3 - "$data" "$bundle/data" <<'PY'
# The demo calibrates on the first 500 training pictures: the others stay here.
import gzip, struct, sys
source, target = sys.argv[1:]
for name, header, size in (("train-images-idx3-ubyte", 16, 784), ("train-labels-idx1-ubyte", 8, 1)):
    with gzip.open(f"{source}/{name}.gz") as file:
        data = bytearray(file.read(header + 500 * size))
    data[4:8] = struct.pack(">I", 500)
    with gzip.open(f"{target}/{name}.gz", "wb") as file:
        file.write(data)
PY
cp examples/mnist/para.npz "$bundle/"
cat >"$bundle/check.sh" <<'SH'
#!/usr/bin/env bash
# Conformance, then the demo on each instruction set. OUT=DIR: where results go.
set -uo pipefail
cd "$(dirname "$0")"
export LD_LIBRARY_PATH=$PWD/lib
out=${OUT:-$PWD}
./octile devices
code=0
./octile_conformance_test >"$out/conformance.log" 2>&1 || code=1
grep -E 'cases|SKIP|FAILED|PASSED' "$out/conformance.log" | grep -v ' RUN ' | tail -n 150
for isa in $(./octile devices | sed -n 's/^  usable: //p' | tr -d ,); do
  [ "$isa" = portable ] && continue
  echo "== demo, $isa"
  mkdir -p "$out/demo.$isa"
  OCTILE_FORCE_ISA=$isa ./octile_mnist_demo --out "$out/demo.$isa" --weights para.npz --data data \
    >"$out/demo.$isa/log" 2>&1 || code=1
  rm -f "$out/demo.$isa"/*.plan
  sed -n '/^layers of/,$p' "$out/demo.$isa/log"
done
exit $code
SH
chmod +x "$bundle/check.sh"
tar -C build -czf build/bundle.tar.gz bundle
ls -sh build/bundle.tar.gz
