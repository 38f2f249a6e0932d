// Activation and unary functions at points whose values are known, and elementwise arithmetic.
#include "ops/run.h"

namespace octile::test {
namespace {

using AK = ActivationKind;

struct Point {
  Activation op;
  float x;
  double y;
};

TEST(Activation, KnownPoints) {
  const Point points[] = {
      {{AK::kRelu}, -2, 0},
      {{AK::kRelu}, 3, 3},
      {{AK::kSigmoid}, 0, 0.5},
      {{AK::kSigmoid}, 1, 0.7310585786300049},
      {{AK::kSigmoid}, -200, 0},
      {{AK::kSigmoid}, 200, 1},
      {{AK::kTanh}, 1, 0.7615941559557649},
      {{AK::kLeakyRelu, 0.1f}, -2, -0.2},
      {{AK::kLeakyRelu, 0.1f}, 2, 2},
      {{AK::kElu, 2.0f}, -1, -1.2642411176571153},
      {{AK::kElu, 2.0f}, 1.5f, 1.5},
      {{AK::kSelu, 1.6732632f, 1.0507009f}, 1, 1.0507009},
      {{AK::kSelu, 1.6732632f, 1.0507009f}, -1, -1.1113307},
      {{AK::kSoftsign}, -3, -0.75},
      {{AK::kSoftsign}, 1, 0.5},
      {{AK::kSoftplus, 1, 1}, 0, 0.6931471805599453},
      {{AK::kSoftplus, 2, 1}, 100, 200},
      {{AK::kSoftplus, 1, 1}, -1000, 0},
      {{AK::kClip, -1, 6}, 7, 6},
      {{AK::kClip, -1, 6}, -7, -1},
      {{AK::kClip, -1, 6}, 0.25f, 0.25},
      {{AK::kHardSigmoid, 0.2f, 0.5f}, 1, 0.7},
      {{AK::kHardSigmoid, 0.2f, 0.5f}, 9, 1},
      {{AK::kScaledTanh, 2, 0.5f}, 2, 1.5231883119115297},
      {{AK::kThresholdedRelu, 1}, 1, 0},
      {{AK::kThresholdedRelu, 1}, 1.5f, 1.5},
      {{AK::kGeluErf}, 1, 0.8413447460685429},
      {{AK::kGeluErf}, -10, 0},
      {{AK::kGeluTanh}, 1, 0.8411919906082768},
      {{AK::kSwish, 1}, 1, 0.7310585786300049},
      {{AK::kSwish, 2}, 1, 0.8807970779778823},
      {{AK::kHardSwish}, 1, 0.6666666666666666},
      {{AK::kHardSwish}, -4, 0},
      {{AK::kMish}, 1, 0.8650983882673103},
      {{AK::kAffine, 2, 0.5f}, 3, 6.5},
  };
  for (const Point& p : points) {
    EXPECT_NEAR(activate(p.op, p.x), p.y, 1e-6 + 2e-7 * std::fabs(p.y))
        << name_of(p.op.kind) << "(" << p.x << ")";
  }
}

TEST(Activation, NanGoesThroughAndTensorsAreMapped) {
  for (int kind = 0; kind <= static_cast<int>(AK::kAffine); ++kind) {
    EXPECT_TRUE(std::isnan(activate({static_cast<AK>(kind), 0.5f, 0.75f}, kNan))) << kind;
  }
  const Tensor y = run(Activation{AK::kRelu}, {Tensor::floats({2, 2}, {-1, 2, -0.0f, kInf})});
  EXPECT_EQ(list<float>(y), (std::vector<float>{0, 2, 0, kInf}));
  Random random(1);
  const Tensor x = random_floats({3, 1000}, random, 8.0f);
  const Tensor mapped = run(Activation{AK::kMish}, {x});
  for (int64_t i = 0; i < x.volume(); ++i) {
    ASSERT_EQ(mapped.as<float>()[i], activate({AK::kMish}, x.as<float>()[i]));
  }
}

TEST(Activation, Refusals) {
  EXPECT_TRUE(contains(refusal(Activation{AK::kClip, 2, 1}, {{3}}), "clip needs alpha"));
  EXPECT_TRUE(contains(refusal(Activation{}, {{3}}, DataType::kUInt8), "must be float32"));
  EXPECT_TRUE(contains(refusal(Activation{}, {{3}, {3}}), "got 2 inputs, but needs: x"));
}

TEST(Unary, KnownPoints) {
  using U = UnaryKind;
  const struct {
    U kind;
    float x;
    double y;
  } points[] = {{U::kExp, 1, 2.718281828459045},
                {U::kLog, 2, 0.6931471805599453},
                {U::kSqrt, 2, 1.4142135624},
                {U::kReciprocal, 4, 0.25},
                {U::kAbs, -3, 3},
                {U::kNeg, 3, -3},
                {U::kSin, 1, 0.8414709848078965},
                {U::kCos, 1, 0.5403023058681398},
                {U::kTan, 1, 1.5574077246549023},
                {U::kSinh, 1, 1.1752011936438014},
                {U::kCosh, 1, 1.5430806348152437},
                {U::kAsin, 1, 1.5707963267948966},
                {U::kAcos, 0, 1.5707963267948966},
                {U::kAtan, 1, 0.7853981633974483},
                {U::kAsinh, 1, 0.881373587019543},
                {U::kAcosh, 2, 1.3169578969248166},
                {U::kAtanh, 0.5f, 0.5493061443340549},
                {U::kCeil, 1.2f, 2},
                {U::kFloor, -1.2f, -2},
                {U::kErf, 1, 0.8427007929497149},
                {U::kSign, -7, -1},
                {U::kSign, 0, 0},
                {U::kRound, 2.5f, 2},
                {U::kRound, 3.5f, 4},
                {U::kRound, -0.5f, 0},
                {U::kIsInf, -kInf, 1},
                {U::kIsInf, kNan, 0},
                {U::kIsNan, kNan, 1},
                {U::kNot, 0, 1}};
  for (const auto& p : points) {
    EXPECT_NEAR(apply(p.kind, p.x), p.y, 1e-6 * std::fabs(p.y)) << name_of(p.kind);
  }
}

TEST(Unary, OtherTypes) {
  const Tensor ints = Tensor::from<int32_t>({3}, std::vector<int32_t>{-5, 0, INT32_MIN});
  EXPECT_EQ(list<int32_t>(run(Unary{UnaryKind::kAbs}, {ints})),
            (std::vector<int32_t>{5, 0, INT32_MIN}));
  EXPECT_EQ(list<int32_t>(run(Unary{UnaryKind::kSign}, {ints})), (std::vector<int32_t>{-1, 0, -1}));
  const Tensor y = run(Unary{UnaryKind::kIsNan}, {Tensor::floats({3}, {1, kNan, kInf})});
  EXPECT_EQ(y.type(), DataType::kBool);
  EXPECT_EQ(y.as<uint8_t>()[1], 1);
  EXPECT_EQ(y.as<uint8_t>()[2], 0);
  EXPECT_EQ(run(Unary{UnaryKind::kNot}, {y}).as<uint8_t>()[0], 1);
  EXPECT_TRUE(contains(refusal(Unary{UnaryKind::kExp}, {{3}}, DataType::kInt64), "float32"));
  EXPECT_TRUE(contains(refusal(Unary{UnaryKind::kNot}, {{3}}), "must be bool"));
}

using EK = ElementwiseKind;

template <typename T>
T two(EK kind, T a, T b) {
  return run(Elementwise{kind}, {values<T>({}, {a}), values<T>({}, {b})}).template as<T>()[0];
}

TEST(Elementwise, FloatKinds) {
  EXPECT_EQ(two(EK::kAdd, 1.5f, 2.0f), 3.5f);
  EXPECT_EQ(two(EK::kSub, 1.5f, 2.0f), -0.5f);
  EXPECT_EQ(two(EK::kMul, 1.5f, 2.0f), 3.0f);
  EXPECT_EQ(two(EK::kDiv, 1.5f, 2.0f), 0.75f);
  EXPECT_EQ(two(EK::kMin, 1.5f, 2.0f), 1.5f);
  EXPECT_EQ(two(EK::kMax, 1.5f, 2.0f), 2.0f);
  EXPECT_EQ(two(EK::kPow, 2.0f, 0.5f), std::sqrt(2.0f));
  EXPECT_EQ(two(EK::kFloorDiv, -3.5f, 2.0f), -2.0f);
  EXPECT_EQ(two(EK::kMod, -3.5f, 2.0f), -1.5f);  // C's fmod
  EXPECT_TRUE(std::isnan(two(EK::kMax, kNan, 2.0f)));
  EXPECT_TRUE(std::isnan(two(EK::kMin, 2.0f, kNan)));
}

TEST(Elementwise, IntegerKinds) {
  EXPECT_EQ(two<int32_t>(EK::kAdd, INT32_MAX, 1), INT32_MIN);
  EXPECT_EQ(two<int32_t>(EK::kDiv, -7, 2), -3);
  EXPECT_EQ(two<int32_t>(EK::kFloorDiv, -7, 2), -4);
  EXPECT_EQ(two<int32_t>(EK::kFloorDiv, 7, -2), -4);
  EXPECT_EQ(two<int32_t>(EK::kFloorDiv, -8, 2), -4);
  EXPECT_EQ(two<int32_t>(EK::kMod, -7, 3), 2);
  EXPECT_EQ(two<int32_t>(EK::kMod, 7, -3), -2);
  EXPECT_EQ(two<int32_t>(EK::kMod, 6, -3), 0);
  EXPECT_EQ(two<int64_t>(EK::kDiv, 5, 0), 0);
  EXPECT_EQ(two<int64_t>(EK::kMod, 5, 0), 0);
  EXPECT_EQ(two<int64_t>(EK::kDiv, INT64_MIN, -1), INT64_MIN);
  EXPECT_EQ(two<int64_t>(EK::kPow, -3, 5), -243);
  EXPECT_EQ(two<int64_t>(EK::kPow, 2, -1), 0);
  EXPECT_EQ(two<int64_t>(EK::kPow, -1, -3), -1);
  EXPECT_EQ(two<int64_t>(EK::kPow, 7, 0), 1);
}

TEST(Elementwise, ComparisonsAndLogic) {
  const Tensor a = Tensor::floats({3}, {1, 2, 3}), b = Tensor::floats({3}, {3, 2, 1});
  const Tensor greater = run(Elementwise{EK::kGreater}, {a, b});
  const Tensor equal = run(Elementwise{EK::kEqual}, {a, b});
  ASSERT_EQ(greater.type(), DataType::kBool);
  const auto bits = [](const Tensor& t) {
    return std::vector<int>(t.as<uint8_t>(), t.as<uint8_t>() + t.volume());
  };
  EXPECT_EQ(bits(greater), (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(bits(run(Elementwise{EK::kLess}, {a, b})), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(bits(equal), (std::vector<int>{0, 1, 0}));
  EXPECT_EQ(bits(run(Elementwise{EK::kOr}, {greater, equal})), (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(bits(run(Elementwise{EK::kAnd}, {greater, equal})), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(bits(run(Elementwise{EK::kXor}, {greater, greater})), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(bits(run(Elementwise{EK::kEqual}, {greater, equal})), (std::vector<int>{1, 0, 0}));
}

TEST(Elementwise, Broadcasting) {
  const Shape shapes[][3] = {{{2, 3}, {3}, {2, 3}},
                             {{2, 1}, {1, 3}, {2, 3}},
                             {{}, {2, 2}, {2, 2}},
                             {{2, 3, 1, 2}, {3, 4, 1}, {2, 3, 4, 2}},
                             {{1, 5, 1}, {4, 1, 1}, {4, 5, 1}}};
  Random random(2);
  for (const auto& row : shapes) {
    const Shape &sa = row[0], &sb = row[1], &sy = row[2];
    const Tensor a = random_floats(sa, random), b = random_floats(sb, random);
    const Tensor y = run(Elementwise{EK::kSub}, {a, b});
    ASSERT_EQ(y.shape(), sy);
    for (int64_t i = 0; i < y.volume(); ++i) {
      const auto pick = [&](const Tensor& t) {  // unravel i over y, ravel over t
        int64_t rest = i, at = 0, step = 1;
        for (int axis = sy.rank() - 1; axis >= 0; --axis) {
          const int own = axis - (sy.rank() - t.shape().rank());
          const int64_t index = rest % sy[axis];
          rest /= sy[axis];
          if (own < 0) continue;
          if (t.shape()[own] != 1) at += index * step;
          step *= t.shape()[own];
        }
        return t.as<float>()[at];
      };
      ASSERT_EQ(y.as<float>()[i], pick(a) - pick(b));
    }
  }
  EXPECT_EQ(broadcast({-1, 3}, {5, 1}), (Shape{5, 3}));
  EXPECT_EQ(broadcast({-1, 3}, {1, 1}), (Shape{-1, 3}));
  EXPECT_TRUE(contains(refusal(Elementwise{}, {{2, 3}, {2, 4}}),
                       "shapes (2, 3) and (2, 4) do not broadcast: extents 3 and 4"));
}

TEST(Elementwise, TypesMustAgree) {
  const std::string text = message_of([] {
    infer_of(Elementwise{}, {{DataType::kFloat32, {2}, nullptr}, {DataType::kInt32, {2}, nullptr}});
  });
  EXPECT_TRUE(contains(text, "input 0 has type float32 but input 1 has type int32"));
  EXPECT_TRUE(
      contains(refusal(Elementwise{}, {{2}, {2}}, DataType::kInt8), "float32, int32, int64"));
  EXPECT_TRUE(contains(refusal(Elementwise{EK::kAnd}, {{2}, {2}}), "must be bool"));
}

TEST(Scale, UniformPerChannelElementwise) {
  const Tensor x = counting<float>({2, 2, 2});
  EXPECT_EQ(list<float>(run(Scale{1, true, true, false},
                            {x, Tensor::scalar(2), Tensor::floats({2}, {10, 20})})),
            (std::vector<float>{10, 12, 24, 26, 18, 20, 32, 34}));
  EXPECT_EQ(
      list<float>(run(Scale{1, false, true, false}, {x, Tensor::floats({2, 2}, {1, 2, 3, 4})})),
      (std::vector<float>{1, 3, 5, 7, 5, 7, 9, 11}));
  EXPECT_EQ(list<float>(run(Scale{2, false, false, true}, {x, Tensor::floats({2}, {1, 2})})),
            (std::vector<float>{0, 1, 2, 9, 4, 25, 6, 49}));
  EXPECT_EQ(run(Scale{}, {x}), x);
  EXPECT_TRUE(contains(refusal(Scale{1, true, false, false}, {{2, 3, 4}, {5}}),
                       "parameter 1 has shape (5), but for x of shape (2, 3, 4) it must be () or "
                       "(3) along axis 1"));
  EXPECT_TRUE(contains(refusal(Scale{1, true, true, false}, {{2, 3, 4}, {3}}), "need 3"));
}

}  // namespace
}  // namespace octile::test
