// Every row of the CUDA convolution table against a plain host loop, bit for bit, over random
// problems. Skipped, with the reason, where there is no device. OCTILE_CUDA_CASES sets how many.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "conv_case.h"

namespace octile::cuda::testing {
namespace {

using Random = std::mt19937_64;

int pick(Random& random, std::initializer_list<int> values) {
  return values.begin()[random() % values.size()];
}

void choose_types(Random& random, ConvProblem& p) {
  const bool affine = random() % 3 == 0;
  p.x_type = random() % 2 == 0 ? ConvType::kS8 : ConvType::kU8;
  if (affine) p.x_zero_point = p.x_type == ConvType::kU8 ? static_cast<int>(random() % 256) : -7;
  p.y_type = static_cast<ConvType>(pick(random, {0, 0, 1, 1, 2, 3}));
  const bool is_unsigned = p.y_type == ConvType::kU8;
  p.q_lo = is_unsigned ? 0 : -128, p.q_hi = is_unsigned ? 255 : 127;
  if (random() % 2 == 0) {
    p.y_zero_point = is_unsigned ? static_cast<int>(random() % 256) : 3;
    p.q_lo = p.y_zero_point, p.q_hi -= static_cast<int>(random() % 20);
    p.q_hi = std::max(p.q_hi, p.q_lo);
    p.lo = 0.0f, p.hi = 50.0f;
  }
  p.residual = p.y_type <= ConvType::kU8 && random() % 3 == 0;
  p.residual_type = random() % 2 == 0 ? ConvType::kS8 : ConvType::kU8;
  p.residual_zero_point = random() % 2 == 0 ? 0 : 11;
  p.residual_multiplier = 0.37f;
}

void choose_extents(Random& random, ConvProblem& p, int largest) {
  p.pad_top = static_cast<int>(random() % 3) % p.kernel_h;
  p.pad_left = static_cast<int>(random() % 3) % p.kernel_w;
  const auto extent = [&](int kernel, int dilation) {
    return (kernel - 1) * dilation + 1 +
           static_cast<int>(random() % static_cast<uint64_t>(largest));
  };
  p.in_h = extent(p.kernel_h, p.dilation_h), p.in_w = extent(p.kernel_w, p.dilation_w);
  const auto out = [&](int in, int kernel, int dilation, int pad, int stride) {
    const int behind = static_cast<int>(random() % 2) * pad;
    return (in + pad + behind - (kernel - 1) * dilation - 1) / stride + 1;
  };
  p.out_h = out(p.in_h, p.kernel_h, p.dilation_h, p.pad_top, p.stride_h);
  p.out_w = out(p.in_w, p.kernel_w, p.dilation_w, p.pad_left, p.stride_w);
}

ConvProblem random_gemm(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 3, 64, 127, 128, 300, 1025});
  p.in_c = pick(random, {1, 5, 16, 24, 32, 64, 100, 112, 128, 576, 1000, 2048});
  p.out_c = pick(random, {1, 10, 16, 24, 64, 100, 128, 200, 256, 272, 1000});
  choose_types(random, p);
  return p;
}

ConvProblem random_convolution(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 2, 5});
  p.in_c = pick(random, {1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192});
  p.out_c = pick(random, {1, 8, 16, 24, 30, 32, 64, 72, 96, 128, 160, 256});
  p.kernel_h = pick(random, {1, 1, 3, 3, 5, 7}), p.kernel_w = pick(random, {1, 3, 3, 5});
  p.stride_h = pick(random, {1, 1, 2, 3}), p.stride_w = pick(random, {1, 1, 2});
  if (random() % 4 == 0) p.dilation_h = 2, p.dilation_w = pick(random, {1, 2, 3});
  choose_types(random, p);
  choose_extents(random, p, 24);
  return p;
}

