// Matrix products of few channels: neighbouring rows are taken for one. A row of 16 channels is a
// third of what an instruction, a copy or a store moves at its best; `joined` rows in one piece,
// multiplied by a block-diagonal matrix of as many copies of the weights, give the same bytes in
// the same places:
//
//   (rows / j, j · in_c) × diag(W, …, W) = (rows / j, j · out_c)
//
// The zeros cost products, which are not what such layers wait for. Rows beyond the last whole j go
// through a row without joining.
#include <algorithm>
#include <vector>

#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/conv_wgmma_problem.h"

namespace octile::cuda {

extern const ConvKernel kConvWgmmaKept128, kConvWgmmaKept64, kConvMma64x64;

namespace {

constexpr int kEnough = 48;  // channels that need no neighbours

const ConvKernel& joined_kernel(const ConvKernel& kernel) {
  return kernel.variant == 128 ? kConvWgmmaKept128 : kConvWgmmaKept64;
}

/// How many rows to take for one: the least power of two that makes both sides wide and
/// multiples of 16 bytes; 0: none up to 8.
int joined_rows(const ConvProblem& p) {
  for (int j = 2; j <= 8; j *= 2) {
    const bool aligned = p.in_c * j % 16 == 0 && p.out_c * j % 16 == 0;
    if (aligned && p.in_c * j >= kEnough && p.out_c * j >= kEnough) return j;
  }
  return 0;
}

ConvProblem product_of(const ConvProblem& p, int64_t rows, int j) {
  ConvProblem joined = p;
  joined.batch = rows;
  joined.in_h = joined.in_w = joined.out_h = joined.out_w = 1;
  joined.in_c *= j, joined.out_c *= j;
  return joined;
}

/// Both products: of whole j, and of the rows beyond them; either may have none.
struct Parts {
  int j;
  ConvProblem joined, rest;
  explicit Parts(const ConvProblem& p) : j(joined_rows(p)) {
    const int64_t rows = p.batch * p.out_h * p.out_w;
    joined = product_of(p, rows / j, j), rest = product_of(p, rows % j, 1);
  }
};

size_t joined_bytes(const ConvKernel& kernel, const Parts& parts) {
  const ConvKernel& inner = joined_kernel(kernel);
  return (inner.packed_bytes(inner, parts.joined) + 255) / 256 * 256;
}

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != 1 || !is_product(p)) return "takes matrix products";
  if (p.in_c >= kEnough && p.out_c >= kEnough) return "rows are long enough by themselves";
  if (joined_rows(p) == 0) return "eight rows are not enough to join";
  const ConvKernel& inner = joined_kernel(kernel);
  ConvProblem joined = Parts(p).joined;
  joined.batch = std::max<int64_t>(1, joined.batch);  // with none it is not launched
  return inner.refuse(inner, joined, device);
}

size_t packed_bytes(const ConvKernel& kernel, const ConvProblem& p) {
  const Parts parts(p);
  return joined_bytes(kernel, parts) + kConvMma64x64.packed_bytes(kConvMma64x64, parts.rest);
}

void pack(const ConvKernel& kernel, const ConvProblem& p, const ConvWeights& weights,
          uint8_t* packed) {
  const Parts parts(p);
  const auto in = static_cast<size_t>(p.in_c), out = static_cast<size_t>(p.out_c);
  const auto j = static_cast<size_t>(parts.j);
  std::vector<int8_t> diagonal(j * out * j * in, 0);
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  for (size_t copy = 0; copy < j; ++copy) {
    for (size_t m = 0; m < out; ++m) {
      std::copy_n(weights.weights + m * in, in,
                  diagonal.data() + (copy * out + m) * j * in + copy * in);
    }
    bias.insert(bias.end(), weights.bias, weights.bias + out);
    multiplier.insert(multiplier.end(), weights.multiplier, weights.multiplier + out);
  }
  const ConvKernel& inner = joined_kernel(kernel);
  inner.pack(inner, parts.joined, {diagonal.data(), bias.data(), multiplier.data()}, packed);
  kConvMma64x64.pack(kConvMma64x64, parts.rest, weights, packed + joined_bytes(kernel, parts));
}

const void* beyond(const void* data, int64_t elements, ConvType type) {
  if (data == nullptr) return nullptr;
  const int bytes = type == ConvType::kFloat ? 4 : type == ConvType::kHalf ? 2 : 1;
  return static_cast<const uint8_t*>(data) + elements * bytes;
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
            const ConvOperands& operands, Stream stream) {
  const Parts parts(p);
  const ConvKernel& inner = joined_kernel(kernel);
  if (parts.joined.batch > 0) inner.launch(inner, parts.joined, device, operands, stream);
  if (parts.rest.batch == 0) return;
  const int64_t done = parts.joined.batch * parts.j;
  ConvOperands rest = operands;
  rest.x = beyond(operands.x, done * p.in_c, p.x_type);
  rest.residual = beyond(operands.residual, done * p.out_c, p.residual_type);
  rest.y = const_cast<void*>(beyond(operands.y, done * p.out_c, p.y_type));
  rest.packed =
      beyond(operands.packed, static_cast<int64_t>(joined_bytes(kernel, parts)), ConvType::kU8);
  kConvMma64x64.launch(kConvMma64x64, parts.rest, device, rest, stream);
}

constexpr ConvKernel row(const char* name, int columns) {
  return {name, 90, true, columns, refuse, packed_bytes, pack, no_workspace, launch};
}

}  // namespace

extern const ConvKernel kConvJoined128, kConvJoined64;
const ConvKernel kConvJoined128 = row("cuda.wgmma.joined128", 128);
const ConvKernel kConvJoined64 = row("cuda.wgmma.joined64", 64);

}  // namespace octile::cuda
