// Histograms: counts against a plain loop in double, exactness under merge, odd values.
#include "calibrate/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace octile {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Histogram whole(const std::vector<float>& values) {
  Histogram range;
  add_to_range(range, values);
  BinCounter counter(range);
  counter.add(values);
  return counter.finish();
}

std::vector<float> normal_values(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3f, 2.0f);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

// The rule as the header states it, one value at a time, without blocks.
Histogram oracle(const std::vector<float>& values) {
  Histogram h;
  h.positive.resize(Histogram::kBins);
  h.negative.resize(Histogram::kBins);
  bool first = true;
  for (float v : values) {
    if (std::isnan(v))
      ++h.nan;
    else if (std::isinf(v))
      ++h.infinite;
    else {
      h.min = first ? v : std::min(h.min, v);
      h.max = first ? v : std::max(h.max, v);
      first = false;
      ++h.finite;
      if (v == 0.0f) ++h.zeros;
    }
  }
  const float greatest = std::max(-h.min, h.max);
  for (float v : values) {
    if (!std::isfinite(v)) continue;
    const float scaled = greatest > 0 ? std::fabs(v) * (2048.0f / greatest) : 0.0f;
    const size_t bin = std::min<size_t>(static_cast<size_t>(scaled), 2047);
    ++(v < 0.0f ? h.negative : h.positive)[bin];
  }
  return h;
}

TEST(Histogram, MatchesThePlainRuleAtEveryLength) {
  for (size_t count : {1u, 2u, 1023u, 1024u, 1025u, 2048u, 5000u, 100'003u}) {
    const std::vector<float> values = normal_values(count, static_cast<uint32_t>(count));
    EXPECT_EQ(whole(values), oracle(values)) << count;
  }
}

TEST(Histogram, MatchesThePlainRuleOnEdgesOfBins) {
  std::vector<float> values;
  for (int bin = 0; bin <= 2048; ++bin) {
    const float edge = static_cast<float>(bin) * (3.7f / 2048.0f);
    for (float v : {edge, std::nextafterf(edge, 0.0f), std::nextafterf(edge, 9.0f)}) {
      values.push_back(v);
      values.push_back(-v);
    }
  }
  EXPECT_EQ(whole(values), oracle(values));
}

TEST(Histogram, CountsZerosOfBothSignsAsPositive) {
  std::vector<float> values(3000, 0.0f);
  for (size_t i = 0; i < values.size(); i += 2) values[i] = -0.0f;
  values.push_back(-1.0f);
  const Histogram h = whole(values);
  EXPECT_EQ(h.zeros, 3000u);
  EXPECT_EQ(h.positive[0], 3000u);
  EXPECT_EQ(h.negative[0], 0u);
  EXPECT_EQ(h.negative[2047], 1u);
  EXPECT_EQ(h.max, 0.0f);
  EXPECT_FALSE(std::signbit(h.max));
}

TEST(Histogram, SetsNanAndInfinitiesApartInAnyPositionOfABlock) {
  std::vector<float> values = normal_values(4096, 5);
  std::vector<float> clean = values;
  values.insert(values.begin() + 7, kNan);
  values.insert(values.begin() + 2000, kInf);
  values.push_back(-kInf);
  values.push_back(-kNan);
  const Histogram h = whole(values), expected = whole(clean);
  EXPECT_EQ(h.nan, 2u);
  EXPECT_EQ(h.infinite, 2u);
  EXPECT_EQ(h.finite, 4096u);
  EXPECT_EQ(h.positive, expected.positive);
  EXPECT_EQ(h.negative, expected.negative);
  EXPECT_EQ(h.min, expected.min);
}

TEST(Histogram, HoldsExtremeMagnitudes) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (float scale : {std::numeric_limits<float>::max(), 1e-38f, 100 * tiny, tiny}) {
    std::vector<float> values(1024, scale);
    values[3] = -scale;
    values.push_back(scale / 2);
    const Histogram h = whole(values);
    EXPECT_EQ(h.positive[2047] + h.negative[2047], 1024u) << scale;
    EXPECT_EQ(h.finite, 1025u);
  }
}

TEST(Histogram, MergeIsExactForAnySplitAndOrder) {
  std::vector<float> values = normal_values(50'000, 9);
  values[17] = kNan;
  values[40'000] = -kInf;
  values[5] = 0.0f;
  const Histogram expected = whole(values);
  std::mt19937 random(4);
  for (int trial = 0; trial < 20; ++trial) {
    std::shuffle(values.begin(), values.end(), random);
    std::vector<std::span<const float>> parts;
    for (std::span<const float> rest = values; !rest.empty();) {
      const size_t take = std::min<size_t>(rest.size(), random() % 20'000);
      parts.push_back(rest.first(take));
      rest = rest.subspan(take);
    }
    Histogram range;
    for (const auto& part : parts) {
      Histogram own;
      add_to_range(own, part);
      range.merge(own);
    }
    EXPECT_EQ(range.finite, expected.finite);
    std::shuffle(parts.begin(), parts.end(), random);
    Histogram merged;  // an empty one is neutral
    for (const auto& part : parts) {
      BinCounter counter(range);
      counter.add(part);
      merged.merge(counter.finish());
    }
    EXPECT_EQ(merged, expected);
  }
}

TEST(Histogram, MergeRefusesDifferentBins) {
  Histogram a = whole({1.0f, 2.0f}), uncounted;
  const Histogram b = whole({1.0f, 3.0f});
  try {
    a.merge(b);
    FAIL() << "merged bins of different width";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("merge the ranges first"), std::string::npos);
  }
  add_to_range(uncounted, std::vector<float>{1.0f});
  EXPECT_THROW(a.merge(uncounted), Error);
  EXPECT_THROW(uncounted.merge(b), Error);
}

TEST(Histogram, AValueBeyondTheRangeCountsInTheLastBin) {
  Histogram range;
  add_to_range(range, std::vector<float>{1.0f});
  BinCounter counter(range);
  counter.add(std::vector<float>(1024, 1e30f));
  counter.add(std::vector<float>{-5.0f});
  const Histogram h = counter.finish();
  EXPECT_EQ(h.positive[2047], 1024u);
  EXPECT_EQ(h.negative[2047], 1u);
}

}  // namespace
}  // namespace octile