/// Overlapping windows of the channels that a row of its own reads from lines in shared memory.
ConvProblem random_overlapping(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 2, 5});
  p.in_c = pick(random, {32, 32, 64, 64, 128});
  p.out_c = pick(random, {16, 64, 96, 128});
  p.kernel_h = pick(random, {1, 2, 3, 3, 4}), p.kernel_w = pick(random, {2, 3, 3, 5});
  if (p.in_c == 128) p.kernel_h = pick(random, {1, 2, 3}), p.kernel_w = 3;
  p.stride_h = pick(random, {1, 1, 2}), p.stride_w = pick(random, {1, 1, 2});
  if (random() % 4 == 0) p.dilation_h = pick(random, {1, 2}), p.dilation_w = 2;
  choose_types(random, p);
  choose_extents(random, p, 24);
  return p;
}

ConvProblem random_depthwise(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 3});
  p.in_c = p.out_c = p.groups = pick(random, {1, 3, 4, 8, 20, 32, 36, 64, 144, 320});
  p.kernel_h = pick(random, {3, 3, 5, 1, 7});
  p.kernel_w = random() % 4 == 0 ? pick(random, {1, 3, 5}) : p.kernel_h;
  p.stride_h = p.stride_w = pick(random, {1, 1, 2});
  if (random() % 4 == 0) p.stride_w = 3 - p.stride_h;
  if (random() % 6 == 0) p.dilation_h = 2, p.dilation_w = 2;
  choose_types(random, p);
  choose_extents(random, p, 40);
  return p;
}

ConvProblem random_grouped(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 2});
  p.groups = pick(random, {2, 3, 8, 32});
  p.in_c = p.groups * pick(random, {1, 2, 4, 7, 8});
  p.out_c = p.groups * pick(random, {1, 2, 3, 4, 8});
  p.kernel_h = p.kernel_w = pick(random, {1, 3});
  p.stride_h = p.stride_w = pick(random, {1, 2});
  choose_types(random, p);
  choose_extents(random, p, 20);
  return p;
}

/// First layers: few channels, large windows, often floats.
ConvProblem random_stem(Random& random) {
  ConvProblem p;
  p.batch = pick(random, {1, 2});
  p.in_c = pick(random, {1, 1, 2, 3, 3, 4});
  p.out_c = pick(random, {8, 16, 30, 32, 64, 96});
  p.kernel_h = p.kernel_w = pick(random, {3, 5, 7});
  p.stride_h = p.stride_w = pick(random, {1, 2, 2, 4});
  if (random() % 3 == 0)
    p.kernel_w = pick(random, {1, 2, 4, 11}), p.stride_w = pick(random, {1, 3});
  choose_types(random, p);
  choose_extents(random, p, 90);
  if (random() % 2 == 0) p.in_w = (p.in_w + 3) / 4 * 4;  // lines of whole 16 bytes
  if (random() % 3 != 0) {
    p.x_stored = p.x_type, p.x_type = ConvType::kFloat;
    p.x_scale = 0.0173f, p.x_planar = random() % 2 == 0;
    p.x_q_lo = p.x_stored == ConvType::kU8 ? 0 : -128;
    p.x_q_hi = p.x_stored == ConvType::kU8 ? 255 : 127;
    if (random() % 4 == 0) p.x_q_hi = std::max(p.x_zero_point, p.x_q_hi - 30);
  }
  return p;
}

/// Their outputs go through a pooling; windows of 11 may be too large for a block.
ConvProblem random_stem_pooled(Random& random) {
  for (;;) {
    ConvProblem p = random_stem(random);
    if (p.out_h < 2 || p.out_w < 2 || p.kernel_w > 7 || is_real(p.y_type)) continue;
    p.residual = false, p.pools = true;
    return p;
  }
}

