// See session.h.
#include "session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace octile::cli {
namespace {

const char* prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug: ";
    case LogLevel::kInfo: return "";
    case LogLevel::kWarning: return "warning: ";
    case LogLevel::kError: return "error: ";
  }
  return "";
}

/// One line on a terminal, rewritten in place; nothing in a log file but the end of each phase.
class ProgressLine {
 public:
  void operator()(std::string_view phase, int64_t done, int64_t total) {
    const auto now = std::chrono::steady_clock::now();
    const bool last = total >= 0 && done >= total;
    if (!last && now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    const std::string count =
        total >= 0 ? fmt::format("{}/{}", done, total) : fmt::format("{}", done);
    if (terminal_) {
      fmt::print(stderr, "\r\033[K{}: {}{}", phase, count, last ? "\n" : "");
    } else if (last) {
      fmt::print(stderr, "{}: {}\n", phase, count);
    }
    std::fflush(stderr);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace

LogCallback Session::log() const {
  const int level = verbosity;
  return [level](LogLevel severity, std::string_view message) {
    const int needed = severity == LogLevel::kDebug ? 1 : severity == LogLevel::kInfo ? 0 : -1;
    if (level >= needed) fmt::print(stderr, "{}{}\n", prefix(severity), message);
  };
}

ProgressFunction Session::progress() const {
  if (verbosity < 0) return {};
  return [line = std::make_shared<ProgressLine>()](std::string_view phase, int64_t done,
                                                   int64_t total) { (*line)(phase, done, total); };
}

void DataFlags::add(CLI::App& command, bool with_preprocess) {
  command.add_option("--first", first, "Skip so many samples")->check(at_least(0));
  command.add_option("--samples", samples, "Use so many samples (default: all)")
      ->check(at_least(1));
  command.add_option("--seed", seed, "Draw the samples at random by this seed")->check(at_least(0));
  command.add_option("--batch", batch, "Samples a batch (default: the profile's opt, or 1)")
      ->check(at_least(1));
  if (!with_preprocess) return;
  command.add_option("--preprocess", preprocess,
                     "How a sample becomes an input: keys as in\n"
                     "fit=stretch|crop|letterbox|none,size=HxW,resize=SHORT_SIDE_BEFORE_CROP,\n"
                     "color=rgb|bgr|gray,scale=1/255,mean=R:G:B,std=R:G:B,layout=nchw|nhwc, or a\n"
                     "JSON file with the same keys. ImageNet's: fit=crop,resize=256,size=224x224");
}

DataOptions DataFlags::options(const std::string& fallback) const {
  DataOptions options;
  options.batch = std::max<int64_t>(1, batch);
  options.first = first;
  options.samples = samples;
  if (seed >= 0) options.seed = static_cast<uint64_t>(seed);
  if (!preprocess.empty()) {
    options.preprocess = usage_of("--preprocess", [this] { return Preprocess::parse(preprocess); });
  } else if (!fallback.empty()) {
    options.preprocess = Preprocess::from_json(fallback);
  }
  return options;
}

CLI::Validator scheme_names() {
  return CLI::IsMember(
      {"static-symmetric", "static-affine", "dynamic-symmetric", "dynamic-affine"});
}

CLI::Validator method_names() { return CLI::IsMember({"entropy", "minmax", "percentile", "mse"}); }

namespace {
bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}
}  // namespace

std::string isa_refusal(const std::string& text) {
  try {
    (void)isa_from_name(text);
  } catch (const Error& error) {
    return error.what();
  }
  std::vector<std::string> usable;
  std::string reason = text + ": not compiled in";
  for (const DeviceInfo& device : devices()) {
    usable.insert(usable.end(), device.usable.begin(), device.usable.end());
    for (const std::string& refused : device.refused) {
      if (refused.rfind(text + ":", 0) == 0) reason = refused;
      if (device.id.empty() && has(device.compiled, text))
        reason = fmt::format("{}: {}", text, refused);
    }
  }
  if (has(usable, text)) return "";
  return fmt::format("{}; use one of {}", reason, join(usable, ", "));
}

CLI::Validator device_names() {
  const auto refusal = [](const std::string& text) -> std::string {
    const size_t digits = text.rfind("cuda:", 0) == 0 ? 5 : text.size();
    const bool number =
        digits < text.size() && text.find_first_not_of("0123456789", digits) == std::string::npos;
    if (text == "cpu" || text == "cuda" || number) return "";
    return fmt::format("'{}' is no device: use cpu, or cuda:0, cuda:1 …", text);
  };
  return {refusal, "DEVICE"};
}

CLI::Validator isa_names() {
  return {[](std::string& text) { return isa_refusal(text); }, "ISA", "isa"};
}

CLI::Validator at_least(int64_t least) {
  const auto refusal = [least](const std::string& text) -> std::string {
    int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc{} && at == end && value >= least) return "";
    return fmt::format(
        "must be {}, not '{}'",
        least == 1 ? "a positive integer" : fmt::format("an integer from {} on", least), text);
  };
  return {refusal, fmt::format(">={}", least)};
}

void check_writable(const std::string& flag, const std::string& file) {
  namespace fs = std::filesystem;
  if (file.empty()) return;
  std::error_code unknown;
  const bool special = fs::exists(file, unknown) && !fs::is_regular_file(file, unknown) &&
                       !fs::is_directory(file, unknown);
  if (special) return;  // a device or pipe: written to, not replaced
  const fs::path parent = fs::path(file).parent_path();
  const fs::path directory = parent.empty() ? fs::path(".") : parent;
  std::error_code ignored;
  std::string problem;
  if (fs::is_directory(file, ignored)) {
    problem = "it is a directory; name a file";
  } else if (!fs::is_directory(directory, ignored)) {
    problem = fmt::format("there is no directory '{}'; make it first", directory.string());
  } else if (access(directory.c_str(), W_OK | X_OK) != 0) {
    problem = fmt::format("directory '{}' is not writable", directory.string());
  }
  if (problem.empty()) return;
  throw Error(ErrorCode::kIo, fmt::format("{}: cannot write {}: {}", file, flag, problem));
}

uint64_t size_of_file(const std::string& file) {
  std::error_code unknown;
  const auto size = std::filesystem::file_size(file, unknown);
  return unknown ? 0 : size;
}

void check_apart(const std::vector<NamedFile>& outputs, const std::vector<NamedFile>& inputs) {
  namespace fs = std::filesystem;
  const auto same = [](const std::string& a, const std::string& b) {
    std::error_code failed;
    if (a.empty() || b.empty()) return false;
    if (fs::equivalent(a, b, failed) && !failed) return fs::is_regular_file(a, failed);
    return fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
  };
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::vector<NamedFile> others(outputs.begin(), outputs.begin() + ptrdiff_t(i));
    others.insert(others.end(), inputs.begin(), inputs.end());
    for (const NamedFile& other : others) {
      if (!same(outputs[i].file, other.file)) continue;
      throw CLI::ValidationError(fmt::format("{} and {} are the same file, {}: name another",
                                             outputs[i].flag, other.flag, other.file));
    }
  }
}

