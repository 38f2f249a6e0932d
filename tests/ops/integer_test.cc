// Convolution and MatrixMultiply of int32 operands: the float evaluation, where that is exact, and
// sums that binary32 cannot hold.
#include "ops/run.h"

namespace octile::test {
namespace {

Tensor small_integers(const Shape& shape, Random& random) {
  Tensor t(DataType::kFloat32, shape);
  for (int64_t i = 0; i < t.volume(); ++i) t.as<float>()[i] = float(random.integer(-200, 200));
  return t;
}

void expect_equal_to_floats(const Op& op, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> integers;
  for (const Tensor& t : inputs) integers.push_back(t.cast(DataType::kInt32));
  const Tensor y = run(op, integers);
  ASSERT_EQ(y.type(), DataType::kInt32);
  EXPECT_EQ(y, run(op, inputs).cast(DataType::kInt32));
}

TEST(IntegerSums, ConvolutionsEqualFloats) {
  Random random(3);
  for (int trial = 0; trial < 60; ++trial) {
    Convolution op;
    op.groups = random.integer(1, 3);
    Shape xs{random.integer(1, 2), op.groups * random.integer(1, 3)};
    Shape ws{op.groups * random.integer(1, 3), xs[1] / op.groups};
    for (int axis = 0; axis < 1 + trial % 3; ++axis) {
      const int64_t k = random.integer(1, 3), d = random.integer(1, 2);
      op.window.kernel.push_back(k);
      op.window.stride.push_back(random.integer(1, 3));
      op.window.dilation.push_back(d);
      op.window.pad_before.push_back(random.integer(0, 2));
      op.window.pad_after.push_back(random.integer(0, 2));
      xs.push_back(random.integer((k - 1) * d + 1, 8));
      ws.push_back(k);
    }
    std::vector<Tensor> inputs{small_integers(xs, random), small_integers(ws, random)};
    if (trial % 2 == 0) inputs.push_back(small_integers({ws[0]}, random));
    expect_equal_to_floats(op, inputs);
  }
}

TEST(IntegerSums, ProductsEqualFloats) {
  Random random(4);
  const Shape batches[][2] = {{{}, {}}, {{4}, {}}, {{}, {3}}, {{2, 1}, {1, 3}}};
  for (int trial = 0; trial < 64; ++trial) {
    Shape a = batches[trial % 4][0], b = batches[trial % 4][1];
    const MatrixMultiply op{trial / 4 % 2 == 1, trial / 8 % 2 == 1};
    const int64_t m = random.integer(1, 9), n = random.integer(1, 9), k = random.integer(1, 40);
    for (int64_t e : op.transpose_a ? Shape{k, m} : Shape{m, k}) a.push_back(e);
    for (int64_t e : op.transpose_b ? Shape{n, k} : Shape{k, n}) b.push_back(e);
    std::vector<Tensor> inputs{small_integers(a, random), small_integers(b, random)};
    if (trial % 3 == 0) inputs.push_back(small_integers({n}, random));
    expect_equal_to_floats(op, inputs);
  }
}

TEST(IntegerSums, AreExactWhereFloatsAreNot) {
  const auto ints = [](const Shape& shape, std::vector<int32_t> values) {
    return Tensor(DataType::kInt32, shape, std::as_bytes(std::span(values)));
  };
  // 2^24 + 1 and 2^31 − 1 are no binary32 numbers
  const Tensor a = ints({1, 3}, {16777216, 1, 2147483646}), b = ints({3, 1}, {1, 1, 0});
  EXPECT_EQ(run(MatrixMultiply{}, {a, b}), ints({1, 1}, {16777217}));
  const Tensor c = ints({3, 1}, {0, 1, 1});
  EXPECT_EQ(run(MatrixMultiply{}, {a, c}), ints({1, 1}, {2147483647}));
  Convolution op;
  op.window.kernel = {3};
  EXPECT_EQ(run(op, {a.reshaped({1, 1, 3}), c.reshaped({1, 1, 3})}), ints({1, 1, 1}, {2147483647}));
  // beyond int32 they wrap, in any order
  const Tensor ones = ints({3, 1}, {1, 2, 1});
  EXPECT_EQ(run(MatrixMultiply{}, {a, ones}), ints({1, 1}, {-2130706432}));
}

TEST(IntegerSums, TypesDoNotMix) {
  const auto error = message_of([&] {
    infer(MatrixMultiply{}, std::vector<TensorInfo>{{DataType::kInt32, Shape{1, 2}, nullptr},
                                                    {DataType::kFloat32, Shape{2, 1}, nullptr}});
  });
  EXPECT_NE(error.find("cast one of them"), std::string::npos) << error;
}

}  // namespace
}  // namespace octile::test
