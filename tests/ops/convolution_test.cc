// Convolution and deconvolution against direct sums in binary64 over explicit index arithmetic.
#include "base/parallel_for.h"
#include "ops/run.h"

namespace octile::test {
namespace {

Window window(std::vector<int64_t> kernel) {
  Window w;
  w.kernel = std::move(kernel);
  return w;
}

int64_t at_or(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return list.empty() ? otherwise : list[i];
}

/// Everything as 3-d: leading spatial axes of extent 1.
struct Direct {
  int64_t n, c, m, groups;
  int64_t in[3] = {1, 1, 1}, k[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t s[3] = {1, 1, 1}, d[3] = {1, 1, 1}, p[3] = {0, 0, 0};

  Direct(const Shape& x, const Shape& y, const Window& w, int64_t group_count)
      : n(x[0]), c(x[1]), m(y[1]), groups(group_count) {
    const int rank = x.rank() - 2;
    for (int axis = 0; axis < rank; ++axis) {
      const int to = 3 - rank + axis;
      const auto from = static_cast<size_t>(axis);
      in[to] = x[axis + 2];
      out[to] = y[axis + 2];
      k[to] = w.kernel[from];
      s[to] = at_or(w.stride, from, 1);
      d[to] = at_or(w.dilation, from, 1);
      p[to] = at_or(w.pad_before, from, 0);
    }
  }
  static int64_t flat(int64_t lead, const int64_t (&extent)[3], int64_t a, int64_t b, int64_t e) {
    return ((lead * extent[0] + a) * extent[1] + b) * extent[2] + e;
  }
  /// Calls f(x index, weight index of a convolution, of a deconvolution, y index) for every
  /// product of a convolution whose input and output change roles when `transposed`.
  template <typename F>
  void products(bool transposed, F&& f) const {
    const int64_t cg = c / groups, mg = m / groups;
    const auto& big = transposed ? out : in;
    const auto& small = transposed ? in : out;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t row = 0; row < m; ++row)
        for (int64_t ch = 0; ch < cg; ++ch)
          for (int64_t o0 = 0; o0 < small[0]; ++o0)
            for (int64_t o1 = 0; o1 < small[1]; ++o1)
              for (int64_t o2 = 0; o2 < small[2]; ++o2)
                for (int64_t k0 = 0; k0 < k[0]; ++k0)
                  for (int64_t k1 = 0; k1 < k[1]; ++k1)
                    for (int64_t k2 = 0; k2 < k[2]; ++k2) {
                      const int64_t b0 = o0 * s[0] + k0 * d[0] - p[0];
                      const int64_t b1 = o1 * s[1] + k1 * d[1] - p[1];
                      const int64_t b2 = o2 * s[2] + k2 * d[2] - p[2];
                      if (b0 < 0 || b1 < 0 || b2 < 0) continue;
                      if (b0 >= big[0] || b1 >= big[1] || b2 >= big[2]) continue;
                      const int64_t channel = row / mg * cg + ch;
                      const int64_t w_conv = flat(row * cg + ch, k, k0, k1, k2);
                      const int64_t w_deconv = flat(channel * mg + row % mg, k, k0, k1, k2);
                      const int64_t at_big = flat(0, big, b0, b1, b2);
                      const int64_t at_small = flat(0, small, o0, o1, o2);
                      const int64_t plane_x = (i * c + channel) * in[0] * in[1] * in[2];
                      const int64_t plane_y = (i * m + row) * out[0] * out[1] * out[2];
                      f(plane_x + (transposed ? at_small : at_big),
                        transposed ? w_deconv : w_conv,
                        plane_y + (transposed ? at_big : at_small));
                    }
  }
};

std::vector<double> direct(const Tensor& x, const Tensor& w, const Tensor* bias, const Shape& y,
                           const Window& win, int64_t groups, bool transposed) {
  const Direct form(x.shape(), y, win, groups);
  std::vector<double> sums(static_cast<size_t>(y.volume()), 0.0);
  form.products(transposed, [&](int64_t ix, int64_t iw, int64_t iy) {
    sums[static_cast<size_t>(iy)] +=
        static_cast<double>(x.as<float>()[ix]) * static_cast<double>(w.as<float>()[iw]);
  });
  const int64_t plane = form.out[0] * form.out[1] * form.out[2];
  for (size_t i = 0; bias != nullptr && i < sums.size(); ++i) {
    sums[i] += bias->as<float>()[static_cast<int64_t>(i) / plane % form.m];
  }
  return sums;
}

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
      EXPECT_EQ(y.shape()[a], (xs[a] + op.window.pad_before[axis] + op.window.pad_after[axis] -
                               reach) / op.window.stride[axis] + 1);
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
  EXPECT_EQ(run(Convolution{window({1, 1}), 1},
                {Tensor(DataType::kFloat32, {0, 2, 3, 3}), Tensor(DataType::kFloat32, {4, 2, 1, 1})})
                .shape(),
            (Shape{0, 4, 3, 3}));
}

TEST(Convolution, UnknownExtentsGoThrough) {
  Convolution op{window({3, 3}), 1};
  EXPECT_EQ(shape_of(op, {{-1, 3, -1, 10}, {8, 3, 3, 3}}), (Shape{-1, 8, -1, 8}));
}

TEST(Convolution, Refusals) {
  const Convolution op{window({5, 5}), 1};
  const std::string channels = refusal(op, {{1, 3, 28, 28}, {32, 1, 5, 5}});
  EXPECT_TRUE(contains(channels,
                       "input has 3 channels but weights (32, 1, 5, 5) with groups=1 need 1"));
  EXPECT_TRUE(contains(channels, "give weights of shape (32, 3, 5, 5) or change groups"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 4, 28}, {32, 3, 5, 5}}),
                       "on spatial axis 0 the window covers 5 elements but the padded input has "
                       "only 4"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 5, 5}, {31}}),
                       "bias has shape (31), but weights (32, 3, 5, 5) need (32)"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 3, 3}}), "kernel [5, 5] differs"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}}), "got 1 input, but needs: x, weights, [bias]"));
  EXPECT_TRUE(contains(refusal(op, {{1, 3, 28, 28}, {32, 3, 5, 5}}, DataType::kInt8),
                       "input 0 has type int8, but it must be float32"));
  EXPECT_TRUE(contains(refusal(op, {{3, 28}, {32, 3}}), "must be (N, C, one to three spatial axes)"));
  EXPECT_TRUE(contains(refusal(Convolution{window({5, 5}), 0}, {{1, 3, 9, 9}, {32, 3, 5, 5}}),
                       "groups is 0"));
  Convolution bad = op;
  bad.window.stride = {1, 0};
  EXPECT_TRUE(contains(refusal(bad, {{1, 3, 28, 28}, {32, 3, 5, 5}}), "stride [1, 0]"));
  bad.window.stride = {1};
  EXPECT_TRUE(contains(refusal(bad, {{1, 3, 28, 28}, {32, 3, 5, 5}}), "stride has 1 entries"));
}

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
