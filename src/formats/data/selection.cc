// See selection.h.
#include "formats/data/selection.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace octile {
namespace {

/// SplitMix64: the same draw on every machine and standard library.
uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<int64_t> select_samples(int64_t total, const DataOptions& options,
                                    const std::string& origin) {
  check(options.batch >= 1, ErrorCode::kInvalidArgument, "batch must be at least 1, not {}",
        options.batch);
  check(options.first >= 0 && options.first < total, ErrorCode::kInvalidArgument,
        "{}: holds {} samples, so skipping {} leaves none", origin, total, options.first);
  std::vector<int64_t> all(size_t(total - options.first));
  std::iota(all.begin(), all.end(), options.first);
  const int64_t wanted = options.samples < 0 ? int64_t(all.size()) : options.samples;
  check(wanted >= 1 && wanted <= int64_t(all.size()), ErrorCode::kInvalidArgument,
        "{}: {} samples were asked for, {} are there", origin, wanted, all.size());
  if (options.seed) {
    uint64_t state = *options.seed;
    for (size_t i = 0; i < size_t(wanted); ++i) {
      std::swap(all[i], all[i + next_random(state) % (all.size() - i)]);
    }
  }
  all.resize(size_t(wanted));
  return all;
}

}  // namespace octile
