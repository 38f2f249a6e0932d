// See session.h.
#include "session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
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
                     "fit=stretch|crop|letterbox|none,size=HxW,color=rgb|bgr|gray,scale=1/255,\n"
                     "mean=R:G:B,std=R:G:B,layout=nchw|nhwc, or a JSON file with the same keys");
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

CLI::Validator isa_names() { return CLI::IsMember({"portable", "avx2", "avxvnni", "avx512vnni"}); }

CLI::Validator at_least(int64_t least) {
  const auto check = [least](const std::string& text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= least ? ""
                                   : fmt::format("'{}' is no whole number from {} on", text, least);
  };
  return {check, fmt::format(">={}", least)};
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
    shape.push_back(std::stoll(number));
    number.clear();
  }
  return shape;
}

Profile parse_profile(const std::string& text, const Network& network) {
  Profile profile;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string entry = text.substr(begin, end - begin);
    begin = end + 1;
    std::string name;
    if (const size_t colon = entry.rfind(':'); colon != std::string::npos) {
      name = entry.substr(0, colon);
      entry = entry.substr(colon + 1);
    } else if (network.inputs().size() == 1) {
      name = network.name(network.inputs()[0]);
    }
    const size_t first = entry.find('/'), second = entry.find('/', first + 1);
    if (name.empty() || first == std::string::npos || second == std::string::npos) {
      throw CLI::ValidationError(
          fmt::format("--profile '{}': write it as input:MIN/OPT/MAX, for example "
                      "x:1x3x224x224/4x3x224x224/8x3x224x224",
                      text));
    }
    const std::string what = "--profile of input '" + name + "'";
    if (profile.count(name) != 0) {
      throw CLI::ValidationError(
          fmt::format("--profile '{}' gives input '{}' twice; repeat --profile for another profile",
                      text, name));
    }
    profile[name] = {parse_shape(entry.substr(0, first), what),
                     parse_shape(entry.substr(first + 1, second - first - 1), what),
                     parse_shape(entry.substr(second + 1), what)};
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

std::string join(const std::vector<std::string>& list, const std::string& separator) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : separator) + entry;
  return text;
}

}  // namespace octile::cli