Network load_model(const Session& session, const std::string& file, bool dynamic_batch,
                   const ConstantFlags& constants) {
  OnnxOptions options;
  options.dynamic_batch = dynamic_batch;
  options.constants = constants.parse();
  options.log = session.log();
  return import_onnx(file, options);
}

bool is_plan(const std::string& file) {
  char magic[7] = {};
  std::ifstream(file, std::ios::binary).read(magic, sizeof(magic));
  return std::string_view(magic, sizeof(magic)) == "OCTPLAN";
}

Shape parse_shape(const std::string& text, const std::string& what) {
  Shape shape;
  std::string number;
  for (const char c : text + "x") {
    if (c != 'x') {
      number += c;
      continue;
    }
    const bool digits = !number.empty() && number.size() < 16 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) {
      throw CLI::ValidationError(
          fmt::format("{}: '{}' is no shape; write it as 1x3x224x224", what, text));
    }
    if (shape.rank() == kMaxRank) {
      throw CLI::ValidationError(
          fmt::format("{}: '{}' has more than {} axes", what, text, kMaxRank));
    }
    shape.push_back(std::stoll(number));
    number.clear();
  }
  return shape;
}

namespace {

/// "name:MIN/OPT/MAX"; the name may be left out where the network has one input.
std::pair<std::string, ShapeRange> parse_profile_entry(std::string entry,
                                                       const std::vector<std::string>& inputs) {
  const std::string whole = entry;
  std::string name = inputs.size() == 1 ? inputs[0] : "";
  if (const size_t colon = entry.rfind(':'); colon != std::string::npos) {
    name = entry.substr(0, colon);
    entry = entry.substr(colon + 1);
  }
  const size_t first = entry.find('/'), second = entry.find('/', first + 1);
  if (name.empty() || first == std::string::npos || second == std::string::npos) {
    throw CLI::ValidationError(
        fmt::format("--profile '{}': write it as INPUT:MIN/OPT/MAX, for example "
                    "x:1x3x224x224/4x3x224x224/8x3x224x224; the model's inputs are {}",
                    whole, quoted(inputs)));
  }
  if (std::find(inputs.begin(), inputs.end(), name) == inputs.end()) {
    throw CLI::ValidationError(
        fmt::format("--profile names input '{}', which the model does not have; its inputs are {}",
                    name, quoted(inputs)));
  }
  const std::string what = "--profile of input '" + name + "'";
  return {name,
          {parse_shape(entry.substr(0, first), what),
           parse_shape(entry.substr(first + 1, second - first - 1), what),
           parse_shape(entry.substr(second + 1), what)}};
}

}  // namespace

Profile parse_profile(const std::string& text, const Network& network) {
  std::vector<std::string> inputs;
  for (const TensorId input : network.inputs()) inputs.push_back(network.name(input));
  Profile profile;
  for (const std::string& entry : split(text, ",")) {
    auto [name, range] = parse_profile_entry(entry, inputs);
    if (!profile.emplace(name, range).second) {
      throw CLI::ValidationError(
          fmt::format("--profile '{}' names input '{}' twice; a second profile is a second "
                      "--profile",
                      text, name));
    }
  }
  return profile;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  const auto width = [](const std::string& text) {  // code points, not bytes
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  };
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  return parts;
}

std::string join(const std::vector<std::string>& list, const std::string& separator) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : separator) + entry;
  return text;
}

std::string quoted(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", names[i]);
  }
  return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
}

}  // namespace octile::cli
