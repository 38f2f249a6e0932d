// What the tests of passes share: run one, look whether the outputs stay what they were.
#pragma once

#include "compile/harness.h"

namespace octile::test {

using PassFunction = int (*)(Network&);

/// Float outputs may differ by `tolerance` of their largest value (0: not a bit), others never.
inline void expect_same_outputs(const std::vector<Tensor>& actual,
                                const std::vector<Tensor>& expected, double tolerance,
                                const std::string& what = "") {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i].type() != DataType::kFloat32 || tolerance == 0.0) {
      EXPECT_EQ(actual[i], expected[i]) << what << " output " << i;
      continue;
    }
    const double unit = std::max(1e-6, largest(expected[i])) * tolerance;
    EXPECT_LE(distance(actual[i], expected[i], unit).worst, 1.0) << what << " output " << i;
  }
}

/// Runs one pass; the outputs stay within float rounding of what they were.
inline int apply_pass(Network& network, PassFunction pass, double tolerance = 1e-5) {
  const auto inputs = inputs_for(network);
  const auto before = interpret(network, inputs);
  std::vector<std::string> names;
  for (const TensorId t : network.outputs()) names.push_back(network.name(t));
  const int places = pass(network);
  validate(network);
  expect_same_outputs(interpret(network, inputs), before, tolerance);
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(network.name(network.outputs()[i]), names[i]);
  return places;
}

template <typename T>
int count(const Network& network) {
  int n = 0;
  for (LayerId layer : network.layers()) n += std::holds_alternative<T>(network.op(layer)) ? 1 : 0;
  return n;
}

/// All layers but constants.
inline int count_layers(const Network& network) {
  return static_cast<int>(network.layers().size()) - count<Constant>(network);
}

}  // namespace octile::test
