// Pooling and reductions against direct windows and sums.
#include <limits>

#include "ops/run.h"

namespace octile::test {
namespace {

Pooling pool(PoolingKind kind, std::vector<int64_t> kernel, std::vector<int64_t> stride = {}) {
  Pooling op;
  op.kind = kind;
  op.window.kernel = std::move(kernel);
  op.window.stride = std::move(stride);
  return op;
}

TEST(Pooling, HandComputed) {
  const Tensor x = counting<float>({1, 1, 4, 4});
  EXPECT_EQ(list<float>(run(pool(PoolingKind::kMax, {2, 2}, {2, 2}), {x})),
            (std::vector<float>{5, 7, 13, 15}));
  EXPECT_EQ(list<float>(run(pool(PoolingKind::kAverage, {2, 2}, {2, 2}), {x})),
            (std::vector<float>{2.5f, 4.5f, 10.5f, 12.5f}));
}

TEST(Pooling, GlobalOfAnyRank) {
  Pooling op;
  op.global = true;
  const Tensor x = counting<float>({1, 2, 2, 3});
  EXPECT_EQ(run(op, {x}).shape(), (Shape{1, 2, 1, 1}));
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{5, 11}));
  op.kind = PoolingKind::kAverage;
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{2.5f, 8.5f}));
  EXPECT_EQ(list<float>(run(op, {counting<float>({1, 1, 2, 2, 2})})), (std::vector<float>{3.5f}));
  EXPECT_EQ(shape_of(op, {{-1, 8, -1, -1}}), (Shape{-1, 8, 1, 1}));
}

TEST(Pooling, PaddingCountsOnlyWhenAsked) {
  Pooling op = pool(PoolingKind::kAverage, {3}, {2});
  op.window.pad_before = op.window.pad_after = {1};
  const Tensor x = Tensor::floats({1, 1, 4}, {1, 2, 3, 4});
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1.5f, 3}));
  op.count_padding = true;
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1, 3}));
  op.window.mode = PaddingMode::kCeil;  // third window: 4, padding, beyond: counts 2
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1, 3, 2}));
  op.count_padding = false;
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1.5f, 3, 4}));
}

