// What the compile tests share: tables from the interpreter, the Q/DQ network that compile() lowers
// (the oracle of INT8), engines run once, comparisons in quantization steps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "compile/assign_precision.h"
#include "compile/compile.h"
#include "compile/insert_qdq.h"
#include "compile/passes.h"
#include "graph/interpreter.h"
#include "graph/validate.h"
#include "octile/engine.h"
#include "octile/network.h"
#include "support/tensors.h"

namespace octile::test {

inline constexpr Scheme kSchemes[] = {Scheme::kStaticSymmetric, Scheme::kStaticAffine,
                                      Scheme::kDynamicSymmetric, Scheme::kDynamicAffine};

/// Random values for every input of a network; extents that are not known are 2.
inline std::vector<Tensor> inputs_for(const Network& network, uint64_t seed = 1) {
  Random random(seed);
  std::vector<Tensor> inputs;
  for (TensorId t : network.inputs()) {
    Shape shape = network.shape(t);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == kDynamic) shape[axis] = 2;
    }
    inputs.push_back(random_floats(shape, random));
  }
  return inputs;
}

/// Min-max ranges of every float tensor for these inputs.
inline CalibrationTable table_for(const Network& network, const std::vector<Tensor>& inputs) {
  CalibrationTable table;
  interpret(network, inputs, [&](TensorId t, const Tensor& value) {
    if (value.type() != DataType::kFloat32 || value.volume() == 0) return;
    const auto values = value.span<float>();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    table.entries[network.name(t)] = {{*low, *high}, std::max(std::fabs(*low), std::fabs(*high))};
  });
  return table;
}

inline BuildOptions first_tactics(bool int8 = false, Scheme scheme = Scheme::kStaticSymmetric) {
  BuildOptions options;
  options.int8 = int8;
  options.scheme = scheme;
  options.tactics = BuildOptions::Tactics::kFirst;
  return options;
}

inline std::shared_ptr<const PlanData> compiled(const Network& network,
                                                const CalibrationTable* table,
                                                const BuildOptions& options) {
  return compile(network, table, CompileOptions{.build = options});
}

/// The network that compile() lowers: passes run, Quantize and Dequantize layers inserted.
inline Network quantized(const Network& original, const CalibrationTable* table,
                         const BuildOptions& options) {
  Network network = original;
  apply_requests(network, options);
  run_passes(network, options.disabled_passes, {});
  const auto groups = make_groups(network, true);
  const TensorRanges ranges(network, groups, table);
  insert_qdq(network, groups, assign_precision(network, groups, ranges, options), ranges);
  return network;
}

inline std::vector<Tensor> run_plan(const std::shared_ptr<const PlanData>& plan,
                                    const std::vector<Tensor>& inputs) {
  const Engine engine = Engine::load(Plan(plan), {.threads = 1});
  ExecutionContext context = engine.create_context();
  return context.run(inputs);
}

/// How far apart two float tensors are, in units of `step`.
struct Distance {
  double worst = 0.0;      // largest difference
  double share_off = 0.0;  // share of elements more than 2 % of a step apart
};
inline Distance distance(const Tensor& a, const Tensor& b, double step) {
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_EQ(a.type(), DataType::kFloat32);
  Distance d;
  if (a.shape() != b.shape() || step <= 0.0) return d;
  int64_t off = 0;
  for (int64_t i = 0; i < a.volume(); ++i) {
    const double apart = std::fabs(double(a.as<float>()[i]) - double(b.as<float>()[i])) / step;
    d.worst = std::max(d.worst, std::isnan(apart) ? 1e30 : apart);
    off += apart > 0.02 ? 1 : 0;
  }
  d.share_off = double(off) / double(std::max<int64_t>(1, a.volume()));
  return d;
}

inline double largest(const Tensor& t) {
  double most = 0.0;
  for (const float v : t.span<float>()) most = std::max(most, std::fabs(double(v)));
  return most;
}

/// Names of the steps of a plan: "Quantize Conv Pool …".
inline std::string steps_of(const PlanData& plan) {
  std::string text;
  for (const LayerInfo& layer : Plan(std::make_shared<PlanData>(plan)).layers()) {
    text += (text.empty() ? "" : " ") + layer.step;
  }
  return text;
}

inline Pooling pool_of(PoolingKind kind, int64_t kernel, int64_t stride, int64_t pad = 0) {
  Pooling op;
  op.kind = kind;
  op.window.kernel = {kernel, kernel};
  op.window.stride = {stride, stride};
  op.window.pad_before = op.window.pad_after = {pad, pad};
  return op;
}

inline Convolution conv_of(int64_t stride = 1, int64_t pad = 0, int64_t groups = 1) {
  Convolution op;
  op.window.stride = {stride, stride};
  op.window.pad_before = op.window.pad_after = {pad, pad};
  op.groups = groups;
  return op;
}

}  // namespace octile::test
