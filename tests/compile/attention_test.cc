// What transformers are made of besides products with constant weights: layer normalizations that
// become one step, products of two run-time operands, transposes that such products do as they
// read.
#include "compile/rewriting.h"

namespace octile::test {
namespace {

/// softmax(q · kᵀ) · v of 3 heads of 8 values, between products with constant weights.
Network attention() {
  Random random(17);
  Network n("attention");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 10, 24});
  const auto head = [&](const std::vector<int64_t>& order) {
    const TensorId t = n.fully_connected(x, random_floats({24, 24}, random, 0.3f), std::nullopt);
    return n.transpose(n.reshape(t, {0, 0, 3, 8}), order);
  };
  const TensorId q = head({0, 2, 1, 3}), k = head({0, 2, 3, 1}), v = head({0, 2, 1, 3});
  TensorId t = n.softmax(n.matrix_multiply(q, k, {}, "scores"), {-1});
  t = n.transpose(n.matrix_multiply(t, v, {}, "mixed"), {0, 2, 1, 3});
  t = n.reshape(t, {0, 0, 24});
  n.mark_output(n.fully_connected(t, random_floats({24, 7}, random, 0.3f), std::nullopt), "y");
  return n;
}

TEST(RunTimeProducts, AreInt8UnlessAskedOtherwise) {
  const Network network = attention();
  const auto inputs = inputs_for(network);
  const CalibrationTable table = table_for(network, inputs);
  const auto products = [](const PlanData& plan) {
    std::string text;
    for (const LayerInfo& layer : Plan(std::make_shared<PlanData>(plan)).layers()) {
      if (layer.step == "MatMul") text += layer.precision + "; ";
    }
    return text;
  };
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    BuildOptions options = first_tactics(true, scheme);
    const auto plan = compiled(network, &table, options);
    EXPECT_EQ(products(*plan), "int8 -> float32; int8; ") << name_of(scheme);
    const Tensor expected = interpret(quantized(network, &table, options), inputs)[0];
    expect_same_outputs(run_plan(plan, inputs), {expected}, 1.0 / 64.0);

    options.layer_precision = {{"scores", Precision::kFloat32}};
    EXPECT_EQ(products(*compiled(network, &table, options)), "float32; int8; ");
  }
  const BuildOptions dynamic = first_tactics(true, Scheme::kDynamicSymmetric);
  EXPECT_EQ(products(*compiled(network, &table, dynamic)), "float32; float32; ");
}

TEST(SwapInProducts, TransposesMoveRowsOrNothing) {
  Network heads = attention();
  EXPECT_EQ(apply_pass(heads, sink_transposes), 1);
  EXPECT_TRUE(std::get<MatrixMultiply>(heads.op(*heads.find_layer("scores"))).transpose_b);
  EXPECT_EQ(apply_pass(heads, sink_transposes), 0) << "what is left moves rows";

  Network n("matrices");
  const TensorId a = n.add_input("a", DataType::kFloat32, {4, 6});
  const TensorId b = n.add_input("b", DataType::kFloat32, {5, 4});
  n.mark_output(n.matrix_multiply(n.transpose(a, {1, 0}), n.transpose(b, {1, 0})), "y");
  EXPECT_EQ(apply_pass(n, sink_transposes), 1);
  apply_pass(n, remove_identities);
  EXPECT_EQ(count<Shuffle>(n), 0) << n.to_string();
}

TEST(SwapInProducts, LeavesConstantWeightsAndSharedTransposes) {
  Random random(3);
  Network weighted("weighted");
  TensorId x = weighted.add_input("x", DataType::kFloat32, {4, 6});
  weighted.mark_output(weighted.fully_connected(weighted.transpose(x, {1, 0}),
                                                random_floats({4, 3}, random), std::nullopt),
                       "y");
  EXPECT_EQ(apply_pass(weighted, sink_transposes), 0);

  Network shared("shared");
  x = shared.add_input("x", DataType::kFloat32, {4, 6});
  const TensorId t = shared.transpose(x, {1, 0});
  shared.mark_output(shared.matrix_multiply(x, t), "y");
  shared.mark_output(shared.activation(t, ActivationKind::kTanh), "z");
  EXPECT_EQ(apply_pass(shared, sink_transposes), 0);
}

}  // namespace
}  // namespace octile::test
