// Plans whose signed activations are kept as x + 128 give the bits of the plans before.
#include "compile/store_unsigned.h"

#include "compile/harness.h"

namespace octile::test {
namespace {

TensorId conv(Network& n, TensorId x, int64_t in, int64_t out, int64_t kernel, Random& random,
              const std::string& name) {
  return n.convolution(x, random_floats({out, in, kernel, kernel}, random),
                       random_floats({out}, random), conv_of(1, kernel / 2), name);
}

/// Signed tensors on every way: products, a residual, a table, pooling, movement, joining.
Network all_kinds() {
  Random random(5);
  Network n("kinds");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 4, 8, 8});
  const TensorId a = conv(n, x, 4, 8, 3, random, "a");
  const TensorId silu = n.activation(a, ActivationKind::kSwish, 1.0f, 0.0f, "silu");
  const TensorId b = conv(n, silu, 8, 8, 1, random, "b");
  const TensorId sum = n.elementwise(b, silu, ElementwiseKind::kAdd, "sum");
  Pooling two{.kind = PoolingKind::kMax};
  two.window.kernel = two.window.stride = {2, 2};
  const TensorId pooled = n.pooling(sum, two, "pooled");
  const TensorId c = conv(n, pooled, 8, 8, 3, random, "c");
  const TensorId joined = n.concatenation({c, pooled}, 1, "joined");
  const TensorId product = n.elementwise(joined, joined, ElementwiseKind::kMul, "product");
  const TensorId d = conv(n, product, 16, 6, 1, random, "d");
  const TensorId e = conv(n, joined, 16, 6, 3, random, "e");
  n.mark_output(n.elementwise(d, e, ElementwiseKind::kAdd, "last"), "y");
  return n;
}

TEST(StoreUnsigned, GivesTheSameBits) {
  const Network network = all_kinds();
  const auto inputs = inputs_for(network);
  const CalibrationTable table = table_for(network, inputs);
  BuildOptions options = first_tactics(true);
  options.isa = Isa::kPortable;  // where it is not done by itself
  const auto before = compiled(network, &table, options);
  auto after = std::make_shared<PlanData>(*before);
  store_unsigned(*after);
  const auto count = [](const PlanData& plan, DataType type) {
    return std::count_if(plan.tensors.begin(), plan.tensors.end(),
                         [type](const PlanTensor& t) { return t.type == type && t.blob < 0; });
  };
  EXPECT_EQ(count(*before, DataType::kUInt8), 0);
  EXPECT_GE(count(*after, DataType::kUInt8), 6);
  const auto expected = run_plan(before, inputs), outputs = run_plan(after, inputs);
  ASSERT_EQ(outputs.size(), expected.size());
  EXPECT_EQ(outputs[0], expected[0]);
  validate(*after, "plan");
}

}  // namespace
}  // namespace octile::test
