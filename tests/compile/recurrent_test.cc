// Recurrent and Fourier in engines: float between INT8 layers, and outputs that nobody reads.
#include "compile/harness.h"

namespace octile::test {
namespace {

/// A product, an LSTM of which y and the last cell are used, a product.
Network with_lstm() {
  Random random(5);
  Network n("speech");
  const TensorId x = n.add_input("x", DataType::kFloat32, {3, 2, 8});
  const TensorId a = n.fully_connected(x, random_floats({8, 6}, random, 0.3f), std::nullopt, "a");
  Recurrent op;
  op.activations = {{ActivationKind::kSigmoid}, {ActivationKind::kTanh}, {ActivationKind::kTanh}};
  const TensorId w = n.constant(random_floats({1, 20, 6}, random, 0.4f), "w");
  const TensorId r = n.constant(random_floats({1, 20, 5}, random, 0.4f), "r");
  const LayerId lstm = n.add(op, {a, w, r}, "lstm");
  const TensorId y = n.reshape(n.output(lstm, 0), {3, 2, 5}, "flat");
  n.mark_output(n.fully_connected(y, random_floats({5, 4}, random, 0.5f), std::nullopt, "b"), "y");
  n.mark_output(n.output(lstm, 2), "c");
  return n;
}

void expect_equal(const Network& network, const BuildOptions& options) {
  const auto inputs = inputs_for(network);
  const CalibrationTable table = table_for(network, inputs);
  const auto plan = compiled(network, &table, options);
  const auto expected = interpret(quantized(network, &table, options), inputs);
  const auto outputs = run_plan(plan, inputs);
  ASSERT_EQ(outputs.size(), expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double range = std::max(1e-6, largest(expected[i]));
    EXPECT_LE(distance(outputs[i], expected[i], range / 127.0).worst, 2.1) << steps_of(*plan);
  }
}

TEST(RecurrentEngine, StaysFloatBetweenInt8Products) {
  const ThreadCountScope one(1);
  expect_equal(with_lstm(), first_tactics());
  for (const Scheme scheme : kSchemes) expect_equal(with_lstm(), first_tactics(true, scheme));
}

TEST(RecurrentEngine, AFourierTransformOfAProduct) {
  const ThreadCountScope one(1);
  Random random(6);
  Network n("spectrum");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 12, 4});
  const TensorId a = n.fully_connected(x, random_floats({4, 1}, random, 0.5f), std::nullopt, "a");
  n.mark_output(n.output(n.add(Fourier{1, 0, false, true}, {a}, "dft")), "y");
  expect_equal(n, first_tactics());
  expect_equal(n, first_tactics(true));
}

}  // namespace
}  // namespace octile::test
