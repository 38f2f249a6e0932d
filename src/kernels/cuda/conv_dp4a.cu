// Implicit-gemm convolution and matrix product by dp4a, for chips without tensor cores (sm_61 and
// later; nothing here is newer than that: make check-sm61). A block makes 128 rows × 128 columns, a
// lane 8 × 8: per word of K four 16-byte reads of shared memory feed 64 dot products. Start reading
// at conv_dp4a(). Shared memory holds two stages of 8 words of K: A (8, 128 + 4), B (8, 128); A is
// transposed on the way in, and the 4 words of padding keep that free of conflicts.
#include <cuda_runtime.h>

#include "kernels/cuda/conv_epilogue.h"
#include "kernels/cuda/conv_gather.h"
#include "kernels/cuda/conv_params.h"
#include "kernels/cuda/device/dot4.h"
#include "kernels/cuda/device/overlap.h"
#include "kernels/cuda/launch.h"

namespace octile::cuda {
namespace {

constexpr int kThreads = 256, kSide = 128;
constexpr int kWords = 8, kPitch = kSide + 4;

/// Within 128 columns, a lane's two groups of four make eight neighbouring channels.
int channel_of_dp4a_column(int column) {
  const int within = column % 128;
  return column - within + within % 64 / 4 * 8 + within / 64 * 4 + within % 4;
}

template <bool kUnsigned, int kVector>
__global__ void __launch_bounds__(kThreads, 2) conv_dp4a(const ConvParams p) {
  wait_for_earlier_kernels();
  __shared__ __align__(16) uint32_t s_a[2][kWords][kPitch], s_b[2][kWords][kSide];
  const auto thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32, warp = thread / 32;
  const int tx = warp % 2 * 8 + lane % 8, ty = warp / 2 * 4 + lane / 8;  // of 16 × 16
  const int first_row = static_cast<int>(blockIdx.x) * kSide;
  const int first_column = static_cast<int>(blockIdx.y) * kSide;

  WindowRow row;  // a thread loads 16 of its 32 bytes a stage
  RunPlace at;
  row.set(p, first_row + thread / 2);
  at.set(p, thread % 2 * 16);
  const auto* g_b = reinterpret_cast<const uint4*>(p.weights) +
                    (static_cast<int64_t>(thread / 32) * p.columns + first_column) / 4 +
                    thread % 32;  // (k_bytes / 4, columns) words
  const int stages = p.k_bytes / (4 * kWords);
  uint4 a = load_chunk<kVector>(p, row, at), b = __ldg(g_b);
  int32_t sums[8][8] = {};
  for (int stage = 0; stage < stages; ++stage) {
    const int buffer = stage % 2;
    uint32_t* s_column = &s_a[buffer][thread % 2 * 4][thread / 2];
    s_column[0] = a.x, s_column[kPitch] = a.y, s_column[2 * kPitch] = a.z;
    s_column[3 * kPitch] = a.w;
    *reinterpret_cast<uint4*>(&s_b[buffer][thread / 32][thread % 32 * 4]) = b;
    __syncthreads();
    if (stage + 1 < stages) {
      at.advance(p, 4 * kWords);
      g_b += kWords * p.columns / 4;
      a = load_chunk<kVector>(p, row, at), b = __ldg(g_b);
    }
#pragma unroll
    for (int k = 0; k < kWords; ++k) {
      const uint4 a0 = *reinterpret_cast<const uint4*>(&s_a[buffer][k][4 * ty]);
      const uint4 a1 = *reinterpret_cast<const uint4*>(&s_a[buffer][k][64 + 4 * ty]);
      const uint4 b0 = *reinterpret_cast<const uint4*>(&s_b[buffer][k][4 * tx]);
      const uint4 b1 = *reinterpret_cast<const uint4*>(&s_b[buffer][k][64 + 4 * tx]);
      const uint32_t x[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
      const uint32_t w[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) sums[i][j] = dot4<kUnsigned>(x[i], w[j], sums[i][j]);
      }
    }
  }
  by_finish(p.tail, [&]<Finish kFinish, bool kResidual>() {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      finish_lines<kFinish, kResidual, 2, 8>(
          p.tail, first_row + 4 * ty + i, 64, p.tail.rows, first_column + 8 * tx,
          [&](int line, int c) { return sums[4 * line + i][c]; });
    }
  });
}

// ---- the host side ------------------------------------------------------------------------------

PackedLayout layout_of(const ConvProblem& p) { return gather_layout(p, kSide, 4 * kWords); }

std::string refuse(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != 1) return "takes one group";
  return "";
}

size_t packed_bytes(const ConvKernel&, const ConvProblem& p) { return layout_of(p).bytes(); }

/// [k / 4][column] words of four bytes of K.
void pack(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights, uint8_t* packed) {
  const PackedLayout layout = layout_of(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int64_t length = run_length(p), runs = run_count(p);
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_dp4a_column(column);
    if (channel >= p.out_c) continue;
    for (int64_t run = 0; run < runs; ++run) {
      for (int64_t c = 0; c < length; ++c) {
        const int64_t k = run * run_bytes(p) + c;
        target[(k / 4 * layout.columns + column) * 4 + k % 4] =
            static_cast<uint8_t>(weights.weights[(channel * runs + run) * length + c]);
      }
    }
  }
}

template <bool kUnsigned>
auto function_for(const ConvProblem& p) {
  return p.in_c % 16 == 0  ? conv_dp4a<kUnsigned, 16>
         : p.in_c % 4 == 0 ? conv_dp4a<kUnsigned, 4>
                           : conv_dp4a<kUnsigned, 1>;
}

void launch(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice&,
            const ConvOperands& operands, Stream stream) {
  ConvParams params = conv_params(p, operands, layout_of(p));
  set_gather(params, p);
  params.tail.store_bytes = params.tail.store_bytes < 8 ? params.tail.store_bytes : 8;
  const dim3 grid(static_cast<unsigned>((params.tail.rows + kSide - 1) / kSide),
                  static_cast<unsigned>((p.out_c + kSide - 1) / kSide));
  const auto function = p.x_type == ConvType::kU8 ? function_for<true>(p) : function_for<false>(p);
  start_kernel(function, {grid, kThreads, 0, stream}, params);
  check_launch(kernel);
}

}  // namespace

extern const ConvKernel kConvDp4a;
const ConvKernel kConvDp4a{"cuda.dp4a",  61,   false,        0,     refuse,
                           packed_bytes, pack, no_workspace, launch};

}  // namespace octile::cuda
