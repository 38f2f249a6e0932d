// See gemm_chains.h. Chains are found greedily: the heaviest group that is left takes the first
// few, in falling weight, that fit. That comes within some per cent of what any order can reach.
#include "kernels/cpu/gemm_chains.h"

#include <algorithm>

namespace octile {
namespace {

constexpr int kTries = 64;  // groups looked at for one chain: bounds the time

/// What groups can reach, one row of numbers each, and which of them wait for a chain.
struct Loads {
  int width = 0, limit = 0;
  std::vector<int16_t> values;   // [groups][width]
  std::vector<int32_t> waiting;  // heaviest first

  const int16_t* of(int32_t group) const { return values.data() + int64_t{group} * width; }
  int16_t heaviest(int32_t group) const { return *std::max_element(of(group), of(group) + width); }
  bool fits(const std::vector<int16_t>& sum, int32_t group) const {
    const int16_t* more = of(group);
    int16_t largest = 0;
    for (int i = 0; i < width; ++i) largest = std::max<int16_t>(largest, int16_t(sum[i] + more[i]));
    return largest <= limit;
  }
};

/// Takes chains of `length` off the waiting groups.
int32_t take_chains(Loads& loads, size_t length, std::vector<int32_t>& order) {
  std::vector<int32_t> left;
  std::vector<bool> used(loads.waiting.size());
  int32_t chains = 0;
  for (size_t first = 0; first < used.size(); ++first) {
    if (used[first]) continue;
    const int16_t* start = loads.of(loads.waiting[first]);
    std::vector<int16_t> sum(start, start + loads.width);
    std::vector<size_t> chain{first};
    int tries = 0;
    for (size_t i = first + 1; i < used.size() && chain.size() < length && tries < kTries; ++i) {
      if (used[i]) continue;
      ++tries;
      const int32_t group = loads.waiting[i];
      if (!loads.fits(sum, group)) continue;
      for (int j = 0; j < loads.width; ++j) sum[size_t(j)] += loads.of(group)[j];
      chain.push_back(i);
    }
    if (chain.size() < length) {
      left.push_back(loads.waiting[first]);
      continue;
    }
    for (const size_t i : chain) {
      used[i] = true;
      order.push_back(loads.waiting[i]);
    }
    ++chains;
  }
  loads.waiting = left;
  return chains;
}

void sort_waiting(Loads& loads) {
  std::stable_sort(loads.waiting.begin(), loads.waiting.end(),
                   [&](int32_t a, int32_t b) { return loads.heaviest(a) > loads.heaviest(b); });
}

/// Positive and negative reach of every pair.
Loads byte_loads(const int8_t* w, int64_t groups, int nr, int limit) {
  Loads loads{4 * nr, limit, {}, {}};
  for (int64_t pair = 0; pair < groups * nr * 2; ++pair) {
    const int a = w[2 * pair], b = w[2 * pair + 1];
    loads.values.push_back(int16_t(std::max(a, 0) + std::max(b, 0)));
    loads.values.push_back(int16_t(std::max(-a, 0) + std::max(-b, 0)));
  }
  return loads;
}

Loads sign_loads(const int8_t* w, int64_t groups, int nr) {
  Loads loads{2 * nr, 255, {}, {}};
  for (int64_t pair = 0; pair < groups * nr * 2; ++pair) {
    loads.values.push_back(int16_t(std::abs(w[2 * pair]) + std::abs(w[2 * pair + 1])));
  }
  return loads;
}

}  // namespace

GemmChains chain_groups(const int8_t* weights, int64_t groups, int nr, bool seven_bits) {
  GemmChains found;
  Loads bytes = byte_loads(weights, groups, nr, seven_bits ? 258 : 128);
  Loads signs = sign_loads(weights, groups, nr);
  for (int32_t group = 0; group < groups; ++group) {
    (bytes.heaviest(group) <= bytes.limit ? bytes : signs).waiting.push_back(group);
  }
  sort_waiting(bytes);
  sort_waiting(signs);
  found.count[0] = take_chains(bytes, 4, found.order);
  found.count[1] = take_chains(bytes, 2, found.order);
  found.count[2] = take_chains(bytes, 1, found.order);
  found.first_signed = int32_t(found.order.size());
  found.count[3] = take_chains(signs, 2, found.order);
  found.count[4] = take_chains(signs, 1, found.order);
  return found;
}

}  // namespace octile
