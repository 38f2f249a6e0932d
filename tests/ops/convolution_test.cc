// Convolution against direct sums in binary64, its padding modes, order of summation, refusals.
#include "base/parallel_for.h"
#include "ops/direct.h"

namespace octile::test {
namespace {

TEST(Convolution, HandComputed) {
  Convolution op{window({2, 2}), 1};
  const Tensor x = counting<float>({1, 1, 3, 3});  // 0 1 2 / 3 4 5 / 6 7 8
  const Tensor w = Tensor::floats({1, 1, 2, 2}, {1, 10, 100, 1000});
  const Tensor y = run(op, {x, w, Tensor::floats({1}, {0.5f})});
  EXPECT_EQ(y.shape(), (Shape{1, 1, 2, 2}));
  EXPECT_EQ(list<float>(y), (std::vector<float>{4310.5f, 5421.5f, 7643.5f, 8754.5f}));
}

TEST(Convolution, RandomShapesEqualTheDirectSum) {
  Random random(1);
  for (int trial = 0; trial < 120; ++trial) {
    const auto rank = static_cast<size_t>(1 + trial % 3);
    Convolution op;
    op.groups = random.integer(1, 3);
    const int64_t cg = random.integer(1, trial % 10 == 0 ? 40 : 4);
    const int64_t mg = random.integer(1, trial % 15 == 0 ? 70 : 5);
    Shape xs{random.integer(1, 3), cg * op.groups}, ws{mg * op.groups, cg};
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t k = random.integer(1, 4), d = random.integer(1, 3);
      op.window.kernel.push_back(k);
      op.window.stride.push_back(random.integer(1, 3));
      op.window.dilation.push_back(d);
      op.window.pad_before.push_back(random.integer(0, 3));
      op.window.pad_after.push_back(random.integer(0, 3));
      xs.push_back(random.integer((k - 1) * d + 1, (k - 1) * d + (rank == 1 ? 60 : 9)));
      ws.push_back(k);
    }
    const Tensor x = random_floats(xs, random), w = random_floats(ws, random);
    const Tensor b = random_floats({ws[0]}, random);
    const bool biased = trial % 2 == 0;
    const Tensor y = run(op, biased ? std::vector{x, w, b} : std::vector{x, w});
    for (size_t axis = 0; axis < rank; ++axis) {
      const int a = static_cast<int>(axis) + 2;
      const int64_t reach = (op.window.kernel[axis] - 1) * op.window.dilation[axis] + 1;
      EXPECT_EQ(y.shape()[a],
                (xs[a] + op.window.pad_before[axis] + op.window.pad_after[axis] - reach) /
                        op.window.stride[axis] +
                    1);
    }
    expect_close(y, direct(x, w, biased ? &b : nullptr, y.shape(), op.window, op.groups, false),
                 2e-5, 1e-5);
  }
}

TEST(Convolution, PaddingModes) {
  Window w = window({3});
  w.stride = {2};
  EXPECT_EQ(window_output(w, {8}), (Shape{3}));  // floor((8 − 3) / 2) + 1
  w.mode = PaddingMode::kCeil;
  EXPECT_EQ(window_output(w, {8}), (Shape{4}));
  w.mode = PaddingMode::kSameUpper;
  EXPECT_EQ(window_output(w, {8}), (Shape{4}));
  EXPECT_EQ(window_padding(w, 0, 8), (std::pair<int64_t, int64_t>{0, 1}));
  w.mode = PaddingMode::kSameLower;
  EXPECT_EQ(window_padding(w, 0, 8), (std::pair<int64_t, int64_t>{1, 0}));
  EXPECT_EQ(window_padding(w, 0, 7), (std::pair<int64_t, int64_t>{1, 1}));
  w.stride = {5};
  EXPECT_EQ(window_padding(w, 0, 6), (std::pair<int64_t, int64_t>{1, 1}));  // (2−1)·5+3−6 = 2
  EXPECT_EQ(window_output(w, {kDynamic}), (Shape{kDynamic}));
}

TEST(Convolution, CeilDropsWindowsThatStartBehindTheImage) {
  Window w = window({1});
  w.stride = {2};
  w.pad_after = {1};
  w.mode = PaddingMode::kCeil;
  EXPECT_EQ(window_output(w, {4}), (Shape{2}));  // ceil(4 / 2) + 1 = 3; the third starts at 4
}

TEST(Convolution, SamePaddingValues) {
  Convolution op{window({3}), 1};
  op.window.stride = {2};
  const Tensor x = Tensor::floats({1, 1, 4}, {1, 2, 3, 4});
  const Tensor w = Tensor::floats({1, 1, 3}, {1, 10, 100});
  op.window.mode = PaddingMode::kSameUpper;
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{321, 43}));
  op.window.mode = PaddingMode::kSameLower;
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{210, 432}));
}

