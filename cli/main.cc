// octile: the command line. One table of commands; each stands in a file of its own.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "session.h"

namespace octile::cli {
namespace {

constexpr Command kCommands[] = {
    {"calibrate", add_calibrate}, {"build", add_build},           {"run", add_run},
    {"bench", add_bench},         {"inspect", add_inspect},       {"retime", add_retime},
    {"devices", add_devices},     {"completion", add_completion},
};

constexpr const char* kDescription =
    "Octile: INT8 post-training quantization and inference.\n\n"
    "From a float model to an INT8 engine and its predictions:\n"
    "  octile build model.onnx --int8 --calibrate images/ --cache model.cache -o model.plan\n"
    "  octile run model.plan --data images/\n"
    "  octile bench model.plan --batch 8\n\n"
    "Results go to stdout, messages and progress to stderr.\n"
    "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 unsupported model.";

void add_global(CLI::App& app, Session& session) {
  app.add_flag(
      "-v,--verbose", [&](int64_t n) { session.verbosity += static_cast<int>(n); },
      "Say more (passes, tactics)");
  app.add_flag(
      "-q,--quiet", [&](int64_t n) { session.verbosity -= static_cast<int>(n); },
      "Only warnings and errors");
  app.add_option("--threads", session.threads, "Threads (default: all cores)")->check(at_least(0));
}

/// Results that did not reach stdout (a full disk, say) are a failure like any other.
int flush_results() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return kOk;
  fmt::print(stderr, "error: stdout: cannot write the results: {}\n", std::strerror(errno));
  return kFailed;
}

int run(int argc, char** argv) {
  CLI::App app(kDescription, "octile");
  Session session;
  app.set_version_flag("--version", "octile " + std::string(version()));
  app.require_subcommand(1);
  add_global(app, session);
  for (const Command& command : kCommands) {
    command.add(app, session);
    add_global(*app.get_subcommand(command.name), session);
  }
  try {
    app.parse(argc, argv);
    return flush_results();
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? flush_results() : kUsage;
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return error.code() == ErrorCode::kUnsupported ? kUnsupportedModel : kFailed;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace octile::cli

int main(int argc, char** argv) { return octile::cli::run(argc, argv); }
