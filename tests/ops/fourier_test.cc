// Fourier against values by hand and against the defining sum, for odd, even and prime lengths.
#include <cmath>
#include <complex>
#include <numbers>

#include "ops/run.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

void expect_near(const Tensor& got, const Floats& wanted, float tolerance = 1e-6f) {
  const Floats values = list<float>(got);
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], wanted[i], tolerance) << i;
}

TEST(Fourier, ByHand) {
  const Tensor x = Tensor::floats({1, 4, 1}, {1, 2, 3, 4});
  expect_near(run(Fourier{}, {x}), {10, 0, -2, 2, -2, 0, -2, -2});
  expect_near(run(Fourier{1, 0, false, true}, {x}), {10, 0, -2, 2, -2, 0});
  expect_near(run(Fourier{1, 2, false, false}, {x}), {3, 0, -1, 0});  // cut
  expect_near(run(Fourier{1, 0, true, false}, {run(Fourier{}, {x})}), {1, 0, 2, 0, 3, 0, 4, 0});
  const Tensor short_x = Tensor::floats({1, 1, 1}, {5});
  expect_near(run(Fourier{1, 3, false, false}, {short_x}), {5, 0, 5, 0, 5, 0});  // filled
}

TEST(Fourier, TheDefiningSumOnAnyAxis) {
  Random random(3);
  for (const int64_t n : {1, 2, 3, 6, 7, 12, 16}) {
    const Tensor x = random_floats({2, n, 3, 2}, random, 1.0f);
    const Tensor y = run(Fourier{-3}, {x});
    for (int64_t i = 0; i < 2 * n * 3; ++i) {
      const int64_t o = i / (n * 3), k = i / 3 % n, c = i % 3;
      std::complex<double> sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        const float* at = x.as<float>() + ((o * n + j) * 3 + c) * 2;
        sum += std::complex<double>(at[0], at[1]) *
               std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(j * k) /
                                   static_cast<double>(n));
      }
      EXPECT_NEAR(y.as<float>()[2 * i], sum.real(), 1e-5) << n;
      EXPECT_NEAR(y.as<float>()[2 * i + 1], sum.imag(), 1e-5) << n;
    }
  }
}

TEST(Fourier, ShapesAndRefusals) {
  EXPECT_EQ(shape_of(Fourier{1, 0, false, true}, {{2, kDynamic, 1}}), (Shape{2, kDynamic, 2}));
  EXPECT_EQ(shape_of(Fourier{1, 10, false, true}, {{2, kDynamic, 1}}), (Shape{2, 6, 2}));
  EXPECT_TRUE(contains(refusal(Fourier{}, {{2, 4, 3}}), "last axis"));
  EXPECT_TRUE(contains(refusal(Fourier{-1}, {{2, 4, 2}}), "last one"));
  EXPECT_TRUE(contains(refusal(Fourier{3}, {{2, 4, 2}}), "axis 3"));
  EXPECT_TRUE(contains(refusal(Fourier{1, INT64_MAX}, {{2, 4, 2}}), "length"));
  EXPECT_TRUE(contains(refusal(Fourier{}, {{2, 4, 2}}, DataType::kInt32), "type"));
}

}  // namespace
}  // namespace octile::test
