// CalibrationTable: look-up, files, and telling the two cache forms apart.
#include <charconv>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/cache/hex_float.h"
#include "octile/calibration.h"

namespace octile {

std::optional<float> float_from_hex(std::string_view digits) {
  uint32_t bits = 0;
  if (digits.empty() || digits.size() > 8) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return std::bit_cast<float>(bits);
}

const CalibrationTable::Entry* CalibrationTable::find(const std::string& tensor) const {
  const auto found = entries.find(tensor);
  return found == entries.end() ? nullptr : &found->second;
}

void CalibrationTable::save(const std::string& file) const { write_file(file, to_json()); }

CalibrationTable CalibrationTable::load(const std::string& file) {
  return from_json(read_file(file), file);
}

CalibrationTable CalibrationTable::load_any(const std::string& file) {
  return parse(read_file(file), file);
}

CalibrationTable CalibrationTable::parse(std::string_view bytes, const std::string& origin) {
  if (bytes.starts_with("TRT-")) return from_tensorrt(bytes, origin);
  const size_t start = bytes.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && bytes[start] == '{') return from_json(bytes, origin);
  fail(ErrorCode::kInvalidFile,
       "{}: this is no calibration cache: Octile's begins with '{{', TensorRT's with 'TRT-'; "
       "calibrate again to write one",
       origin);
}

}  // namespace octile
