// One convolution with random data, its outputs by a plain loop over src/arithmetic, and the run of
// one row of the kernel table on the device, compared byte by byte.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "arithmetic/quantize.h"
#include "base/half.h"
#include "base/parallel_for.h"
#include "kernels/cuda/conv_kernel.h"

namespace octile::cuda::testing {

struct ConvCase {
  ConvProblem problem;
  std::vector<uint8_t> x, residual, expected;  // as bytes; x and expected may hold floats
  std::vector<int8_t> weights;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
};

inline bool is_float(ConvType type) { return type == ConvType::kFloat; }
inline size_t bytes_of(ConvType type) {
  return is_float(type) ? 4 : type == ConvType::kHalf ? 2 : 1;
}

inline std::string describe(const ConvProblem& p) {
  const auto type = [](ConvType t) {
    return std::string(t == ConvType::kS8     ? "s8"
                       : t == ConvType::kU8   ? "u8"
                       : t == ConvType::kHalf ? "half"
                                              : "float");
  };
  const auto n = [](auto v) { return std::to_string(v); };
  return n(p.batch) + "x" + n(p.in_h) + "x" + n(p.in_w) + "x" + n(p.in_c) + " " + type(p.x_type) +
         (p.x_planar ? " planar" : "") + " z " + n(p.x_zero_point) + " -> " + n(p.out_h) + "x" +
         n(p.out_w) + "x" + n(p.out_c) + " " + type(p.y_type) + " z " + n(p.y_zero_point) + " [" +
         n(p.q_lo) + ", " + n(p.q_hi) + "] kernel " + n(p.kernel_h) + "x" + n(p.kernel_w) +
         " stride " + n(p.stride_h) + "x" + n(p.stride_w) + " dilation " + n(p.dilation_h) + "x" +
         n(p.dilation_w) + " pad " + n(p.pad_top) + "," + n(p.pad_left) + " groups " + n(p.groups) +
         (p.residual ? " residual " + type(p.residual_type) : "") + (p.pools ? ", pooled" : "");
}

/// The 8-bit value of x at (n, h, w, c), as the kernel's Quantize would make it from floats.
inline int32_t value_at(const ConvCase& c, int64_t n, int h, int w, int channel) {
  const ConvProblem& p = c.problem;
  const int64_t index = ((n * p.in_h + h) * p.in_w + w) * p.in_c + channel;
  if (is_float(p.x_type)) {
    const int64_t planar = ((n * p.in_c + channel) * p.in_h + h) * p.in_w + w;
    float v;
    std::memcpy(&v, c.x.data() + 4 * (p.x_planar ? planar : index), 4);
    return quantize_value(v, p.x_scale, p.x_zero_point, p.x_q_lo, p.x_q_hi);
  }
  const uint8_t byte = c.x[static_cast<size_t>(index)];
  return p.x_type == ConvType::kU8 ? byte : static_cast<int8_t>(byte);
}

/// The window of one pixel as a matrix row: [kernel_h][kernel_w][in_c], padding z_x.
inline void fill_window(const ConvCase& c, int64_t row, std::vector<int16_t>& window) {
  const ConvProblem& p = c.problem;
  const int64_t n = row / (p.out_h * p.out_w);
  const int oh = static_cast<int>(row / p.out_w % p.out_h), ow = static_cast<int>(row % p.out_w);
  size_t at = 0;
  for (int kh = 0; kh < p.kernel_h; ++kh) {
    for (int kw = 0; kw < p.kernel_w; ++kw) {
      const int h = oh * p.stride_h - p.pad_top + kh * p.dilation_h;
      const int w = ow * p.stride_w - p.pad_left + kw * p.dilation_w;
      const bool inside = h >= 0 && h < p.in_h && w >= 0 && w < p.in_w;
      for (int channel = 0; channel < p.in_c; ++channel) {
        window[at++] =
            static_cast<int16_t>(inside ? value_at(c, n, h, w, channel) : p.x_zero_point);
      }
    }
  }
}

inline void one_output(ConvCase& c, const std::vector<int16_t>& window, int64_t row, int m) {
  const ConvProblem& p = c.problem;
  const int group_in = p.in_c / p.groups, taps = p.kernel_h * p.kernel_w;
  const int offset = m / (p.out_c / p.groups) * group_in;
  uint32_t sum = static_cast<uint32_t>(c.bias[static_cast<size_t>(m)]);
  for (int tap = 0; tap < taps; ++tap) {
    const int16_t* x = window.data() + tap * p.in_c + offset;
    const int8_t* w = c.weights.data() + (static_cast<int64_t>(m) * taps + tap) * group_in;
    int32_t part = 0;
    for (int i = 0; i < group_in; ++i) part += int32_t{x[i]} * w[i];
    sum += static_cast<uint32_t>(part);
  }
  const auto acc = static_cast<int32_t>(sum);
  const float scale = c.multiplier[static_cast<size_t>(m)];
  const auto index = static_cast<size_t>(row * p.out_c + m);
  if (is_float(p.y_type)) {
    const float v = clamp_value(static_cast<float>(acc) * scale, p.lo, p.hi);
    std::memcpy(c.expected.data() + 4 * index, &v, 4);
    return;
  }
  if (p.y_type == ConvType::kHalf) {
    const float v = clamp_value(static_cast<float>(acc) * scale, p.lo, p.hi);
    const uint16_t half = float_to_half(std::clamp(v, -65504.0f, 65504.0f));
    std::memcpy(c.expected.data() + 2 * index, &half, 2);
    return;
  }
  int32_t q = requantize(acc, scale, p.y_zero_point, p.q_lo, p.q_hi);
  if (p.residual) {
    const uint8_t byte = c.residual[index];
    const int32_t r = p.residual_type == ConvType::kU8 ? byte : static_cast<int8_t>(byte);
    q = requantize_add(acc, scale, r - p.residual_zero_point, p.residual_multiplier, p.y_zero_point,
                       p.q_lo, p.q_hi);
  }
  c.expected[index] = static_cast<uint8_t>(q);
}

/// The largest of each 2 × 2 of `y`, the output that has not been pooled.
inline std::vector<uint8_t> pooled(const ConvProblem& p, const std::vector<uint8_t>& y) {
  const auto value = [&](uint8_t byte) {
    return p.y_type == ConvType::kU8 ? int{byte} : static_cast<int8_t>(byte);
  };
  std::vector<uint8_t> made;
  for (int64_t n = 0; n < p.batch; ++n) {
    for (int h = 0; h + 1 < p.out_h; h += 2) {
      for (int w = 0; w + 1 < p.out_w; w += 2) {
        for (int channel = 0; channel < p.out_c; ++channel) {
          uint8_t largest = 0;
          for (int tap = 0; tap < 4; ++tap) {
            const int64_t pixel = (n * p.out_h + h + tap / 2) * p.out_w + w + tap % 2;
            const uint8_t byte = y[static_cast<size_t>(pixel * p.out_c + channel)];
            if (tap == 0 || value(byte) > value(largest)) largest = byte;
          }
          made.push_back(largest);
        }
      }
    }
  }
  return made;
}

/// Random operands for `problem`, and what every kernel must make of them.
inline ConvCase make_case(const ConvProblem& problem, uint64_t seed) {
  std::mt19937_64 random(seed);
  ConvCase c{.problem = problem};
  const ConvProblem& p = problem;
  const int64_t rows = p.batch * p.out_h * p.out_w;
  const int64_t elements = p.batch * p.in_h * p.in_w * p.in_c;
  const int64_t taps = int64_t{p.kernel_h} * p.kernel_w * (p.in_c / p.groups);
  c.x.resize(static_cast<size_t>(elements) * bytes_of(p.x_type));
  if (is_float(p.x_type)) {
    std::normal_distribution<float> values(0.0f, 60.0f * p.x_scale);
    for (int64_t i = 0; i < elements; ++i) {
      const float v = values(random);
      std::memcpy(c.x.data() + 4 * i, &v, 4);
    }
  } else {
    for (auto& byte : c.x) byte = static_cast<uint8_t>(random());
  }
  c.weights.resize(static_cast<size_t>(p.out_c * taps));
  for (auto& w : c.weights) w = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  const float spread = std::sqrt(static_cast<float>(taps)) * 74.0f * 74.0f;
  std::uniform_real_distribution<float> unit(0.25f, 1.0f);
  c.bias.resize(static_cast<size_t>(p.out_c)), c.multiplier.resize(c.bias.size());
  for (size_t m = 0; m < c.bias.size(); ++m) {
    c.bias[m] = static_cast<int32_t>(spread * (unit(random) - 0.6f));
    c.multiplier[m] = 90.0f * unit(random) / spread;
  }
  if (p.residual) {
    c.residual.resize(static_cast<size_t>(rows * p.out_c));
    for (auto& byte : c.residual) byte = static_cast<uint8_t>(random());
  }
  c.expected.resize(static_cast<size_t>(rows * p.out_c) * bytes_of(p.y_type));
  parallel_for(rows, 8, [&](int64_t begin, int64_t end, int) {
    std::vector<int16_t> window(static_cast<size_t>(p.kernel_h * p.kernel_w * p.in_c));
    for (int64_t row = begin; row < end; ++row) {
      fill_window(c, row, window);
      for (int m = 0; m < p.out_c; ++m) one_output(c, window, row, m);
    }
  });
  if (p.pools) c.expected = pooled(p, c.expected);
  return c;
}

/// Memory of the device, freed at the end of scope.
class DeviceBytes {
 public:
  explicit DeviceBytes(size_t size, int fill = 0) : size_(size) {
    if (cudaMalloc(&data_, std::max<size_t>(size, 16)) != cudaSuccess) data_ = nullptr;
    cudaMemset(data_, fill, std::max<size_t>(size, 16));
  }
  explicit DeviceBytes(const std::vector<uint8_t>& bytes) : DeviceBytes(bytes.size()) {
    cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice);
  }
  ~DeviceBytes() { cudaFree(data_); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  uint8_t* data() const { return static_cast<uint8_t*>(data_); }
  std::vector<uint8_t> read() const {
    std::vector<uint8_t> bytes(size_);
    cudaMemcpy(bytes.data(), data_, size_, cudaMemcpyDeviceToHost);
    return bytes;
  }

 private:
  void* data_ = nullptr;
  size_t size_;
};

/// Runs a row twice (the second finds what the first left in workspace and counters). "" or what
/// differs.
inline std::string run_row(const ConvKernel& kernel, const ConvCase& c, const ConvDevice& device) {
  constexpr size_t kGuard = 512;
  const ConvProblem& p = c.problem;
  std::vector<uint8_t> packed(kernel.packed_bytes(kernel, p), 0xee);
  kernel.pack(kernel, p, {c.weights.data(), c.bias.data(), c.multiplier.data()}, packed.data());
  const DeviceBytes x(c.x), residual(c.residual), weights(packed);
  const DeviceBytes y(c.expected.size() + kGuard, 0xa5), counters(kConvCounters * 4);
  const DeviceBytes workspace(kernel.workspace_bytes(kernel, p, device), 0x7f);
  for (int run = 0; run < 2; ++run) {
    cudaMemset(y.data(), 0xa5, c.expected.size() + kGuard);
    kernel.launch(kernel, p, device,
                  {x.data(), p.residual ? residual.data() : nullptr, y.data(), weights.data(),
                   workspace.data(), reinterpret_cast<uint32_t*>(counters.data())},
                  nullptr);
    const cudaError_t error = cudaDeviceSynchronize();
    if (error != cudaSuccess) return std::string("CUDA: ") + cudaGetErrorString(error);
    const std::vector<uint8_t> got = y.read();
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < c.expected.size(); ++i) {
      if (got[i] == c.expected[i]) continue;
      if (wrong++ == 0) first = i;
    }
    if (wrong > 0) {
      const size_t channel = first / bytes_of(p.y_type) % static_cast<size_t>(p.out_c);
      const size_t row = first / bytes_of(p.y_type) / static_cast<size_t>(p.out_c);
      return std::to_string(wrong) + " of " + std::to_string(c.expected.size()) +
             " bytes differ in run " + std::to_string(run) + ", first row " + std::to_string(row) +
             " channel " + std::to_string(channel) + ": " + std::to_string(got[first]) + " for " +
             std::to_string(c.expected[first]);
    }
    for (size_t i = c.expected.size(); i < got.size(); ++i) {
      if (got[i] != 0xa5) return "wrote behind the output";
    }
  }
  return "";
}

}  // namespace octile::cuda::testing
