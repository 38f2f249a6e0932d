// Measured times by key, kept in a text file: "key<TAB>nanoseconds" a line, sorted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace octile {

/// A TimingCache is a map from (step signature × tactic × device) to nanoseconds. Not thread-safe.
class TimingCache {
 public:
  /// An empty path gives a cache in memory; a missing file an empty one. Throws kInvalidFile for
  /// a malformed line, naming file and line.
  explicit TimingCache(std::string path);
  std::optional<double> find(const std::string& key) const;
  /// Keeps and returns what the file will hold, so that the build that measures goes on with the
  /// same numbers as those that read them.
  double put(const std::string& key, double nanoseconds);
  /// Writes the file when something was added.
  void save() const;

 private:
  std::string path_;
  std::map<std::string, double> times_;
  bool changed_ = false;
};

}  // namespace octile
