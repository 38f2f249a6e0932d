// What every command shares: verbosity, threads, progress, data options, tables.
// Results go to stdout, everything else to stderr.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "octile/builder.h"
#include "octile/data.h"
#include "octile/engine.h"
#include "octile/onnx.h"

namespace octile::cli {

/// Exit codes; usage errors are CLI11's.
enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 2, kUnsupportedModel = 3 };

/// Options in front of or behind any command.
struct Session {
  int verbosity = 0;  // -v: +1, -q: −1
  int threads = 0;
  std::string device = "cpu";
  std::string command_line;  // as the user typed it, quoted where a shell needs it
  LogCallback log() const;
  ProgressFunction progress() const;
};

/// One command: a row of the table in main.cc.
struct Command {
  const char* name;
  void (*add)(CLI::App& app, Session& session);
};

void add_calibrate(CLI::App& app, Session& session);
void add_build(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_compare(CLI::App& app, Session& session);
void add_bench(CLI::App& app, Session& session);
void add_inspect(CLI::App& app, Session& session);
void add_report(CLI::App& app, Session& session);
void add_quantize(CLI::App& app, Session& session);
void add_retime(CLI::App& app, Session& session);
void add_serve(CLI::App& app, Session& session);
void add_devices(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);

/// --first, --samples, --seed, --preprocess, --batch.
struct DataFlags {
  int64_t first = 0, samples = -1;
  int64_t batch = 0;  // 0: the command's own choice
  int64_t seed = -1;
  std::string preprocess;
  void add(CLI::App& command, bool with_preprocess = true);
  /// `fallback`: the plan's own preprocessing, used when none is given.
  DataOptions options(const std::string& fallback = "") const;
};

/// --scheme, --method … as validated names.
CLI::Validator scheme_names();
CLI::Validator method_names();
/// "cpu", "cuda:0", …
CLI::Validator device_names();
/// Instruction sets that this machine has.
CLI::Validator isa_names();
/// "" when `text` names an instruction set that this machine has, else why not.
std::string isa_refusal(const std::string& text);
/// Whole numbers from `least` on; the message says so.
CLI::Validator at_least(int64_t least);
/// Refuses before the long work what could not be written after it: throws Error(kIo) where the
/// directory of `file` is missing or closed, or `file` is a directory. An empty name passes.
void check_writable(const std::string& flag, const std::string& file);

struct NamedFile {
  std::string flag, file;
};
/// A usage error where an output would overwrite an input, or another output, of the same command.
void check_apart(const std::vector<NamedFile>& outputs, const std::vector<NamedFile>& inputs);

/// Bytes of a file; 0 for a device or pipe.
uint64_t size_of_file(const std::string& file);

/// f(); what it says about a wrong argument becomes a usage error of `option`.
template <typename F>
auto usage_of(const std::string& option, F&& f) {
  try {
    return f();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw CLI::ValidationError(option, error.what());
  }
}

/// --constant: values for graph inputs that only carry shapes or parameters.
struct ConstantFlags {
  std::vector<std::string> given;  // "name=1,2,3" or "name=file.npy"
  void add(CLI::App& command);
  std::map<std::string, Tensor> parse() const;
  /// A usage error where there is no model to give them to.
  void need_model(bool is_there) const;
};

/// Imports a .onnx model; an input axis 0 of 1 becomes dynamic when asked for.
Network load_model(const Session& session, const std::string& file, bool dynamic_batch,
                   const ConstantFlags& constants);
/// True when the file begins like a plan.
bool is_plan(const std::string& file);

/// "1x3x224x224" → shape. A usage error naming `what` where it is none.
Shape parse_shape(const std::string& text, const std::string& what);
/// "min/opt/max" or "name:min/opt/max,name:…" → profile; an unnamed one is for the only input.
/// A usage error for anything else.
Profile parse_profile(const std::string& text, const Network& network);

/// Left-aligned columns, two spaces between; numbers are the caller's to format.
std::string format_table(const std::vector<std::vector<std::string>>& rows);
/// The parts between separators, empty ones too.
std::vector<std::string> split(std::string_view text, std::string_view separator);
std::string join(const std::vector<std::string>& list, const std::string& separator);
/// "'a', 'b', 'c'", the first eight.
std::string quoted(const std::vector<std::string>& names);

}  // namespace octile::cli
