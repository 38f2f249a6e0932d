// Range and counting passes, and Histogram's own methods. The block loops have constant trip
// counts and no calls, so that plain -O2 vectorizes them for the baseline instruction set.
#include "calibrate/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace octile {
namespace {

constexpr size_t kBlock = 1024;
// Added to the bits of |x|, carries into the sign bit exactly for NaN and the infinities.
constexpr uint32_t kCarryUnlessFinite = 0x00800000u;

/// Reductions over one block, in the order of floats mapped to signed integers.
struct BlockRange {
  int32_t low = INT32_MAX, high = INT32_MIN;  // order keys of min and max
  uint32_t carry = 0;                         // sign bit set: not all are finite
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
    r.carry |= static_cast<uint32_t>(magnitude) + kCarryUnlessFinite;
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
          "every part with the merged range",
          abs_max(), other.abs_max());
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
    if (block.carry >> 31 == 0) {
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

bool same_counts(const Histogram& a, const Histogram& b) {
  return a.finite == b.finite && a.nan == b.nan && a.infinite == b.infinite && a.zeros == b.zeros;
}

BinScale bin_scale(const Histogram& range) {
  BinScale scale;
  const float abs_max = range.abs_max();
  if (abs_max > 0.0f) {
    scale.prescale = abs_max < 0x1p-100f ? 0x1p100f : 1.0f;  // exact: powers of two
    scale.bins_per_unit = static_cast<float>(Histogram::kBins) / (abs_max * scale.prescale);
  }
  return scale;
}

BinCounter::BinCounter(const Histogram& range) : bins_(kSets * kSlots) {
  result_.min = range.min;
  result_.max = range.max;
  result_.positive.resize(Histogram::kBins);
  result_.negative.resize(Histogram::kBins);
  const BinScale scale = bin_scale(range);
  prescale_ = scale.prescale;
  bins_per_unit_ = scale.bins_per_unit;
}

void BinCounter::add(std::span<const float> values) {
  while (!values.empty()) {
    if (pending_ >= uint64_t{1} << 31) flush();
    const size_t count = std::min(values.size(), kBlock);
    const bool plain = count == kBlock && prescale_ == 1.0f;
    if (!plain || !add_block(values.data())) add_values(values.first(count));
    pending_ += count;
    values = values.subspan(count);
  }
}

// False, and nothing done, when a value is not finite.
bool BinCounter::add_block(const float* values) {
  constexpr auto kLast = static_cast<float>(Histogram::kBins - 1);
  std::array<uint32_t, kBlock> slots;
  uint32_t carry = 0;
  int32_t zeros = 0;
  const float bins_per_unit = bins_per_unit_;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<int32_t>(values[i]);
    const int32_t magnitude = bits & 0x7fffffff;
    carry |= static_cast<uint32_t>(magnitude) + kCarryUnlessFinite;
    const float scaled = std::bit_cast<float>(magnitude) * bins_per_unit;
    const float bin = scaled < kLast ? scaled : kLast;  // NaN too: the conversion is defined
    const int32_t negative = (bits >> 31) & (magnitude != 0 ? Histogram::kBins : 0);
    zeros += magnitude == 0 ? 1 : 0;
    slots[i] = static_cast<uint32_t>(static_cast<int32_t>(bin) + negative);
  }
  if (carry >> 31 != 0) return false;
  uint32_t* even = bins_.data();
  uint32_t* odd = even + kSlots;
  for (size_t i = 0; i < kBlock; i += 8) {
    if (i % 16 == 0) __builtin_prefetch(values + kBlock + i);  // the next block; never faults
    const uint32_t a = slots[i], b = slots[i + 1], c = slots[i + 2], d = slots[i + 3];
    const uint32_t e = slots[i + 4], f = slots[i + 5], g = slots[i + 6], h = slots[i + 7];
    ++even[a];
    ++odd[b];
    ++even[c];
    ++odd[d];
    ++even[e];
    ++odd[f];
    ++even[g];
    ++odd[h];
  }
  result_.finite += kBlock;
  result_.zeros += static_cast<uint64_t>(zeros);
  return true;
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
    const float scaled = std::fabs(value) * prescale_ * bins_per_unit_;
    const float bin = std::min(scaled, static_cast<float>(Histogram::kBins - 1));
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
