// The table of layers and gemms that are measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace octile::bench {

/// What the 8-bit input is: int8 that is never negative (after ReLU, symmetric: seven bits), int8,
/// or uint8 with a zero point; kDynamic: int8 with a scale known at run time, to float32.
enum class Activations : uint8_t { kSymmetric, kSigned, kAffine, kDynamic };
std::string name_of(Activations activations);

/// A convolution of one image with "same" padding, or (kernel = 0) a product of `m` rows.
struct Layer {
  int64_t in = 1, size = 1, out = 1;
  int64_t kernel = 0, stride = 1, groups = 1;
  int64_t rows = 0;            // of a product
  bool with_residual = false;  // measured once more with a residual

  bool is_gemm() const { return kernel == 0; }
  int64_t padding() const { return kernel / 2; }
  int64_t out_size() const { return (size + 2 * padding() - kernel) / stride + 1; }
  int64_t depth() const { return is_gemm() ? in : kernel * kernel * in / groups; }
  int64_t input_values() const { return is_gemm() ? rows * in : in * size * size; }
  int64_t outputs() const { return is_gemm() ? rows * out : out * out_size() * out_size(); }
  int64_t weights() const { return out * depth(); }
  double operations() const { return 2.0 * double(outputs()) * double(depth()); }
  /// Bytes that must move once with elements of that size.
  double bytes(int64_t element) const {
    return double(element * (input_values() + outputs() + weights()));
  }
  /// "64x56-64k3", "3x224-64k7s2", "dw96x112k3s2", "gemm-128x768x3072" (rows, in, out).
  std::string name() const;
};

const std::vector<Layer>& layer_table();

}  // namespace octile::bench
