// Runs the fuzz target without libFuzzer: every file of the corpus as it is, then changed ones. Run
// `i` depends on the seed and `i` alone, so that whatever fails can be run again.
//
//   octile_onnx_fuzz [--seconds S | --runs N] [--seed X] [--only I] [--write FILE] CORPUS…
//
// --write: where the input that fails goes.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/mutate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

namespace fs = std::filesystem;
constexpr int kSkipped = 77;           // ctest's SKIP_RETURN_CODE
constexpr unsigned kMostSeconds = 60;  // of one input
constexpr rlim_t kMostMemory = 6ul << 30;

volatile long long now_running = -1;
std::string current;   // the input
std::string write_to;  // "" for nowhere

/// Also from signal handlers: no allocation here.
void tell() {
  const int file =
      write_to.empty() ? -1 : open(write_to.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write(file, current.data(), current.size()) >= 0) close(file);
  std::fprintf(stderr, "FAILED in run %lld (--only %lld runs it again)\n", now_running,
               now_running);
}

void on_signal(int number) {
  std::fprintf(stderr, number == SIGALRM ? "an input took more than %u s\n" : "", kMostSeconds);
  tell();
  _exit(1);
}

struct Flags {
  long long runs = -1, only = -1;
  double seconds = 60;
  uint64_t seed = 1;
  std::vector<std::string> corpus;  // contents
};

void add_corpus(const std::string& place, std::vector<std::string>& corpus) {
  std::vector<fs::path> files;
  if (fs::is_directory(place)) {
    for (const auto& entry : fs::recursive_directory_iterator(place)) {
      if (entry.path().extension() == ".onnx" && entry.file_size() < 20000) {
        files.push_back(entry.path());
      }
    }
  } else if (fs::exists(place)) {
    files.emplace_back(place);
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
}

Flags parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const bool flag = word.rfind("--", 0) == 0;
    if (word == "--runs") flags.runs = std::atoll(value);
    if (word == "--only") flags.only = std::atoll(value);
    if (word == "--seconds") flags.seconds = std::atof(value);
    if (word == "--seed") flags.seed = static_cast<uint64_t>(std::atoll(value));
    if (word == "--write") write_to = value;
    if (flag)
      ++i;
    else
      add_corpus(word, flags.corpus);
  }
  return flags;
}

std::string input_of(const Flags& flags, long long run) {
  const auto count = static_cast<long long>(flags.corpus.size());
  if (run < count) return flags.corpus[static_cast<size_t>(run)];
  octile::fuzz::Generator random(flags.seed * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(run));
  const auto pick = [&]() -> const std::string& {
    return flags.corpus[random() % flags.corpus.size()];
  };
  const std::string& base = pick();
  switch (random() % 8) {
    case 0: return octile::fuzz::mutate_bytes(base, random);
    case 1: return octile::fuzz::cross(base, pick(), random);
    default: return octile::fuzz::mutate_model(base, random);
  }
}

void run_one(const Flags& flags, long long run) {
  now_running = run;
  current = input_of(flags, run);
  alarm(kMostSeconds);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
  alarm(0);
}

void guard() {
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(tell);
  } else {
    const rlimit most{kMostMemory, kMostMemory};
    setrlimit(RLIMIT_AS, &most);
    signal(SIGSEGV, on_signal);
    signal(SIGFPE, on_signal);
  }
  signal(SIGABRT, on_signal);
  signal(SIGALRM, on_signal);
}

}  // namespace

int main(int argc, char** argv) {
  const Flags flags = parse_flags(argc, argv);
  if (flags.corpus.empty()) {
    std::printf("Skipped\nthere is no corpus; install libonnx-testdata\n\n");
    return kSkipped;
  }
  guard();
  if (flags.only >= 0) {
    run_one(flags, flags.only);
    return 0;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto time_left = [&] {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    return flags.runs >= 0 || passed.count() < flags.seconds;
  };
  long long run = 0;
  while (time_left() && (flags.runs < 0 || run < flags.runs)) run_one(flags, run++);
  std::printf("%lld inputs (%zu files of the corpus, the others changed ones): none crashed\n", run,
              flags.corpus.size());
  return 0;
}
