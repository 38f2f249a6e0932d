// octile serve: becomes `octile-serve` of the Python package, which speaks the protocols.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "session.h"

namespace octile::cli {
namespace {

constexpr const char* kPython = R"(
import sys
try:
    from octile._serve_cli import main
except ImportError as error:
    sys.exit(f"octile serve needs the Python package ({error}): "
             "pip install '.[serve]' in its source tree")
main()
)";

/// Returns only where the program cannot be started.
void become(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
}

/// The Python that started this program (python/octile/_cli.py says which), else whatever serves on
/// PATH.
void serve(const Session& session, std::vector<std::string> arguments) {
  // The words in front of the folder were taken for this program's; the server's come behind.
  std::vector<std::string> flags;
  if (session.threads > 0)
    flags.insert(flags.end(), {"--threads", std::to_string(session.threads)});
  if (session.device != "cpu") flags.insert(flags.end(), {"--device", session.device});
  arguments.insert(arguments.begin(), flags.begin(), flags.end());
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  };
  const char* python = std::getenv("OCTILE_PYTHON");
  const bool named = python != nullptr && *python != 0;
  if (!named) become(with({"octile-serve"}));
  become(with({named ? python : "python3", "-c", kPython}));
  throw Error(ErrorCode::kIo,
              fmt::format("octile serve: '{}' cannot be started ({}); serving needs Python and its "
                          "package: pip install '.[serve]' in its source tree",
                          named ? python : "python3", std::strerror(errno)));
}

}  // namespace

void add_serve(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "serve",
      "Serve plans and ONNX models of a folder over REST and gRPC (Open Inference Protocol).\n"
      "Starts the Python package's octile-serve, whose flags these are: octile-serve --help.\n"
      "Example: octile serve models/ --http-port 8080");
  command->prefix_command();
  command->callback([&session, command] { serve(session, command->remaining()); });
}

}  // namespace octile::cli