/// Others whose outputs go through a pooling.
ConvProblem random_pooled(Random& random) {
  for (;;) {
    ConvProblem p;
    p.batch = pick(random, {1, 1, 2, 3});
    p.in_c = pick(random, {16, 32, 32, 64, 64, 128});
    p.out_c = pick(random, {8, 10, 16, 30, 64, 64, 96});
    p.kernel_h = pick(random, {1, 2, 3, 3, 5}), p.kernel_w = pick(random, {1, 3, 3, 5});
    p.stride_h = p.stride_w = pick(random, {1, 1, 2});
    if (random() % 4 == 0) p.stride_w = 3 - p.stride_h;
    if (random() % 6 == 0) p.dilation_h = 2, p.dilation_w = pick(random, {1, 2});
    choose_types(random, p);
    choose_extents(random, p, 25);
    if (p.out_h < 2 || p.out_w < 2 || is_real(p.y_type)) continue;
    p.residual = false, p.pools = true;
    return p;
  }
}

std::string device_reason() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return std::string("no CUDA device: ") + cudaGetErrorString(error);
  return count > 0 ? "" : "no CUDA device";
}

int case_count() {
  const char* text = std::getenv("OCTILE_CUDA_CASES");
  return text != nullptr ? std::atoi(text) : 60;
}

/// How often each row ran, with and without a pooling: a row that refuses everything would pass
/// unseen.
std::map<std::pair<std::string, bool>, int>& runs_of_rows() {
  static std::map<std::pair<std::string, bool>, int> runs;
  return runs;
}

/// Some row takes each of them; `level`: on the whole of such a device alone.
void check_problems(ConvProblem (*make)(Random&), uint64_t seed, int level = 0) {
  if (const std::string reason = device_reason(); !reason.empty()) GTEST_SKIP() << reason;
  const ConvDevice whole = current_conv_device();
  ConvDevice few = whole;  // blocks that stay see several tiles each
  few.multiprocessors = 4;
  Random random(seed);
  for (int i = 0; i < case_count(); ++i) {
    const ConvProblem problem = make(random);
    const ConvCase c = make_case(problem, random());
    for (const ConvDevice& device : {whole, few}) {
      int accepted = 0;
      for (const ConvKernel* kernel : conv_kernels()) {
        if (!kernel->refuse(*kernel, problem, device).empty()) continue;
        ++accepted, ++runs_of_rows()[{kernel->name, problem.pools}];
        const std::string wrong = run_row(*kernel, c, device);
        EXPECT_EQ(wrong, "") << kernel->name << ", " << device.multiprocessors
                             << " multiprocessors: " << describe(problem);
        if (wrong.starts_with("CUDA")) FAIL() << "the device is lost";
      }
      if (level != 0 && (device.level != level || device.multiprocessors == 4)) continue;
      EXPECT_GT(accepted, 0) << "no row takes " << describe(problem);
    }
  }
}

TEST(CudaConv, MatrixProducts) { check_problems(random_gemm, 11); }
TEST(CudaConv, Convolutions) { check_problems(random_convolution, 12); }
TEST(CudaConv, Overlapping) { check_problems(random_overlapping, 17); }
TEST(CudaConv, Depthwise) { check_problems(random_depthwise, 13); }
TEST(CudaConv, Grouped) { check_problems(random_grouped, 14); }
TEST(CudaConv, FirstLayers) { check_problems(random_stem, 15); }
TEST(CudaConv, FirstLayersThatPool) { check_problems(random_stem_pooled, 18, 90); }
TEST(CudaConv, InFrontOfAPooling) { check_problems(random_pooled, 16, 90); }

TEST(CudaConv, EveryRowOfThisDeviceRan) {
  if (const std::string reason = device_reason(); !reason.empty()) GTEST_SKIP() << reason;
  const ConvDevice device = current_conv_device();
  for (const ConvKernel* kernel : conv_kernels()) {
    const bool fits =
        kernel->exact_level ? device.level == kernel->level : device.level >= kernel->level;
    if (fits) {
      EXPECT_GT((runs_of_rows()[{kernel->name, false}]), 0) << kernel->name;
    }
    if (fits && kernel->pools) {
      EXPECT_GT((runs_of_rows()[{kernel->name, true}]), 0) << kernel->name << ", pooled";
    }
    RecordProperty(kernel->name, runs_of_rows()[{kernel->name, false}]);
  }
}

}  // namespace
}  // namespace octile::cuda::testing
