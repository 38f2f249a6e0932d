// Octile's own cache: JSON, one tensor a line, floats as decimal numbers to read and as bits to
// trust (docs/calibration.md, "Octile's cache"). Every field is checked.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/cache/hex_float.h"
#include "octile/calibration.h"

namespace octile {
namespace {

using Json = nlohmann::json;
constexpr std::string_view kFormat = "octile-calibration";
constexpr int64_t kVersion = 1;

std::string quoted(const std::string& text, std::string_view what) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail(ErrorCode::kInvalidArgument,
         "a calibration cache cannot hold {} '{}': it is not UTF-8; rename it", what,
         Json(text).dump(-1, ' ', true, Json::error_handler_t::replace));
  }
}

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

std::string entry_line(const std::string& name, const CalibrationTable::Entry& entry) {
  const Range range = entry.range;
  check(std::isfinite(range.min) && std::isfinite(range.max) && range.min <= range.max &&
            std::isfinite(entry.threshold) && entry.threshold >= 0.0f,
        ErrorCode::kInvalidArgument,
        "tensor '{}': range {} to {} and threshold {} cannot be written: they must be finite, "
        "min ≤ max, threshold ≥ 0",
        name, range.min, range.max, entry.threshold);
  const std::string seen =
      entry.seen ? fmt::format(R"(, "seen": [{}, {}])", entry.seen->min, entry.seen->max) : "";
  return fmt::format(
      R"(    {}: {{"min": {}, "max": {}, "threshold": {}, "bits": "{:08x} {:08x} {:08x}"{}}})",
      quoted(name, "the tensor name"), range.min, range.max, entry.threshold, bits_of(range.min),
      bits_of(range.max), bits_of(entry.threshold), seen);
}

/// Typed access to fields; every failure names the file and the field.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    check(object.is_object(), ErrorCode::kInvalidFile, "{}: must be a JSON object", where_);
  }
  const Json& field(const char* key) const {
    const auto found = object_.find(key);
    check(found != object_.end(), ErrorCode::kInvalidFile, "{}: the field \"{}\" is missing",
          where_, key);
    return *found;
  }
  std::string text(const char* key) const {
    const Json& value = field(key);
    check(value.is_string(), ErrorCode::kInvalidFile, "{}: \"{}\" must be a string", where_, key);
    return value.get<std::string>();
  }
  int64_t integer(const char* key) const {
    const Json& value = field(key);
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
    check(fits, ErrorCode::kInvalidFile, "{}: \"{}\" must be an integer", where_, key);
    return value.get<int64_t>();
  }
  double number(const char* key) const {
    const Json& value = field(key);
    check(value.is_number(), ErrorCode::kInvalidFile, "{}: \"{}\" must be a number", where_, key);
    return value.get<double>();
  }
  bool has(const char* key) const { return object_.contains(key); }
  const std::string& where() const { return where_; }

 private:
  const Json& object_;
  std::string where_;
};

/// The ends of what the samples held; caches of older versions lack them.
std::optional<Range> read_seen(const Reader& reader) {
  if (!reader.has("seen")) return std::nullopt;
  const Json& ends = reader.field("seen");
  const bool pair =
      ends.is_array() && ends.size() == 2 && ends[0].is_number() && ends[1].is_number();
  const Range seen = pair ? Range{ends[0].get<float>(), ends[1].get<float>()} : Range{1.0f, 0.0f};
  check(std::isfinite(seen.min) && std::isfinite(seen.max) && seen.min <= seen.max,
        ErrorCode::kInvalidFile, "{}: \"seen\" must be two finite numbers, min ≤ max",
        reader.where());
  return seen;
}

