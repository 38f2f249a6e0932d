// ONNX's published node tests (Debian: libonnx-testdata), all in one process. A test either passes
// or stands in unsupported.txt with the reason; a listed test that passes is a failure too, so the
// list only shrinks.
//
//   octile_onnx_nodes [-v] [--data DIR] [part of a test's name …]
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "onnx_nodes/attempt.h"

namespace octile::onnx_nodes {
namespace {

namespace fs = std::filesystem;
constexpr int kSkipped = 77;  // ctest's SKIP_RETURN_CODE

struct Flags {
  bool verbose = false;
  std::string data = "/usr/share/libonnx-testdata/data/node";
  std::vector<std::string> wanted;
};

Flags parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-v") {
      flags.verbose = true;
    } else if (word == "--data" && i + 1 < argc) {
      flags.data = argv[++i];
    } else {
      flags.wanted.push_back(word);
    }
  }
  return flags;
}

/// Lines "test_name: reason"; "#" begins a comment.
std::map<std::string, std::string> read_list(const std::string& file) {
  std::map<std::string, std::string> list;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t mark = line.find(": ");
    const bool whole = mark != std::string::npos && mark + 2 < line.size();
    if (!whole || !list.emplace(line.substr(0, mark), line.substr(mark + 2)).second) {
      throw std::runtime_error(fmt::format(
          "{}: '{}' is no line of the form 'test_name: reason', or listed twice", file, line));
    }
  }
  return list;
}

class Tally {
 public:
  explicit Tally(bool verbose) : verbose_(verbose) {}

  void add(const std::string& name, const Outcome& outcome, const std::string* reason) {
    if (reason == nullptr && outcome.failure.empty()) {
      ++passed_;
      constants_ += outcome.with_constants;
      if (verbose_) fmt::print("ok: {}{}\n", name, outcome.with_constants ? " (constants)" : "");
    } else if (reason == nullptr) {
      ++failed_;
      fmt::print("FAILED: {}: {}\n", name, outcome.failure);
    } else if (outcome.failure.empty()) {
      ++failed_;
      fmt::print("FAILED: {}: it passes; remove it from the list in unsupported.txt\n", name);
    } else {
      ++skipped_;
      if (verbose_) fmt::print("skipped: {}: {} [{}]\n", name, *reason, outcome.failure);
    }
  }
  void stale(const std::string& name) {
    ++failed_;
    fmt::print("FAILED: {}: unsupported.txt lists it, but there is no such test\n", name);
  }
  int close() const {
    fmt::print("{} of those that passed had some inputs given as constants\n", constants_);
    fmt::print("{} passed, {} failed, {} skipped\n", passed_, failed_, skipped_);
    return failed_ > 0 ? 1 : 0;
  }

 private:
  bool verbose_;
  int passed_ = 0, failed_ = 0, skipped_ = 0, constants_ = 0;
};

int run(const Flags& flags) {
  if (!fs::is_directory(flags.data)) {
    fmt::print("Skipped\nthe ONNX node tests are not at {}; install libonnx-testdata\n\n",
               flags.data);
    return kSkipped;
  }
  const auto list = read_list(OCTILE_ONNX_NODES_LIST);
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(flags.data)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  Tally tally(flags.verbose);
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    const bool wanted = flags.wanted.empty() ||
                        std::any_of(flags.wanted.begin(), flags.wanted.end(),
                                    [&](const auto& w) { return name.find(w) != name.npos; });
    if (!wanted || !fs::exists(folder / "model.onnx")) continue;
    const auto reason = list.find(name);
    tally.add(name, attempt(load_case(folder)), reason == list.end() ? nullptr : &reason->second);
  }
  for (const auto& [name, reason] : list) {
    if (!fs::exists(fs::path(flags.data) / name)) tally.stale(name);
  }
  return tally.close();
}

}  // namespace
}  // namespace octile::onnx_nodes

int main(int argc, char** argv) {
  try {
    return octile::onnx_nodes::run(octile::onnx_nodes::parse_flags(argc, argv));
  } catch (const std::exception& error) {
    fmt::print("FAILED: {}\n", error.what());
    return 1;
  }
}
