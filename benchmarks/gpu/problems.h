// The problems that benchmarks/gpu times: matrix products, and every different convolution of the
// networks with how often it occurs.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cuda/conv_kernel.h"

namespace octile::benchmark {

struct Problem {
  std::string network;  // "gemm", "resnet50 b128", ...
  std::string name;
  int count = 1;  // 0: not in the network
  cuda::ConvProblem conv;
  std::string row = "";  // this row of ours alone
};

/// Bytes of a problem's tensors, and its work. Of x a 1×1 kernel of stride 2 reads a quarter.
struct Extents {
  int64_t x, read, y, rows, weights;
  double operations;
  explicit Extents(const cuda::ConvProblem& p)
      : x(p.batch * p.in_h * p.in_w * p.in_c * (p.x_type == cuda::ConvType::kFloat ? 4 : 1)),
        read(x / p.in_h / p.in_w * std::min(p.in_h, p.out_h * p.kernel_h) *
             std::min(p.in_w, p.out_w * p.kernel_w)),
        y(p.batch * p.out_h * p.out_w * p.out_c * (p.y_type == cuda::ConvType::kFloat ? 4 : 1) /
          (p.pools ? 4 : 1)),
        rows(p.batch * p.out_h * p.out_w),
        weights(int64_t{p.out_c} * p.kernel_h * p.kernel_w * (p.in_c / p.groups)),
        operations(2.0 * static_cast<double>(rows) * static_cast<double>(weights)) {}
  int64_t traffic(bool residual) const { return read + weights + y * (residual ? 2 : 1); }
};

/// A square-kernel convolution with "same" padding on u8 activations with zero point 0, as behind a
/// ReLU.
inline cuda::ConvProblem convolution(int batch, int size, int in, int out, int kernel, int stride,
                                     bool residual = false, bool depthwise = false) {
  cuda::ConvProblem p;
  p.batch = batch, p.in_h = p.in_w = size, p.in_c = in, p.out_c = out;
  p.kernel_h = p.kernel_w = kernel, p.stride_h = p.stride_w = stride;
  p.pad_top = p.pad_left = kernel / 2;
  p.out_h = p.out_w = (size - 1) / stride + 1;
  p.groups = depthwise ? in : 1;
  p.x_type = p.y_type = cuda::ConvType::kU8, p.q_lo = 0, p.q_hi = 255;
  p.residual = residual, p.residual_type = cuda::ConvType::kU8, p.residual_multiplier = 0.6f;
  return p;
}

inline cuda::ConvProblem first_layer(int batch, int size, int in, int out, int kernel, int stride) {
  cuda::ConvProblem p = convolution(batch, size, in, out, kernel, stride);
  p.x_type = cuda::ConvType::kFloat, p.x_planar = true, p.x_scale = 0.02f;
  return p;
}

inline void add_resnet50(std::vector<Problem>& list, int batch) {
  const std::string network = "resnet50 b" + std::to_string(batch);
  const auto add = [&](int count, int size, int in, int out, int kernel, int stride,
                       bool residual = false) {
    list.push_back({network,
                    std::to_string(size) + " " + std::to_string(in) + ">" + std::to_string(out) +
                        " k" + std::to_string(kernel) + " s" + std::to_string(stride) +
                        (residual ? " +r" : ""),
                    count, convolution(batch, size, in, out, kernel, stride, residual)});
  };
  list.push_back({network, "224 3>64 k7 s2 float", 1, first_layer(batch, 224, 3, 64, 7, 2)});
  add(1, 56, 64, 64, 1, 1), add(2, 56, 256, 64, 1, 1), add(3, 56, 64, 64, 3, 1);
  add(1, 56, 64, 256, 1, 1), add(3, 56, 64, 256, 1, 1, true);
  for (int stage = 0; stage < 3; ++stage) {
    const int size = 56 >> stage, in = 256 << stage, middle = 128 << stage, blocks[] = {4, 6, 3};
    const int count = blocks[stage];
    add(1, size, in, middle, 1, 1), add(1, size, middle, middle, 3, 2);
    add(1, size, in, 2 * in, 1, 2), add(count - 1, size / 2, 2 * in, middle, 1, 1);
    add(count - 1, size / 2, middle, middle, 3, 1);
    add(count, size / 2, middle, 2 * in, 1, 1, true);
  }
  add(1, 1, 2048, 1000, 1, 1);
  list.back().conv.y_type = cuda::ConvType::kFloat;
}

inline void add_mobilenetv2(std::vector<Problem>& list, int batch) {
  const std::string network = "mobilenetv2 b" + std::to_string(batch);
  const auto add = [&](int count, int size, int in, int out, int kernel, int stride,
                       bool residual = false) {
    const bool depthwise = kernel == 3;
    Problem problem{network,
                    std::to_string(size) + " " + std::to_string(in) +
                        (depthwise ? " dw" : ">" + std::to_string(out)) + " s" +
                        std::to_string(stride) + (residual ? " +r" : ""),
                    count, convolution(batch, size, in, out, kernel, stride, residual, depthwise)};
    if (!depthwise && out < in) problem.conv.y_zero_point = 128;  // linear bottlenecks
    if (!depthwise && out > in) problem.conv.x_zero_point = 128;
    problem.conv.residual_zero_point = 128;
    list.push_back(problem);
  };
  list.push_back({network, "224 3>32 k3 s2 float", 1, first_layer(batch, 224, 3, 32, 3, 2)});
  add(1, 112, 32, 32, 3, 1), add(1, 112, 32, 16, 1, 1);
  struct Stage {
    int out, blocks, stride;
  };
  int in = 16, size = 112;
  for (const Stage& s : {Stage{24, 2, 2}, Stage{32, 3, 2}, Stage{64, 4, 2}, Stage{96, 3, 1},
                         Stage{160, 3, 2}, Stage{320, 1, 1}}) {
    add(1, size, in, 6 * in, 1, 1), add(1, size, 6 * in, 6 * in, 3, s.stride);
    size /= s.stride;
    add(1, size, 6 * in, s.out, 1, 1);
    if (s.blocks > 1) {
      add(s.blocks - 1, size, s.out, 6 * s.out, 1, 1);
      add(s.blocks - 1, size, 6 * s.out, 6 * s.out, 3, 1);
      add(s.blocks - 1, size, 6 * s.out, s.out, 1, 1, true);
    }
    in = s.out;
  }
  add(1, 7, 320, 1280, 1, 1), add(1, 1, 1280, 1000, 1, 1);
}

/// The seed's network.
inline void add_mnist(std::vector<Problem>& list, int batch) {
  const std::string network = "mnist b" + std::to_string(batch);
  const auto add = [&](const std::string& name, const cuda::ConvProblem& problem) {
    list.push_back({network, name, 1, problem});
  };
  // A convolution that a pooling reads: with it, as in the network, and without.
  const auto add_both = [&](const std::string& name, cuda::ConvProblem problem) {
    list.push_back({network, name, 0, problem});
    problem.pools = true;
    add(name + " pooled", problem);
  };
  add_both("28 1>32 k5 s1 float", first_layer(batch, 28, 1, 32, 5, 1));
  add_both("14 32>64 k5 s1", convolution(batch, 14, 32, 64, 5, 1));
  add("1 3136>1024 k1 s1", convolution(batch, 1, 3136, 1024, 1, 1));
  add("1 1024>10 k1 s1", convolution(batch, 1, 1024, 10, 1, 1));
  list.back().conv.y_type = cuda::ConvType::kFloat;
}

inline void add_products(std::vector<Problem>& list) {
  struct Product {
    int64_t m;
    int k, n;
  };
  for (const Product& g : {Product{8192, 8192, 8192},
                           {4096, 4096, 4096},
                           {1024, 1024, 1024},
                           {401408, 64, 256},
                           {401408, 576, 64},
                           {100352, 512, 128},
                           {25088, 2304, 256}}) {
    Problem problem{"gemm",
                    std::to_string(g.m) + "x" + std::to_string(g.k) + "x" + std::to_string(g.n)};
    problem.conv.batch = g.m, problem.conv.in_c = g.k, problem.conv.out_c = g.n;
    list.push_back(problem);
    if (list.size() > 1) continue;
    list.push_back(problem);
    list.back().name += " dp4a", list.back().row = "cuda.dp4a";
  }
}

inline std::vector<Problem> all_problems() {
  std::vector<Problem> list;
  add_products(list);
  for (const int batch : {128, 1, 8}) add_resnet50(list, batch);
  for (const int batch : {128, 1}) add_mobilenetv2(list, batch);
  for (const int batch : {1, 128, 1024}) add_mnist(list, batch);
  return list;
}

}  // namespace octile::benchmark
