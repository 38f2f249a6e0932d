// chain_groups(): for weights made to break them, no chain's sums leave int16 whatever the
// activations are. The worst activations are found here pair by pair, from what the instructions
// do.
#include "kernels/cpu/gemm_chains.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace octile {
namespace {

constexpr int kColumns = 8;
constexpr int kPairs = 2 * kColumns;  // of a group

using Weights = std::vector<int8_t>;

/// Largest and least sum of two products, each activation in [lo, hi] on its own.
struct Range {
  int lo = 0, hi = 0;
  void add(int w, int x_lo, int x_hi) {
    lo += std::min(w * x_lo, w * x_hi);
    hi += std::max(w * x_lo, w * x_hi);
  }
  bool in_int16() const { return lo >= -32768 && hi <= 32767; }
};

/// True when every pair of every chain stays in int16, alone and in its chain's sum.
bool proved(const Weights& w, const GemmChains& chains, int x_lo, int x_hi) {
  constexpr int kLengths[kGemmChains] = {4, 2, 1, 2, 1};
  size_t at = 0;
  for (int kind = 0; kind < kGemmChains; ++kind) {
    const bool sign = kind >= 3;
    if (sign && at < size_t(chains.first_signed)) return false;
    for (int chain = 0; chain < chains.count[kind]; ++chain, at += size_t(kLengths[kind])) {
      for (int pair = 0; pair < kPairs; ++pair) {
        Range sum;
        for (int i = 0; i < kLengths[kind]; ++i) {
          const int8_t* two = &w[size_t(chains.order[at + size_t(i)] * kPairs + pair) * 2];
          Range own;
          for (Range* range : {&own, &sum}) {
            for (int j = 0; j < 2; ++j) {
              if (sign) {
                range->add(two[j], -128, 128);
              } else {
                range->add(two[j], x_lo, x_hi);
              }
            }
          }
          if (!own.in_int16()) return false;
        }
        if (!sum.in_int16()) return false;
      }
    }
  }
  return at == chains.order.size();
}

bool a_permutation(std::vector<int32_t> order, int64_t groups) {
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != int32_t(i)) return false;
  }
  return int64_t(order.size()) == groups;
}

void expect_proved(const Weights& w, const char* what) {
  const int64_t groups = int64_t(w.size()) / (4 * kColumns);
  for (const bool seven_bits : {true, false}) {
    const GemmChains chains = chain_groups(w.data(), groups, kColumns, seven_bits);
    EXPECT_TRUE(a_permutation(chains.order, groups)) << what;
    EXPECT_TRUE(proved(w, chains, 0, seven_bits ? 127 : 255)) << what << " " << seven_bits;
    if (seven_bits) {
      EXPECT_EQ(chains.count[3] + chains.count[4], 0) << what;
    }
  }
}

template <typename Draw>
Weights drawn(int64_t groups, const Draw& draw) {
  Weights w(size_t(groups * 4 * kColumns));
  for (size_t i = 0; i < w.size(); ++i) w[i] = int8_t(draw(i));
  return w;
}

TEST(GemmChains, AdversarialWeightsAreProved) {
  std::mt19937 random(6);
  const auto draw = [&](int lo, int hi) { return lo + int(random() % unsigned(hi - lo + 1)); };
  for (const int64_t groups : {0, 1, 2, 3, 5, 16, 41}) {
    expect_proved(drawn(groups, [](size_t) { return 0; }), "zeros");
    expect_proved(drawn(groups, [](size_t) { return 127; }), "127");
    expect_proved(drawn(groups, [](size_t) { return -127; }), "-127");
    expect_proved(drawn(groups, [](size_t i) { return i % 2 == 0 ? 127 : -127; }), "by turns");
    expect_proved(drawn(groups, [](size_t i) { return i / 2 % 2 == 0 ? 127 : -127; }), "by pairs");
    expect_proved(drawn(groups, [](size_t i) { return i / 32 % 2 == 0 ? 127 : -127; }),
                  "by groups");
    expect_proved(drawn(groups, [](size_t) { return 64; }), "128 a pair");
    expect_proved(drawn(groups, [](size_t i) { return i % 2 == 0 ? 64 : 65; }), "129 a pair");
    expect_proved(drawn(groups, [](size_t i) { return i % 2 == 0 ? -1 : -127; }), "-128 a pair");
    expect_proved(drawn(groups, [](size_t i) { return i % 2 == 0 ? 32 : 33; }), "65 a pair");
    expect_proved(drawn(groups, [](size_t i) { return i == 40 ? 127 : 1; }), "one heavy weight");
  }
  for (int i = 0; i < 50; ++i) {
    const int largest = draw(1, 127);
    expect_proved(drawn(draw(1, 90), [&](size_t) { return draw(-largest, largest); }), "uniform");
    expect_proved(drawn(draw(1, 90), [&](size_t) { return draw(0, largest); }), "positive");
    expect_proved(drawn(draw(1, 90), [&](size_t) { return draw(0, 9) == 0 ? 127 : draw(-9, 9); }),
                  "few heavy weights");
  }
}

/// A chain whose sum is exactly the bound is taken, one more is not.
TEST(GemmChains, TheBoundIsTheLastThatFits) {
  const auto pair = [](int a, int b) { return [=](size_t i) { return i % 2 == 0 ? a : b; }; };
  const auto count = [](const Weights& w, bool seven_bits, int kind) {
    return chain_groups(w.data(), int64_t(w.size()) / 32, kColumns, seven_bits).count[kind];
  };
  EXPECT_EQ(count(drawn(2, pair(64, 65)), true, 1), 1);     // 2 · 129 = 258
  EXPECT_EQ(count(drawn(2, pair(65, 65)), true, 1), 0);     // 260
  EXPECT_EQ(count(drawn(4, pair(32, 32)), true, 0), 1);     // 256
  EXPECT_EQ(count(drawn(4, pair(-32, -33)), true, 0), 0);   // 260
  EXPECT_EQ(count(drawn(2, pair(127, -127)), true, 1), 1);  // 254 up, 254 down
  EXPECT_EQ(count(drawn(1, pair(1, 127)), false, 2), 1);    // 128
  EXPECT_EQ(count(drawn(1, pair(2, 127)), false, 4), 1);    // 129: its sign is moved
  EXPECT_EQ(count(drawn(4, pair(16, 16)), false, 0), 1);    // 128
}

/// Heavy groups find light ones, wherever they stand.
TEST(GemmChains, HeavyMeetsLight) {
  const Weights w = drawn(64, [](size_t i) { return i / 32 % 4 == 0 ? 120 : 3; });
  EXPECT_EQ(chain_groups(w.data(), 64, kColumns, true).count[0], 16);
}

/// Weights as trained ones lie: nearly all groups run in fours.
TEST(GemmChains, BellShapedWeightsRunInFours) {
  std::mt19937 random(7);
  std::normal_distribution<float> bell(0.0f, 36.0f);
  const Weights w = drawn(144, [&](size_t) { return std::clamp(int(bell(random)), -127, 127); });
  const GemmChains chains = chain_groups(w.data(), 144, kColumns, true);
  EXPECT_GE(chains.count[0], 34);
  EXPECT_EQ(chains.count[2], 0);
}

}  // namespace
}  // namespace octile
