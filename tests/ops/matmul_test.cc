// MatrixMultiply against NumPy's rules written out in binary64.
#include "base/parallel_for.h"
#include "ops/run.h"

namespace octile::test {
namespace {

TEST(MatrixMultiply, HandComputed) {
  const Tensor a = Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::floats({3, 2}, {1, 10, 100, 1000, 10000, 100000});
  const Tensor y = run(MatrixMultiply{}, {a, b, Tensor::floats({2}, {0.5f, -0.5f})});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(list<float>(y), (std::vector<float>{30201.5f, 302009.5f, 60504.5f, 605039.5f}));
}

TEST(MatrixMultiply, VectorsAsInNumpy) {
  const Tensor m = Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor v3 = Tensor::floats({3}, {1, 10, 100}), v2 = Tensor::floats({2}, {1, 10});
  EXPECT_EQ(list<float>(run(MatrixMultiply{}, {m, v3})), (std::vector<float>{321, 654}));
  EXPECT_EQ(run(MatrixMultiply{}, {m, v3}).shape(), (Shape{2}));
  EXPECT_EQ(list<float>(run(MatrixMultiply{}, {v2, m})), (std::vector<float>{41, 52, 63}));
  EXPECT_EQ(run(MatrixMultiply{}, {v2, m}).shape(), (Shape{3}));
  const Tensor dot = run(MatrixMultiply{}, {v3, v3});
  EXPECT_EQ(dot.shape(), Shape{});
  EXPECT_EQ(list<float>(dot), (std::vector<float>{10101}));
}

TEST(MatrixMultiply, RandomBatchesAndTransposes) {
  Random random(7);
  const Shape batches[][3] = {{{}, {}, {}},          {{4}, {}, {4}},
                              {{}, {3}, {3}},        {{2, 3}, {2, 3}, {2, 3}},
                              {{2, 1}, {3}, {2, 3}}, {{2, 1}, {1, 3}, {2, 3}}};
  for (int trial = 0; trial < 96; ++trial) {
    const auto& [batch_a, batch_b, batch] = batches[trial % 6];
    const MatrixMultiply op{(trial / 6) % 2 == 1, (trial / 12) % 2 == 1};
    const int64_t m = random.integer(1, trial % 5 == 0 ? 80 : 6);
    const int64_t n = random.integer(1, trial % 4 == 0 ? 70 : 6);
    const int64_t k = random.integer(1, trial % 3 == 0 ? 150 : 6);
    Shape sa = batch_a, sb = batch_b;
    for (int64_t e : op.transpose_a ? Shape{k, m} : Shape{m, k}) sa.push_back(e);
    for (int64_t e : op.transpose_b ? Shape{n, k} : Shape{k, n}) sb.push_back(e);
    const Tensor a = random_floats(sa, random), b = random_floats(sb, random);
    const Tensor bias = random_floats({n}, random);
    const Tensor y = run(op, {a, b, bias});
    Shape expected_shape = batch;
    expected_shape.push_back(m);
    expected_shape.push_back(n);
    ASSERT_EQ(y.shape(), expected_shape);
    // batch indices by hand: (i, j) over the last two batch axes
    const auto extent = [](const Shape& s, int from_end) {
      return s.rank() >= from_end ? s[s.rank() - from_end] : 1;
    };
    std::vector<double> expected;
    for (int64_t i = 0; i < extent(batch, 2); ++i)
      for (int64_t j = 0; j < extent(batch, 1); ++j) {
        const auto matrix = [&](const Shape& s) {
          const int64_t row = extent(s, 2) == 1 ? 0 : i, column = extent(s, 1) == 1 ? 0 : j;
          return row * extent(s, 1) + column;
        };
        const float* pa = a.as<float>() + matrix(batch_a) * m * k;
        const float* pb = b.as<float>() + matrix(batch_b) * k * n;
        for (int64_t r = 0; r < m; ++r)
          for (int64_t c = 0; c < n; ++c) {
            double sum = bias.as<float>()[c];
            for (int64_t t = 0; t < k; ++t) {
              sum += static_cast<double>(op.transpose_a ? pa[t * m + r] : pa[r * k + t]) *
                     static_cast<double>(op.transpose_b ? pb[c * k + t] : pb[t * n + c]);
            }
            expected.push_back(sum);
          }
      }
    expect_close(y, expected, 2e-5, 1e-5);
  }
}

TEST(MatrixMultiply, BitsDoNotDependOnThreadsOrBatch) {
  Random random(8);
  const Tensor a = random_floats({70, 200}, random), b = random_floats({200, 90}, random);
  const ThreadCountScope one(1);
  const Tensor y = run(MatrixMultiply{}, {a, b});
  {
    const ThreadCountScope four(4);
    EXPECT_EQ(run(MatrixMultiply{}, {a, b}), y);
  }
  const Tensor row = Tensor(DataType::kFloat32, {1, 200},
                            {reinterpret_cast<const std::byte*>(a.as<float>() + 33 * 200), 800});
  const Tensor single = run(MatrixMultiply{}, {row, b});
  EXPECT_EQ(0, std::memcmp(single.data(), y.as<float>() + 33 * 90, 360));
}

TEST(MatrixMultiply, ShapesAndRefusals) {
  EXPECT_EQ(shape_of(MatrixMultiply{}, {{-1, 7}, {7, 3}}), (Shape{-1, 3}));
  EXPECT_EQ(shape_of(MatrixMultiply{}, {{-1, 5, 7}, {1, 7, 3}}), (Shape{-1, 5, 3}));
  EXPECT_TRUE(contains(refusal(MatrixMultiply{}, {{2, 3}, {4, 5}}),
                       "operands (2, 3) and (4, 5) (transpose_a=false, transpose_b=false) have "
                       "inner extents 3 and 4"));
  EXPECT_TRUE(contains(refusal(MatrixMultiply{}, {{2, 3}, {}}), "must not be scalars"));
  EXPECT_TRUE(contains(refusal(MatrixMultiply{}, {{2, 3}, {3, 5}, {4}}),
                       "bias has shape (4), but the product (2, 5) needs (5)"));
  EXPECT_TRUE(contains(refusal(MatrixMultiply{}, {{2, 2, 3}, {3, 3, 5}}), "do not broadcast"));
}

}  // namespace
}  // namespace octile::test
