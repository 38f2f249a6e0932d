// A timing cache whose times tests write, so that what a build chooses hangs on no machine.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "compile/harness.h"
#include "tune/precision_choice.h"

namespace octile::test {

/// A file of this process's own, gone with it.
struct OwnFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("octile_times_" + std::to_string(getpid()) + ".txt"))
                         .string();
  OwnFile() { std::filesystem::remove(path); }
  ~OwnFile() { std::filesystem::remove(path); }
};

inline BuildOptions timed(const OwnFile& cache) {
  BuildOptions options;
  options.int8 = true;
  options.threads = 1;
  options.timing_cache = cache.path;
  return options;
}

/// Sets the times of every line that begins with `mark` and whose key ends with `end`; returns how
/// many there are.
inline int change_times(const OwnFile& cache, const std::string& mark, const std::string& end,
                        double ns) {
  const std::string text = read_file(cache.path);
  std::string changed;
  int count = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t stop = text.find('\n', at);
    std::string line = text.substr(at, stop - at);
    const size_t tab = line.rfind('\t');
    if (tab != std::string::npos && line.rfind(mark, 0) == 0 &&
        line.substr(0, tab).ends_with(end)) {
      line = fmt::format("{}\t{:.1f}", line.substr(0, tab), ns);  // as the cache writes it
      ++count;
    }
    changed += line + "\n";
    at = stop + 1;
  }
  write_file(cache.path, changed);
  return count;
}

inline void set_times(const OwnFile& cache, const std::string& mark, const std::string& end,
                      double ns) {
  EXPECT_GT(change_times(cache, mark, end, ns), 0) << mark << " … " << end;
}

/// In ns. Where `engine` is about what the layers of the chosen one add up to, nothing is assigned
/// again with times from inside of it.
struct Times {
  double float32 = 1e6;
  double int8 = 1e5;      // whatever it writes
  double conversion = 1;  // of any kind
  double engine = 1e6;    // as a whole, whatever its labels
};

inline void write_times(const OwnFile& cache, const Times& times) {
  set_times(cache, "group ", " float32", times.float32);
  set_times(cache, "group ", " int8", times.int8);
  (void)change_times(cache, "group ", " int8-to-float", times.int8);
  (void)change_times(cache, "conversion ", "", times.conversion);
  (void)change_times(cache, "engine ", " ns", times.engine);
}

/// What `choose` returns once it finds every time in the cache: what a run meets for the first
/// time it measures, and `write` sets that before the next one.
template <class Write, class Choose>
auto settled(const OwnFile& cache, const Write& write, const Choose& choose) {
  const auto lines = [&] {
    const std::string text = read_file(cache.path);
    return std::ranges::count(text, '\n');
  };
  for (int round = 0; round < 20; ++round) {
    write();
    const auto before = lines();
    auto made = choose();
    if (lines() == before) return made;
  }
  ADD_FAILURE() << "every run measures something new";
  return choose();
}

/// As text, group by group: "int8 float32 …".
inline std::string labels_of(const PrecisionChoice& choice, size_t candidate) {
  std::string text;
  for (const Label label : choice.candidates[candidate].labels) {
    text += (text.empty() ? "" : " ") + std::string(name_of(precision_of(label)));
  }
  return text;
}

}  // namespace octile::test
