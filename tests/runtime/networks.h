// Small networks and the plans made of them, for tests of the runtime.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "compile/compile.h"
#include "octile/engine.h"
#include "octile/network.h"
#include "support/tensors.h"

namespace octile::test {

/// Ranges for every tensor of a network: the same for all, which is enough where only equality of
/// bits is asked for.
inline CalibrationTable same_range(const Network& network, float threshold) {
  CalibrationTable table;
  for (int i = 0; i < network.tensor_count(); ++i) {
    table.entries[network.name(TensorId{i})] = {{-threshold, threshold}, threshold};
  }
  return table;
}

/// conv 3→8 + ReLU → max pool → conv 8→8 + ReLU → flatten → fc 8·6·6→10. Input "x" (batch, 3, 12,
/// 12), output "y".
inline Network small_cnn(int64_t batch = kDynamic) {
  Random random(3);
  Network n("small");
  const TensorId x = n.add_input("x", DataType::kFloat32, {batch, 3, 12, 12});
  Convolution conv;
  conv.window.pad_before = conv.window.pad_after = {1, 1};
  TensorId t = n.convolution(x, random_floats({8, 3, 3, 3}, random, 0.3f),
                             random_floats({8}, random), conv, "conv1");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu1");
  Pooling pool;
  pool.window.kernel = pool.window.stride = {2, 2};
  t = n.pooling(t, pool, "pool");
  t = n.convolution(t, random_floats({8, 8, 3, 3}, random, 0.2f), random_floats({8}, random), conv,
                    "conv2");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu2");
  t = n.reshape(t, {0, -1}, "flatten");
  t = n.fully_connected(t, random_floats({288, 10}, random, 0.1f), random_floats({10}, random),
                        "fc");
  n.mark_output(t, "y");
  return n;
}

struct Recipe {
  bool int8 = true;
  Scheme scheme = Scheme::kStaticSymmetric;
  std::vector<std::pair<int64_t, int64_t>> profiles{{1, 4}};  // batch min, max
  std::optional<Isa> isa;
  std::vector<std::string> disabled_passes;
  bool fp16 = false;  // as for a GPU
};

inline Plan plan_of(const Network& network, const Recipe& recipe = {}) {
  const CalibrationTable table = same_range(network, 4.0f);
  CompileOptions options;
  options.build.int8 = recipe.int8;
  options.build.scheme = recipe.scheme;
  options.build.tactics = BuildOptions::Tactics::kFirst;
  options.build.isa = recipe.isa;
  options.build.disabled_passes = recipe.disabled_passes;
  options.build.fp16 = options.half_on_cpu = recipe.fp16;
  for (const auto& [low, high] : recipe.profiles) {
    Profile profile;
    for (TensorId input : network.inputs()) {
      Shape min = network.shape(input);
      if (min.is_static()) continue;
      Shape max = min;
      for (int axis = 0; axis < min.rank(); ++axis) {
        if (min[axis] != kDynamic) continue;
        min[axis] = low;
        max[axis] = high;
      }
      profile[network.name(input)] = {min, max, max};
    }
    options.build.profiles.push_back(profile);
  }
  return Plan(compile(network, &table, options));
}

}  // namespace octile::test
