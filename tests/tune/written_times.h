// A timing cache whose times tests write, so that what a build chooses hangs on no machine.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

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

/// The text with every number behind "<tab>" of lines that hold `mark` set to `ns`.
inline void set_times(const OwnFile& cache, const std::string& mark, const std::string& end,
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
      line = line.substr(0, tab + 1) + std::to_string(ns);
      ++count;
    }
    changed += line + "\n";
    at = stop + 1;
  }
  ASSERT_GT(count, 0) << mark << " … " << end;
  write_file(cache.path, changed);
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
