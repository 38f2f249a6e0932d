// Range and counting passes, and Histogram's own methods. The block loops have constant trip
// counts and no calls, so that plain -O2 vectorizes them for the baseline instruction set.
#include "calibrate/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/error.h"

namespace octile {
namespace {

constexpr size_t kBlock = 1024;
constexpr int32_t kInfinityBits = 0x7f800000;

/// Reductions over one block, in the order of floats mapped to signed integers.
struct BlockRange {
  int32_t low = INT32_MAX, high = INT32_MIN;  // order keys of min and max
  int32_t magnitude = 0;                      // greatest bits of |x|; ≥ kInfinityBits: not finite
  int32_t zeros = 0;
};

// Negative floats sort backwards by their bits: flip all but the sign. An involution.
int32_t order_key(int32_t bits) {
  return bits ^ static_cast<int32_t>(static_cast<uint32_t>(bits >> 31) >> 1);
}

BlockRange scan_block(const float* values) {
  BlockRange r;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<int32_t>(values[i]);
    const int32_t magnitude = bits & 0x7fffffff, key = order_key(bits);
    r.low = key < r.low ? key : r.low;
    r.high = key > r.high ? key : r.high;
    r.magnitude = magnitude > r.magnitude ? magnitude : r.magnitude;
    r.zeros += magnitude == 0 ? 1 : 0;
  }
  return r;
}

// Adding +0 turns −0 into +0: which of the two zeros came first must not show.
void widen(Histogram& range, float low, float high) {
  const bool first = range.finite == 0;
  range.min = (first ? low : std::min(range.min, low)) + 0.0f;
  range.max = (first ? high : std::max(range.max, high)) + 0.0f;
}

void add_value(Histogram& range, float value) {
  if (std::isnan(value)) {
    ++range.nan;
  } else if (std::isinf(value)) {
    ++range.infinite;
  } else {
    widen(range, value, value);
    ++range.finite;
    range.zeros += value == 0.0f ? 1 : 0;
  }
}

void add_bins(std::vector<uint64_t>& into, const std::vector<uint64_t>& from) {
  for (size_t i = 0; i < into.size(); ++i) into[i] += from[i];
}

}  // namespace

float Histogram::abs_max() const { return std::max(std::fabs(min), std::fabs(max)); }

void Histogram::merge(const Histogram& other) {
  const bool counted = !positive.empty(), other_counted = !other.positive.empty();
  if (counted && other_counted) {
    check(abs_max() == other.abs_max(), ErrorCode::kInvalidArgument,
          "histograms of max|x| = {} and {} cannot be merged: merge the ranges first, then count "
          "every part with the merged range", abs_max(), other.abs_max());
  } else if (counted || other_counted) {
    const uint64_t values_without_bins = counted ? other.finite : finite;
    check(values_without_bins == 0, ErrorCode::kInvalidArgument,
          "a counted histogram cannot be merged with one of the range pass: count both first");
  }
  if (finite == 0 && !counted) {
    min = other.min;
    max = other.max;
  } else if (other.finite != 0 || other_counted) {
    min = std::min(min, other.min);
    max = std::max(max, other.max);
  }
  if (counted && other_counted) {
    add_bins(positive, other.positive);
    add_bins(negative, other.negative);
  } else if (other_counted) {
    positive = other.positive;
    negative = other.negative;
  }
  finite += other.finite;
  nan += other.nan;
  infinite += other.infinite;
  zeros += other.zeros;
}

void add_to_range(Histogram& range, std::span<const float> values) {
  while (values.size() >= kBlock) {
    const BlockRange block = scan_block(values.data());
    if (block.magnitude < kInfinityBits) {
      widen(range, std::bit_cast<float>(order_key(block.low)),
            std::bit_cast<float>(order_key(block.high)));
      range.finite += kBlock;
      range.zeros += static_cast<uint64_t>(block.zeros);
    } else {
      for (float value : values.first(kBlock)) add_value(range, value);
    }
    values = values.subspan(kBlock);
  }
  for (float value : values) add_value(range, value);
}

BinCounter::BinCounter(const Histogram& range) : bins_(kSets * kSlots) {
  result_.min = range.min;
  result_.max = range.max;
  result_.positive.resize(Histogram::kBins);
  result_.negative.resize(Histogram::kBins);
  const float abs_max = range.abs_max();
  if (abs_max > 0.0f) {
    prescale_ = abs_max < 0x1p-100f ? 0x1p100f : 1.0f;  // exact: powers of two
    width_ = abs_max * prescale_ / static_cast<float>(Histogram::kBins);
  }
}

void BinCounter::add(std::span<const float> values) {
  while (!values.empty()) {
    if (pending_ >= uint64_t{1} << 31) flush();
    const size_t count = std::min(values.size(), kBlock);
    if (count == kBlock) {
      add_block(values.data());
    } else {
      add_values(values.first(count));
    }
    pending_ += count;
    values = values.subspan(count);
  }
}

void BinCounter::add_block(const float* values) {
  constexpr auto kLast = static_cast<float>(Histogram::kBins - 1);
  std::array<int32_t, kBlock> slots;
  int32_t greatest = 0, zeros = 0;
  const float prescale = prescale_, width = width_;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<int32_t>(values[i]);
    const int32_t magnitude = bits & 0x7fffffff;
    greatest = magnitude > greatest ? magnitude : greatest;
    const float quotient = std::bit_cast<float>(magnitude) * prescale / width;
    const float bin = quotient < kLast ? quotient : kLast;  // NaN too: the conversion is defined
    const int32_t negative = (bits >> 31) & (magnitude != 0 ? Histogram::kBins : 0);
    zeros += magnitude == 0 ? 1 : 0;
    slots[i] = static_cast<int32_t>(bin) + negative;
  }
  if (greatest >= kInfinityBits) {
    add_values({values, kBlock});
    return;
  }
  uint32_t* even = bins_.data();
  uint32_t* odd = even + kSlots;
  for (size_t i = 0; i < kBlock; i += 2) {
    ++even[slots[i]];
    ++odd[slots[i + 1]];
  }
  result_.finite += kBlock;
  result_.zeros += static_cast<uint64_t>(zeros);
}

void BinCounter::add_values(std::span<const float> values) {
  for (float value : values) count(value);
}

void BinCounter::count(float value) {
  if (std::isnan(value)) {
    ++result_.nan;
  } else if (std::isinf(value)) {
    ++result_.infinite;
  } else {
    const float quotient = std::fabs(value) * prescale_ / width_;
    const float bin = std::min(quotient, static_cast<float>(Histogram::kBins - 1));
    ++bins_[static_cast<size_t>(bin) + (value < 0.0f ? Histogram::kBins : 0)];
    ++result_.finite;
    result_.zeros += value == 0.0f ? 1 : 0;
  }
}

void BinCounter::flush() {
  for (size_t i = 0; i < Histogram::kBins; ++i) {
    result_.positive[i] += uint64_t{bins_[i]} + bins_[kSlots + i];
    result_.negative[i] +=
        uint64_t{bins_[Histogram::kBins + i]} + bins_[kSlots + Histogram::kBins + i];
  }
  std::fill(bins_.begin(), bins_.end(), 0u);
  pending_ = 0;
}

Histogram BinCounter::finish() {
  flush();
  return std::move(result_);
}

}  // namespace octile
