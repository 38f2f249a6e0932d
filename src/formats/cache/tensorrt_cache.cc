// TensorRT's calibration cache: "TRT-<version>-<algorithm>", then "<tensor>: <hex>" lines. The hex
// is the bits of the float32 scale T / 127, lower case, not zero-padded. A tensor's name may hold
// anything but a line break, colons too: the last colon splits.
#include <cmath>

#include "base/error.h"
#include "formats/cache/hex_float.h"
#include "octile/calibration.h"

namespace octile {
namespace {

struct Token {
  std::string_view method, algorithm;
};
// TensorRT's legacy calibrator cuts at a quantile. It has none of least squares: such a table goes
// under the token of its usual calibrator, so that programs accept the file.
constexpr Token kTokens[] = {{"entropy", "EntropyCalibration2"},
                             {"minmax", "MinMaxCalibration"},
                             {"percentile", "LegacyCalibration"},
                             {"mse", "EntropyCalibration2"}};

std::string_view algorithm_token(std::string_view method) {
  for (const Token& row : kTokens) {
    if (row.method == method) return row.algorithm;
  }
  return method.empty() ? kTokens[0].algorithm : method;  // read from such a cache
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// For messages: at most 60 characters, nothing unprintable.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 60)) result += c >= ' ' && c != '\x7f' ? c : '?';
  return text.size() > 60 ? result + "…" : result;
}

/// T with T / 127 == scale. About one scale in 120 has none: there the nearest is off by one unit.
float threshold_of(float scale) {
  const float threshold = scale * 127.0f;
  for (const float t :
       {threshold, std::nextafterf(threshold, 0.0f), std::nextafterf(threshold, INFINITY)}) {
    if (t / 127.0f == scale) return t;
  }
  return threshold;
}

std::string parse_header(std::string_view line, const std::string& origin) {
  line = trimmed(line);
  const size_t dash = line.starts_with("TRT-") ? line.find('-', 4) : std::string_view::npos;
  check(dash != std::string_view::npos && dash > 4 && dash + 1 < line.size(),
        ErrorCode::kInvalidFile, "{}: line 1 is '{}', not TensorRT's 'TRT-<version>-<algorithm>'",
        origin, shown(line));
  return std::string(line.substr(dash + 1));
}

void parse_line(std::string_view line, size_t number, const std::string& origin,
                CalibrationTable& table) {
  const size_t colon = line.rfind(':');
  check(colon != std::string_view::npos && colon > 0, ErrorCode::kInvalidFile,
        "{}: line {} is '{}', not '<tensor name>: <hex scale>'", origin, number, shown(line));
  const std::string name(line.substr(0, colon));
  const std::string_view digits = trimmed(line.substr(colon + 1));
  const std::optional<float> scale = float_from_hex(digits);
  check(scale.has_value(), ErrorCode::kInvalidFile,
        "{}: line {}, tensor '{}': '{}' is not a float of 1 to 8 hex digits", origin, number,
        shown(name), shown(digits));
  const float threshold = threshold_of(*scale) + 0.0f;  // no −0
  check(std::isfinite(threshold) && *scale >= 0.0f, ErrorCode::kInvalidFile,
        "{}: line {}, tensor '{}': the scale {} is no finite number of at least 0", origin, number,
        shown(name), *scale);
  const CalibrationTable::Entry entry{{0.0f - threshold, threshold}, threshold};
  check(table.entries.emplace(name, entry).second, ErrorCode::kInvalidFile,
        "{}: line {}: tensor '{}' is listed twice; delete one", origin, number, shown(name));
}

}  // namespace

CalibrationTable CalibrationTable::from_tensorrt(std::string_view text, const std::string& origin) {
  CalibrationTable table;
  table.path = "cache";
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (++number == 1) {
      table.method = parse_header(line, origin);
      continue;
    }
    if (!trimmed(line).empty()) parse_line(line, number, origin, table);
  }
  check(number > 0, ErrorCode::kInvalidFile, "{}: the calibration cache is empty", origin);
  return table;
}

std::string CalibrationTable::to_tensorrt(const std::string& version) const {
  check(!version.empty() && version.find_first_of("- \t\r\n") == std::string::npos,
        ErrorCode::kInvalidArgument,
        "'{}' is no TensorRT version token; use digits such as 8601 or 100900", version);
  std::string text = fmt::format("TRT-{}-{}\n", version, algorithm_token(method));
  for (const auto& [name, entry] : entries) {
    check(!name.empty() && name.find_first_of("\r\n") == std::string::npos,
          ErrorCode::kInvalidArgument,
          "tensor '{}' cannot be written to a TensorRT cache: its name is empty or holds a line "
          "break; rename it",
          shown(name));
    text += fmt::format("{}: {:x}\n", name, std::bit_cast<uint32_t>(entry.threshold / 127.0f));
  }
  return text;
}

}  // namespace octile
