// See timing_cache.h.
#include "compile/timing_cache.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace octile {
namespace {

constexpr std::string_view kHeader = "octile timing cache 1";

}  // namespace

TimingCache::TimingCache(std::string path) : path_(std::move(path)) {
  if (path_.empty() || !std::filesystem::exists(path_)) return;
  const std::string text = read_file(path_);
  std::string_view rest = text;
  int line_number = 0;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    ++line_number;
    if (line_number == 1) {
      check(line == kHeader, ErrorCode::kInvalidFile,
            "{}: not a timing cache of this version; delete it", path_);
      continue;
    }
    const size_t tab = line.rfind('\t');
    double value = -1.0;
    if (tab != std::string_view::npos) {
      const std::string_view number = line.substr(tab + 1);
      const auto [at, error] = std::from_chars(number.data(), number.data() + number.size(), value);
      if (error != std::errc{} || at != number.data() + number.size()) value = -1.0;
    }
    check(value >= 0.0, ErrorCode::kInvalidFile,
          "{}: line {} is no 'key<TAB>nanoseconds'; "
          "delete the file",
          path_, line_number);
    times_[std::string(line.substr(0, tab))] = value;
  }
}

std::optional<double> TimingCache::find(const std::string& key) const {
  const auto found = times_.find(key);
  return found == times_.end() ? std::nullopt : std::optional(found->second);
}

double TimingCache::put(const std::string& key, double nanoseconds) {
  changed_ = true;
  return times_[key] = std::round(nanoseconds * 10.0) / 10.0;
}

void TimingCache::save() const {
  if (path_.empty() || !changed_) return;
  std::string text = fmt::format("{}\n", kHeader);
  for (const auto& [key, time] : times_) text += fmt::format("{}\t{:.1f}\n", key, time);
  write_file(path_, text);
}

}  // namespace octile