TEST(Convolution, BitsDoNotDependOnThreads) {
  Random random(3);
  Convolution op{window({3, 3}), 2};
  op.window.pad_before = op.window.pad_after = {1, 1};
  const Tensor x = random_floats({2, 20, 17, 19}, random);
  const Tensor w = random_floats({140, 10, 3, 3}, random);
  const ThreadCountScope one(1);
  const Tensor y = run(op, {x, w});
  const ThreadCountScope five(5);
  EXPECT_EQ(run(op, {x, w}), y);
}

TEST(Convolution, TheSumRunsInTheDocumentedOrder) {
  Random random(4);
  const Tensor x = random_floats({1, 5, 4, 4}, random), w = random_floats({3, 5, 3, 3}, random);
  const Tensor b = random_floats({3}, random);
  const Tensor y = run(Convolution{window({3, 3}), 1}, {x, w, b});
  for (int64_t m = 0; m < 3; ++m) {
    float sum = b.as<float>()[m];  // output (0, 0)
    for (int64_t c = 0; c < 5; ++c) {
      for (int64_t k = 0; k < 9; ++k) {
        const float product =
            w.as<float>()[(m * 5 + c) * 9 + k] * x.as<float>()[(c * 4 + k / 3) * 4 + k % 3];
        sum += product;
      }
    }
    EXPECT_EQ(y.as<float>()[m * 4], sum);
  }
}

TEST(Convolution, EmptyBatch) {
  EXPECT_EQ(run(Convolution{window({1, 1}), 1}, {Tensor(DataType::kFloat32, {0, 2, 3, 3}),
                                                 Tensor(DataType::kFloat32, {4, 2, 1, 1})})
                .shape(),
            (Shape{0, 4, 3, 3}));
}

TEST(Convolution, UnknownExtentsGoThrough) {
  Convolution op{window({3, 3}), 1};
  EXPECT_EQ(shape_of(op, {{-1, 3, -1, 10}, {8, 3, 3, 3}}), (Shape{-1, 8, -1, 8}));
}

TEST(Convolution, Refusals) {
  EXPECT_TRUE(contains(refusal(Convolution{window({1, 1}), 1}, {{1, 2, 3, 3}, {0, 2, 1, 1}}),
                       "hold no element"));
  const Convolution op{window({5, 5}), 1};
  const std::string channels = refusal(op, {{1, 3, 28, 28}, {32, 1, 5, 5}});
  EXPECT_TRUE(
      contains(channels, "input has 3 channels but weights (32, 1, 5, 5) with groups=1 need 1"));
  EXPECT_TRUE(contains(channels, "give weights of shape (32, 3, 5, 5) or change groups"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 4, 28}, {32, 3, 5, 5}}),
                       "on spatial axis 0 the window covers 5 elements but the padded input has "
                       "only 4"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 5, 5}, {31}}),
                       "bias has shape (31), but weights (32, 3, 5, 5) need (32)"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 3, 3}}), "kernel [5, 5] differs"));
  EXPECT_TRUE(
      contains(refusal(op, {{1, 3, 28, 28}}), "got 1 input, but needs: x, weights, [bias]"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 5, 5}}, DataType::kInt8),
                       "input 0 has type int8, but it must be float32"));
  EXPECT_TRUE(
      contains(refusal(op, {{3, 28}, {32, 3}}), "must be (N, C, one to three spatial axes)"));
  EXPECT_TRUE(contains(refusal(Convolution{window({5, 5}), 0}, {{1, 3, 9, 9}, {32, 3, 5, 5}}),
                       "groups is 0"));
  Convolution bad = op;
  bad.window.stride = {1, 0};
  EXPECT_TRUE(contains(refusal(bad, {{1, 3, 28, 28}, {32, 3, 5, 5}}), "stride [1, 0]"));
  bad.window.stride = {1};
  EXPECT_TRUE(contains(refusal(bad, {{1, 3, 28, 28}, {32, 3, 5, 5}}), "stride has 1 entries"));
}

}  // namespace
}  // namespace octile::test
