// Deconvolution against the scattered sum, and its padding modes.
#include "ops/direct.h"

namespace octile::test {
namespace {

TEST(Deconvolution, HandComputed) {
  Deconvolution op;
  op.window = window({2});
  op.window.stride = {2};
  const Tensor x = Tensor::floats({1, 1, 2}, {1, 2});
  const Tensor w = Tensor::floats({1, 1, 2}, {3, 5});
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{3, 5, 6, 10}));
  op.output_padding = {1};
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{3, 5, 6, 10, 0}));
  op.window.stride = {1};
  op.output_padding = {};
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{3, 11, 10}));
}

TEST(Deconvolution, RandomShapesEqualTheScatteredSum) {
  Random random(5);
  for (int trial = 0; trial < 90; ++trial) {
    const auto rank = static_cast<size_t>(1 + trial % 3);
    Deconvolution op;
    op.groups = random.integer(1, 3);
    const int64_t cg = random.integer(1, trial % 10 == 0 ? 40 : 4), mg = random.integer(1, 5);
    Shape xs{random.integer(1, 2), cg * op.groups}, ws{cg * op.groups, mg};
    for (size_t axis = 0; axis < rank; ++axis) {
      const int64_t k = random.integer(1, 4);
      op.window.kernel.push_back(k);
      op.window.stride.push_back(random.integer(1, 3));
      op.window.dilation.push_back(random.integer(1, 2));
      op.window.pad_before.push_back(random.integer(0, k - 1));
      op.window.pad_after.push_back(0);
      op.output_padding.push_back(random.integer(0, 1));
      xs.push_back(random.integer(2, 6));
      ws.push_back(k);
    }
    const Tensor x = random_floats(xs, random), w = random_floats(ws, random);
    const Tensor b = random_floats({mg * op.groups}, random);
    const Tensor y = run(op, {x, w, b});
    expect_close(y, direct(x, w, &b, y.shape(), op.window, op.groups, true), 2e-5, 1e-5);
  }
}

TEST(Deconvolution, SameModesMultiplyTheExtent) {
  Deconvolution op;
  op.window = window({3});
  op.window.stride = {2};
  op.window.mode = PaddingMode::kSameUpper;
  const Tensor x = Tensor::floats({1, 1, 2}, {1, 2}), w = Tensor::floats({1, 1, 3}, {1, 10, 100});
  // full: 1 10 102 20 200; out = 4, so one is cropped: after for upper, before for lower
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{1, 10, 102, 20}));
  op.window.mode = PaddingMode::kSameLower;
  EXPECT_EQ(list<float>(run(op, {x, w})), (std::vector<float>{10, 102, 20, 200}));
}

TEST(Deconvolution, Refusals) {
  Deconvolution op;
  op.window = window({3, 3});
  EXPECT_TRUE(contains(refusal(op, {{1, 4, 5, 5}, {3, 2, 3, 3}}),
                       "input has 4 channels but weights (3, 2, 3, 3) are for 3"));
  op.window.pad_before = {4, 4};
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 1, 5}, {3, 2, 3, 3}}), "the output extent would be -1"));
}

}  // namespace
}  // namespace octile::test
