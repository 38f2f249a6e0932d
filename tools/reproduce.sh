#!/usr/bin/env bash
# Calibrates the demo's network, as an ONNX file, on MNIST training images 50 to 549 scaled by
# 1/255 and prints the TensorRT cache. Its input line is a published figure: data: 3c008912.
#   DATA=DIR   take the images from train*-images-idx3-ubyte[.gz] of that directory instead
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/reproduce
mkdir -p "$out"
build/release/examples/mnist/octile_mnist_write_onnx examples/mnist/para.npz "$out/mnist.onnx" >&2
if [ -n "${DATA:-}" ]; then
  images=$(ls "$DATA"/train*-images-idx3-ubyte* 2>/dev/null | head -n 1)
  [ -n "$images" ] || { echo "$DATA: no train*-images-idx3-ubyte[.gz]" >&2; exit 1; }
  data=(--calibrate "$images" --first 50 --samples 500)
else
  data=(--calibrate examples/mnist/digits)
fi
build/release/octile calibrate "$out/mnist.onnx" "${data[@]}" --preprocess scale=1/255 \
  --method entropy --format tensorrt --cache "$out/mnist.cache" >&2
cat "$out/mnist.cache"
if [ -z "${DATA:-}" ] && ! grep -q ': 3c008912$' "$out/mnist.cache"; then
  echo "the input's scale is not the published 3c008912" >&2
  exit 1
fi