TEST(Pooling, MaximumIgnoresPaddingAndKeepsNan) {
  Pooling op = pool(PoolingKind::kMax, {3});
  op.window.pad_before = op.window.pad_after = {1};
  EXPECT_EQ(list<float>(run(op, {Tensor::floats({1, 1, 3}, {-5, -7, -6})})),
            (std::vector<float>{-5, -5, -6}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = run(op, {Tensor::floats({1, 1, 4}, {nan, 1, 2, 3})});
  EXPECT_TRUE(std::isnan(y.as<float>()[0]) && std::isnan(y.as<float>()[1]));
  EXPECT_EQ(y.as<float>()[2], 3);
}

template <typename T>
void random_max_pools(uint64_t seed) {
  Random random(seed);
  for (int trial = 0; trial < 30; ++trial) {
    Pooling op;
    for (int axis = 0; axis < 2; ++axis) {
      op.window.kernel.push_back(random.integer(1, 4));
      op.window.stride.push_back(random.integer(1, 3));
      op.window.dilation.push_back(random.integer(1, 2));
      op.window.pad_before.push_back(random.integer(0, op.window.kernel.back() - 1));
      op.window.pad_after.push_back(random.integer(0, op.window.kernel.back() - 1));
    }
    const Shape shape{2, 3, random.integer(7, 12), random.integer(7, 12)};
    Tensor x = random_bits(DataTypeOf<T>::value, shape, random);
    if (std::is_same_v<T, float>) x = random_floats(shape, random);
    const Tensor y = run(op, {x});
    for (int64_t p = 0; p < 6; ++p)
      for (int64_t i = 0; i < y.shape()[2]; ++i)
        for (int64_t j = 0; j < y.shape()[3]; ++j) {
          T best = std::numeric_limits<T>::lowest();
          for (int64_t a = 0; a < op.window.kernel[0]; ++a)
            for (int64_t b = 0; b < op.window.kernel[1]; ++b) {
              const int64_t h =
                  i * op.window.stride[0] + a * op.window.dilation[0] - op.window.pad_before[0];
              const int64_t w =
                  j * op.window.stride[1] + b * op.window.dilation[1] - op.window.pad_before[1];
              if (h < 0 || w < 0 || h >= shape[2] || w >= shape[3]) continue;
              best = std::max(best, x.as<T>()[(p * shape[2] + h) * shape[3] + w]);
            }
          ASSERT_EQ(y.as<T>()[(p * y.shape()[2] + i) * y.shape()[3] + j], best);
        }
  }
}

TEST(Pooling, RandomMaximaOfEveryType) {
  random_max_pools<float>(1);
  random_max_pools<int8_t>(2);
  random_max_pools<uint8_t>(3);
  random_max_pools<int32_t>(4);
}

TEST(Pooling, Refusals) {
  Pooling op = pool(PoolingKind::kMax, {2, 2});
  op.window.pad_before = {2, 0};
  EXPECT_TRUE(contains(refusal(op, {{1, 1, 4, 4}}),
                       "on spatial axis 0 the padding (2 before, 0 after) must be smaller than the "
                       "window (2)"));
  EXPECT_TRUE(contains(refusal(Pooling{}, {{1, 1, 4, 4}}), "the window has no kernel"));
  EXPECT_TRUE(
      contains(refusal(pool(PoolingKind::kAverage, {2, 2}), {{1, 1, 4, 4}}, DataType::kInt8),
               "must be float32"));
}

TEST(Reduce, EveryKindOverMiddleAxis) {
  const Tensor x = Tensor::floats({2, 3, 2}, {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6});
  using K = ReduceKind;
  EXPECT_EQ(list<float>(run(Reduce{K::kSum, {1}, false}, {x})),
            (std::vector<float>{9, 12, -9, -12}));
  EXPECT_EQ(list<float>(run(Reduce{K::kProd, {1}, false}, {x})),
            (std::vector<float>{15, 48, -15, -48}));
  EXPECT_EQ(list<float>(run(Reduce{K::kMax, {-2}, false}, {x})),
            (std::vector<float>{5, 6, -1, -2}));
  EXPECT_EQ(list<float>(run(Reduce{K::kMin, {1}, false}, {x})), (std::vector<float>{1, 2, -5, -6}));
  EXPECT_EQ(list<float>(run(Reduce{K::kMean, {1}, true}, {x})), (std::vector<float>{3, 4, -3, -4}));
  EXPECT_EQ(run(Reduce{K::kMean, {1}, true}, {x}).shape(), (Shape{2, 1, 2}));
  EXPECT_EQ(list<float>(run(Reduce{K::kSum, {0, 2}, false}, {x})), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(run(Reduce{K::kSum, {}, false}, {x}).shape(), Shape{});
  EXPECT_EQ(run(Reduce{K::kMax, {}, true}, {x}).shape(), (Shape{1, 1, 1}));
}

TEST(Reduce, IntegersAndLargeMeans) {
  const Tensor ints = Tensor::from<int32_t>({4}, std::vector<int32_t>{-7, 2, -3, 1});
  EXPECT_EQ(list<int32_t>(run(Reduce{ReduceKind::kMean, {0}, false}, {ints})),
            (std::vector<int32_t>{-1}));  // −7 / 4 truncates
  EXPECT_EQ(list<int32_t>(run(Reduce{ReduceKind::kProd, {0}, false}, {ints})),
            (std::vector<int32_t>{42}));
  Tensor large(DataType::kFloat32, {1 << 20});
  for (int64_t i = 0; i < large.volume(); ++i) large.as<float>()[i] = 0.1f;
  EXPECT_EQ(list<float>(run(Reduce{ReduceKind::kMean, {0}, false}, {large}))[0], 0.1f);
}

TEST(Reduce, Refusals) {
  EXPECT_TRUE(contains(refusal(Reduce{ReduceKind::kSum, {3}, false}, {{1, 2, 3}}),
                       "axis 3 is not an axis of a tensor of rank 3"));
  EXPECT_TRUE(contains(refusal(Reduce{ReduceKind::kSum, {0, -3}, false}, {{1, 2, 3}}),
                       "axis -3 is listed twice"));
  EXPECT_TRUE(contains(refusal(Reduce{ReduceKind::kMax, {1}, false}, {{1, 0}}), "empty axis 1"));
}

TEST(Softmax, OverOneAndTwoAxes) {
  const Tensor x = Tensor::floats({1, 3}, {1, 2, 3});
  expect_close(run(Softmax{{1}}, {x}), {0.09003057317, 0.24472847105, 0.66524095577}, 1e-7);
  const Tensor two = run(Softmax{{0, 2}}, {Tensor::floats({2, 2, 2}, {0, 0, 1, 1, 0, 0, 1, 1000})});
  expect_close(two, {0.25, 0.25, 0, 0, 0.25, 0.25, 0, 1}, 1e-7);
  expect_close(run(Softmax{{-1}}, {Tensor::floats({2}, {1000, 1000})}), {0.5, 0.5}, 0);
  EXPECT_TRUE(contains(refusal(Softmax{}, {{2, 2}}), "at least one axis"));
}

}  // namespace
}  // namespace octile::test
