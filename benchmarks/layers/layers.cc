// See layers.h.
#include "layers.h"

#include <fmt/format.h>

namespace octile::bench {
namespace {

Layer conv(int64_t in, int64_t size, int64_t out, int64_t kernel, int64_t stride = 1) {
  return {.in = in,
          .size = size,
          .out = out,
          .kernel = kernel,
          .stride = stride,
          .with_residual = kernel == 1};
}

Layer depthwise(int64_t channels, int64_t size, int64_t kernel, int64_t stride = 1) {
  return {.in = channels,
          .size = size,
          .out = channels,
          .kernel = kernel,
          .stride = stride,
          .groups = channels};
}

Layer gemm(int64_t rows, int64_t in, int64_t out) { return {.in = in, .out = out, .rows = rows}; }

}  // namespace

std::string name_of(Activations activations) {
  switch (activations) {
    case Activations::kSymmetric: return "symmetric";
    case Activations::kSigned: return "signed";
    case Activations::kAffine: return "affine";
    case Activations::kDynamic: return "dynamic";
  }
  return "";
}

std::string Layer::name() const {
  if (is_gemm()) return fmt::format("gemm-{}x{}x{}", rows, in, out);
  const std::string tail =
      fmt::format("k{}{}", kernel, stride == 1 ? "" : fmt::format("s{}", stride));
  if (groups > 1) return fmt::format("dw{}x{}{}", in, size, tail);
  return fmt::format("{}x{}-{}{}", in, size, out, tail);
}

const std::vector<Layer>& layer_table() {
  static const std::vector<Layer> layers = {
      // ResNet-50
      conv(3, 224, 64, 7, 2),
      conv(64, 56, 64, 1),
      conv(64, 56, 64, 3),
      conv(64, 56, 256, 1),
      conv(256, 56, 64, 1),
      conv(128, 28, 128, 3),
      conv(256, 14, 1024, 1),
      conv(1024, 14, 256, 1),
      conv(2048, 7, 512, 1),
      conv(512, 7, 512, 3),
      // MobileNetV2, EfficientNet
      depthwise(32, 112, 3),
      depthwise(96, 112, 3, 2),
      depthwise(384, 14, 3),
      depthwise(144, 56, 5, 2),
      depthwise(240, 28, 5),
      depthwise(672, 14, 5),
      // few channels: narrow MobileNets begin so
      depthwise(2, 48, 3),
      depthwise(8, 48, 3),
      depthwise(16, 48, 3),
      // the MNIST CNN
      conv(1, 28, 32, 5),
      conv(32, 14, 64, 5),
      gemm(1, 3136, 1024),
      gemm(1, 1024, 10),
      // products; the first three are memory's
      gemm(1, 4096, 4096),
      gemm(1, 2048, 1000),
      gemm(256, 3136, 1024),
      gemm(128, 768, 768),
      gemm(128, 768, 3072),
      gemm(128, 3072, 768),
      gemm(1024, 1024, 1024),
  };
  return layers;
}

}  // namespace octile::bench