/// Three floats: by their bits if given (which the numbers must then agree with), else by number.
CalibrationTable::Entry read_entry(const Reader& reader) {
  constexpr const char* kKeys[] = {"min", "max", "threshold"};
  float values[3];
  const std::string bits = reader.has("bits") ? reader.text("bits") : "";
  check(!reader.has("bits") || (bits.size() == 26 && bits[8] == ' ' && bits[17] == ' '),
        ErrorCode::kInvalidFile, "{}: \"bits\" must be three floats of 8 hex digits",
        reader.where());
  for (size_t i = 0; i < 3; ++i) {
    const double number = reader.number(kKeys[i]);
    values[i] = static_cast<float>(number);
    if (!bits.empty()) {
      const std::optional<float> exact = float_from_hex(std::string_view(bits).substr(9 * i, 8));
      check(exact && std::isfinite(*exact) &&
                (*exact == values[i] || std::fabs(*exact - number) <= 1e-6 * std::fabs(number)),
            ErrorCode::kInvalidFile,
            "{}: \"{}\" is {} but its \"bits\" say otherwise; if you edited the number, delete "
            "\"bits\"",
            reader.where(), kKeys[i], number);
      values[i] = *exact;
    }
    check(std::isfinite(values[i]), ErrorCode::kInvalidFile, "{}: \"{}\" must be finite",
          reader.where(), kKeys[i]);
  }
  check(values[0] <= values[1] && values[2] >= 0.0f, ErrorCode::kInvalidFile,
        "{}: needs min ≤ max and threshold ≥ 0", reader.where());
  return {{values[0], values[1]}, values[2], read_seen(reader)};
}

void read_header(const Reader& reader, CalibrationTable& table) {
  check(reader.text("format") == kFormat, ErrorCode::kInvalidFile,
        "{}: \"format\" is not \"{}\": this is no calibration cache", reader.where(), kFormat);
  const int64_t version = reader.integer("version");
  check(version == kVersion, ErrorCode::kInvalidFile,
        "{}: version {} of the cache is not known, only {}; calibrate again", reader.where(),
        version, kVersion);
  table.method = reader.text("method");
  table.percentile = reader.has("percentile") ? reader.number("percentile") : 0.0;
  check(table.percentile >= 0.0 && table.percentile <= 100.0, ErrorCode::kInvalidFile,
        "{}: \"percentile\" must be between 0 and 100", reader.where());
  table.path = reader.text("path");
  table.model_digest = reader.text("model");
  table.data_digest = reader.text("data");
  table.preprocess = reader.text("preprocess");
  table.samples = reader.integer("samples");
  check(table.samples >= 0, ErrorCode::kInvalidFile, "{}: \"samples\" is negative", reader.where());
  const Json& warnings = reader.field("warnings");
  check(warnings.is_array(), ErrorCode::kInvalidFile, "{}: \"warnings\" must be an array",
        reader.where());
  for (const Json& warning : warnings) {
    check(warning.is_string(), ErrorCode::kInvalidFile, "{}: \"warnings\" must hold strings",
          reader.where());
    table.warnings.push_back(warning.get<std::string>());
  }
}

}  // namespace

std::string CalibrationTable::to_json() const {
  std::string text = fmt::format("{{\n  \"format\": \"{}\", \"version\": {},\n", kFormat, kVersion);
  const auto add = [&](const char* key, const std::string& value) {
    text += fmt::format("  \"{}\": {},\n", key, quoted(value, key));
  };
  add("method", method);
  if (percentile != 0.0) text += fmt::format("  \"percentile\": {},\n", percentile);
  add("path", path);
  text += fmt::format("  \"samples\": {},\n", samples);
  add("model", model_digest);
  add("data", data_digest);
  add("preprocess", preprocess);
  text += "  \"warnings\": [";
  for (size_t i = 0; i < warnings.size(); ++i) {
    text += fmt::format("{}\n    {}", i == 0 ? "" : ",", quoted(warnings[i], "the warning"));
  }
  text += "],\n  \"tensors\": {";
  std::string_view separator = "\n";
  for (const auto& [name, entry] : entries) {
    text += fmt::format("{}{}", separator, entry_line(name, entry));
    separator = ",\n";
  }
  return text + "\n  }\n}\n";
}

CalibrationTable CalibrationTable::from_json(std::string_view json, const std::string& origin) {
  CalibrationTable table;
  Json root;
  try {
    root = Json::parse(json);
  } catch (const Json::exception& error) {
    fail(ErrorCode::kInvalidFile, "{}: not valid JSON: {}; calibrate again", origin, error.what());
  }
  const Reader reader(root, origin);
  read_header(reader, table);
  const Json& tensors = reader.field("tensors");
  check(tensors.is_object(), ErrorCode::kInvalidFile, "{}: \"tensors\" must be an object", origin);
  for (const auto& [name, value] : tensors.items()) {
    const Reader entry(value, fmt::format("{}: tensor '{}'", origin, name));
    table.entries.emplace(name, read_entry(entry));
  }
  return table;
}

}  // namespace octile
