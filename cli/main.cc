// octile: the command line. One table of commands; each stands in a file of its own.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "session.h"
#include "wait_policy.h"

namespace octile::cli {
namespace {

constexpr Command kCommands[] = {
    {"calibrate", add_calibrate}, {"build", add_build},       {"run", add_run},
    {"compare", add_compare},     {"quantize", add_quantize}, {"bench", add_bench},
    {"inspect", add_inspect},     {"report", add_report},     {"retime", add_retime},
    {"serve", add_serve},         {"devices", add_devices},   {"completion", add_completion},
};

constexpr const char* kDescription =
    "Octile: INT8 post-training quantization and inference.\n\n"
    "From a float model to an INT8 engine and its predictions:\n"
    "  octile build model.onnx --int8 --calibrate images/ --cache model.cache -o model.plan\n"
    "  octile run model.plan --data images/\n"
    "  octile bench model.plan --batch 8\n"
    "or to a quantized ONNX model for other runtimes:\n"
    "  octile quantize model.onnx --calibrate images/ -o model.qdq.onnx\n\n"
    "Results go to stdout, messages and progress to stderr.\n"
    "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 unsupported model.\n"
    "Environment: OCTILE_FORCE_ISA=portable|avx2|avxvnni|avx512vnni|amx (ARM: neon|neondot; GPU:\n"
    "dp4a|mma|wgmma) is the strongest instruction set to use.";

void add_global(CLI::App& app, Session& session) {
  app.add_flag(
      "-v,--verbose", [&](int64_t n) { session.verbosity += static_cast<int>(n); },
      "Say more (passes, tactics)");
  app.add_flag(
      "-q,--quiet", [&](int64_t n) { session.verbosity -= static_cast<int>(n); },
      "Only warnings and errors");
  app.add_option("--device", session.device,
                 "Where networks run: cpu, or a GPU as `octile devices` lists it (cuda:0)")
      ->check(device_names());
  app.add_option("--threads", session.threads, "Threads (default: all cores; 0 too)")
      ->check(at_least(0));
}

/// Results that did not reach stdout (a full disk, say) are a failure like any other.
int flush_results() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return kOk;
  fmt::print(stderr, "error: stdout: cannot write the results: {}\n", std::strerror(errno));
  return kFailed;
}

/// OCTILE_FORCE_ISA concerns every command.
void check_environment() {
  const char* forced = std::getenv("OCTILE_FORCE_ISA");
  if (forced == nullptr || *forced == 0) return;
  const std::string refusal = isa_refusal(forced);
  if (!refusal.empty()) throw CLI::ValidationError("OCTILE_FORCE_ISA", refusal);
}

void add_commands(CLI::App& app, Session& session) {
  for (const Command& row : kCommands) {
    row.add(app, session);
    CLI::App* command = app.get_subcommand(row.name);
    add_global(*command, session);
    command->parse_complete_callback(check_environment);
  }
}

/// What CLI11 says, but a mistyped verb is named.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> rest = app.remaining();
  const bool verb = app.get_subcommands().empty() && !rest.empty() && rest[0].rfind('-', 0) != 0;
  if (error.get_exit_code() == 0 || !verb) return app.exit(error) == 0 ? flush_results() : kUsage;
  std::vector<std::string> verbs;
  for (const Command& command : kCommands) verbs.emplace_back(command.name);
  fmt::print(stderr, "unknown verb '{}'; the verbs are {}\nRun with --help for more information.\n",
             rest[0], join(verbs, ", "));
  return kUsage;
}

/// The command as a shell would take it again.
std::string typed(std::span<char* const> arguments) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./%@";
  std::string line = "octile";
  for (const std::string argument : arguments.subspan(1)) {
    if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) {
      line += " " + argument;
      continue;
    }
    line += " '";
    for (const char c : argument) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += "'";
  }
  return line;
}

int run(int argc, char** argv) {
  CLI::App app(kDescription, "octile");
  Session session;
  session.command_line = typed({argv, size_t(argc)});
  app.set_version_flag("--version", "octile " + std::string(version()));
  app.require_subcommand(1);
  add_global(app, session);
  try {
    add_commands(app, session);
    app.parse(argc, argv);
    return flush_results();
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
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

int main(int argc, char** argv) {
  octile::cli::choose_wait_policy(argv);
  return octile::cli::run(argc, argv);
}
