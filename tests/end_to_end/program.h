// Runs the real program `octile` as a child process and keeps what it said and how it ended.
// Every test gets a directory of its own, which is the child's working directory: files are named
// as a user would name them, and messages can be compared with those names.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/tensors.h"

namespace octile::test {

using Words = std::vector<std::string>;

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A directory that goes away with the object.
class Place {
 public:
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "octile_e2e_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(name + ": cannot be made");
    path_ = name;
  }
  ~Place() { std::filesystem::remove_all(path_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  std::string read(const std::string& name) const { return bytes_of(*this / name); }
  bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }
  /// Sorted names of all that lies in it.
  Words names() const {
    Words list;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      list.push_back(entry.path().filename().string());
    }
    std::sort(list.begin(), list.end());
    return list;
  }

 private:
  std::filesystem::path path_;
};

/// How a child is started.
struct Start {
  std::map<std::string, std::string> environment;  // "" takes a variable away
  rlim_t largest_file = RLIM_INFINITY;             // bytes; writing more fails like a full disk
  std::string output;                              // where stdout goes instead of Ended::out
};

/// How it ended. code is 128 + N after signal N.
struct Ended {
  int code = -1;
  std::string out, err;
};

/// In the child; never returns.
[[noreturn]] inline void become(const Words& words, const Place& place, const Start& start,
                                const std::string& out, const std::string& err) {
  setenv("OMP_WAIT_POLICY", "passive", 0);  // many test programs share the cores
  for (const auto& [name, value] : start.environment) {
    value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
  }
  const int mode = O_WRONLY | O_CREAT | O_TRUNC;
  const bool streams = chdir(place.path().c_str()) == 0 &&
                       dup2(open("/dev/null", O_RDONLY), STDIN_FILENO) >= 0 &&
                       dup2(open(out.c_str(), mode, 0600), STDOUT_FILENO) >= 0 &&
                       dup2(open(err.c_str(), mode, 0600), STDERR_FILENO) >= 0;
  if (!streams) _exit(126);
  if (start.largest_file != RLIM_INFINITY) {
    const rlimit limit{start.largest_file, start.largest_file};
    std::signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(126);
  }
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

/// Any program. A finding of a sanitizer in it fails the test, whatever exit code it caused.
inline Ended run_program(const Place& place, const Words& words, const Start& start = {}) {
  const Place streams;
  const std::string out = start.output.empty() ? streams / "out" : start.output;
  const std::string err = streams / "err";
  const pid_t child = fork();
  if (child == 0) become(words, place, start, out, err);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  Ended ended{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
              start.output.empty() ? bytes_of(out) : "", bytes_of(err)};
  for (const char* sign : {"Sanitizer:", "runtime error:"}) {
    EXPECT_EQ(ended.err.find(sign), std::string::npos) << ended.err;
  }
  return ended;
}

inline Ended octile(const Place& place, Words words, const Start& start = {}) {
  words.insert(words.begin(), OCTILE_PROGRAM);
  return run_program(place, words, start);
}

/// The same, where only success makes sense: ends with stdout, a failure with the whole story.
inline std::string octile_ok(const Place& place, const Words& words, const Start& start = {}) {
  const Ended ended = octile(place, words, start);
  std::string line;
  for (const std::string& word : words) line += " " + word;
  EXPECT_EQ(ended.code, 0) << "octile" << line << "\n" << ended.err << ended.out;
  return ended.out;
}

inline nlohmann::json octile_json(const Place& place, Words words, const Start& start = {}) {
  words.push_back("--json");
  const std::string text = octile_ok(place, words, start);
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << text;
  return json;
}

/// The layer of `octile inspect --json` whose name holds `part`; a failure where there is none.
inline nlohmann::json layer_of(const nlohmann::json& plan, const std::string& part) {
  for (const auto& layer : plan.at("layers")) {
    if (layer.at("name").get<std::string>().find(part) != std::string::npos) return layer;
  }
  ADD_FAILURE() << "no layer is called " << part << " in " << plan.dump(1);
  return {};
}

inline int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// The number behind "name: " in a result; NaN and a failure where it is missing.
inline double number_after(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + ": ");
  if (at == std::string::npos) {
    ADD_FAILURE() << "no '" << name << ": ' in: " << text;
    return std::nan("");
  }
  return std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

}  // namespace octile::test
