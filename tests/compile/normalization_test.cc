// Layer normalizations that networks spell out become one step, and nothing else does.
#include "compile/rewriting.h"

namespace octile::test {
namespace {

struct Parts {
  TensorId mean, centred, y;
};

/// Layer normalization over `axes`, spelled out as importers do, with scale and shift (extents).
Parts normalization(Network& n, TensorId x, const std::vector<int64_t>& axes,
                    const Shape& parameters) {
  Random random(5);
  const Reduce mean_of{ReduceKind::kMean, axes, true};
  const auto number = [&](float v) { return n.constant(Tensor::scalar(v)); };
  Parts p;
  p.mean = n.reduce(x, mean_of);
  p.centred = n.elementwise(x, p.mean, ElementwiseKind::kSub);
  const TensorId variance =
      n.reduce(n.elementwise(p.centred, p.centred, ElementwiseKind::kMul), mean_of);
  const TensorId spread = n.elementwise(variance, number(1e-5f), ElementwiseKind::kAdd);
  const TensorId inverse = n.unary(n.unary(spread, UnaryKind::kSqrt), UnaryKind::kReciprocal);
  p.y = n.elementwise(p.centred, inverse, ElementwiseKind::kMul);
  if (parameters.rank() == 0) return p;
  p.y = n.elementwise(p.y, n.constant(random_floats(parameters, random)), ElementwiseKind::kMul);
  p.y = n.elementwise(p.y, n.constant(random_floats(parameters, random)), ElementwiseKind::kAdd);
  return p;
}

std::string float_steps(const Network& network) {
  const auto inputs = inputs_for(network);
  const auto plan = compiled(network, nullptr, first_tactics());
  expect_same_outputs(run_plan(plan, inputs), interpret(network, inputs), 1e-5);
  return steps_of(*plan);
}

TEST(LayerNormalization, IsOneStep) {
  for (const Shape& parameters : {Shape{}, Shape{12}, Shape{1, 1, 12}}) {
    Network n("norm");
    const TensorId x = n.add_input("x", DataType::kFloat32, {2, 5, 12});
    n.mark_output(normalization(n, x, {-1}, parameters).y, "y");
    EXPECT_EQ(float_steps(n), "Normalize") << parameters.to_string();
  }
  Network n("norm2");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 5, 12});
  n.mark_output(normalization(n, x, {1, 2}, {5, 12}).y, "y");
  EXPECT_EQ(float_steps(n), "Normalize");
}

TEST(LayerNormalization, StaysSpelledOutWhereItIsNone) {
  Network read("read");
  TensorId x = read.add_input("x", DataType::kFloat32, {2, 5, 12});
  Parts p = normalization(read, x, {-1}, {12});
  read.mark_output(p.y, "y");
  read.mark_output(p.centred, "centred");
  EXPECT_EQ(float_steps(read).find("Normalize"), std::string::npos);

  Network outer("outer");
  x = outer.add_input("x", DataType::kFloat32, {2, 5, 12});
  outer.mark_output(normalization(outer, x, {1}, {1, 12}).y, "y");
  EXPECT_EQ(float_steps(outer).find("Normalize"), std::string::npos);

  Network rows("rows");  // one scale a row is no parameter of the normalization
  x = rows.add_input("x", DataType::kFloat32, {2, 5, 12});
  rows.mark_output(normalization(rows, x, {-1}, {5, 1}).y, "y");
  EXPECT_EQ(float_steps(rows), "Normalize Eltwise Eltwise");
}

}  // namespace
}  // namespace octile::test
