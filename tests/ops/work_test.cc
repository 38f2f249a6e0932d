// evaluation_work() against terms counted by hand: at least one operation a term, and not so many
// more that nothing could be computed at import.
#include <gtest/gtest.h>

#include "ops/ops.h"

namespace octile::test {
namespace {

void expect_terms(const Op& op, const std::vector<Shape>& in, const std::vector<Shape>& out,
                  double terms) {
  const double work = evaluation_work(op, in, out);
  EXPECT_GE(work, terms) << to_string(op);
  EXPECT_LE(work, 160 * terms) << to_string(op);
}

TEST(Work, EveryTermIsCounted) {
  Convolution conv;
  conv.window.kernel = {3, 3};
  expect_terms(conv, {{2, 16, 10, 10}, {32, 16, 3, 3}}, {{2, 32, 8, 8}}, 2 * 32 * 64 * 16 * 9);
  conv.groups = 16;
  expect_terms(conv, {{2, 16, 34, 34}, {16, 1, 3, 3}}, {{2, 16, 32, 32}}, 2 * 16 * 1024 * 9);
  expect_terms(Deconvolution{conv.window, 1, {}}, {{1, 8, 10, 10}, {8, 4, 3, 3}}, {{1, 4, 12, 12}},
               8 * 100 * 4 * 9);
  Deconvolution spreads;  // every output pixel looks at every term
  spreads.window.kernel = {64, 64};
  expect_terms(spreads, {{1, 1, 1, 1}, {1, 1, 64, 64}}, {{1, 1, 64, 64}}, 4096.0 * 4096);
  spreads.window.kernel = spreads.window.stride = {16, 16};
  expect_terms(spreads, {{1, 8, 4, 4}, {8, 16, 16, 16}}, {{1, 16, 64, 64}}, 16 * 4096.0 * 8 * 256);
  expect_terms(MatrixMultiply{}, {{5, 8, 64}, {64, 32}}, {{5, 8, 32}}, 5 * 8 * 64 * 32);
  expect_terms(MatrixMultiply{.transpose_a = true, .transpose_b = true}, {{64, 8}, {32, 64}},
               {{8, 32}}, 8 * 64 * 32);
  Pooling pool;
  pool.window.kernel = {20, 20};
  expect_terms(pool, {{1, 3, 40, 40}}, {{1, 3, 21, 21}}, 3 * 441 * 400);
  pool.window.kernel = {1000, 1};  // most of it beside the image
  pool.window.pad_before = {500, 0};
  pool.window.pad_after = {499, 0};
  expect_terms(pool, {{1, 3, 40, 40}}, {{1, 3, 40, 40}}, 3 * 1600 * 40);
  pool.global = true;
  expect_terms(pool, {{1, 3, 40, 40}}, {{1, 3, 1, 1}}, 3 * 1600);
  expect_terms(Fourier{.axis = 1, .length = 0}, {{1, 997, 2}}, {{1, 997, 2}}, 997.0 * 997);
  expect_terms(Fourier{.axis = 1, .length = 0}, {{1, 1024, 2}}, {{1, 1024, 2}}, 1024 * 10);
  // Padded to its length.
  expect_terms(Fourier{.axis = 1, .length = 997}, {{1, 0, 2}}, {{1, 997, 2}}, 997.0 * 997);
  Resize cubic;
  cubic.kind = ResizeKind::kCubic;
  cubic.scales = {1.0f, 1.0f, 1.1f, 1.1f};  // rounds down to what it was, but mixes
  expect_terms(cubic, {{1, 1, 7, 7}}, {{1, 1, 7, 7}}, 49 * 16);
  GridSample sample;
  sample.kind = ResizeKind::kCubic;
  expect_terms(sample, {{1, 2, 9, 9}, {1, 8, 8, 2}}, {{1, 2, 8, 8}}, 128 * 16);
  RoiAlign align;
  align.sampling_ratio = 4;
  expect_terms(align, {{1, 2, 9, 9}, {3, 4}, {3}}, {{3, 2, 8, 8}}, 384 * 16);
  expect_terms(Unique{}, {{1024}}, {}, 1024 * 10);
  expect_terms(CumulativeSum{.axis = 2}, {{1000, 1000, 0}}, {{1000, 1000, 0}}, 1e6);
  expect_terms(Recurrent{}, {{10, 2, 32}, {1, 256, 32}, {1, 256, 64}},
               {{10, 1, 2, 64}, {1, 2, 64}, {1, 2, 64}}, 10 * 2 * 256 * (32 + 64));
  expect_terms(TopK{100, -1, true}, {{4, 1024}}, {{4, 100}, {4, 100}}, 4 * 1024 * 10);
  expect_terms(Determinant{}, {{3, 100, 100}}, {{3}}, 3 * 1e6 / 3);
  expect_terms(NonMaxSuppression{.max_output = 100}, {{1, 1000, 4}, {1, 5, 1000}}, {},
               5 * 1000 * 100);
  expect_terms(Unary{}, {{1000}}, {{1000}}, 1000);
  expect_terms(Identity{}, {{1000}}, {{1000}}, 1000);
}

}  // namespace
}  // namespace octile::test
