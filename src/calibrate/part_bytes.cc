// The bytes of a CalibrationPart: a mark, the fields, a hash over all of it. Integers are base-128,
// low groups first, the top bit says that more follow: most bins are 0 or small, and a byte each.
#include <bit>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/calibration.h"

namespace octile {
namespace {

constexpr std::string_view kPartMark = "OCTILE-PART-1\n";
constexpr size_t kHashDigits = 16;

class PartWriter {
 public:
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
    bytes.push_back(static_cast<char>(value));
  }
  void number(float value) { number(uint64_t{std::bit_cast<uint32_t>(value)}); }
  void text(std::string_view value) {
    number(uint64_t{value.size()});
    bytes += value;
  }
  void histogram(const Histogram& h) {
    number(h.min);
    number(h.max);
    for (const uint64_t count : {h.finite, h.nan, h.infinite, h.zeros}) number(count);
    for (const auto* bins : {&h.positive, &h.negative}) {
      number(uint64_t{bins->size()});
      for (const uint64_t count : *bins) number(count);
    }
  }
  std::string bytes{kPartMark};
};

class PartReader {
 public:
  PartReader(std::string_view bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}
  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      require(!bytes_.empty());
      const auto group = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= uint64_t{group & 0x7fu} << shift;
      if (group < 0x80) return value;
    }
    require(false);
    return 0;
  }
  float float32() { return std::bit_cast<float>(static_cast<uint32_t>(number())); }
  std::string text() {
    const uint64_t size = number();
    require(size <= bytes_.size());
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  Histogram histogram() {
    Histogram h;
    h.min = float32();
    h.max = float32();
    for (uint64_t* count : {&h.finite, &h.nan, &h.infinite, &h.zeros}) *count = number();
    for (auto* bins : {&h.positive, &h.negative}) {
      const uint64_t size = number();
      require(size == 0 || size == Histogram::kBins);
      bins->resize(size);
      for (uint64_t& count : *bins) count = number();
    }
    return h;
  }
  void end() const { require(bytes_.empty()); }
  void require(bool whole) const {
    check(whole, ErrorCode::kInvalidFile, "{}: the part of a calibration is damaged; delete it",
          origin_);
  }

 private:
  std::string_view bytes_;
  const std::string& origin_;
};

}  // namespace

std::string CalibrationPart::to_bytes() const {
  PartWriter writer;
  writer.number(uint64_t{counted ? 1u : 0u});
  writer.text(model_digest);
  writer.text(preprocess);
  writer.number(static_cast<uint64_t>(samples));
  writer.number(sample_hashes);
  writer.number(uint64_t{paths.size()});
  for (const std::string& path : paths) writer.text(path);
  writer.number(uint64_t{histograms.size()});
  for (const auto& [name, histogram] : histograms) {
    writer.text(name);
    writer.histogram(histogram);
  }
  writer.bytes += Hash().add(writer.bytes).hex();
  return std::move(writer.bytes);
}

CalibrationPart CalibrationPart::from_bytes(std::string_view bytes, const std::string& origin) {
  check(bytes.size() >= kPartMark.size() + kHashDigits && bytes.starts_with(kPartMark),
        ErrorCode::kInvalidFile, "{}: it is no part of a calibration", origin);
  const std::string_view body = bytes.substr(0, bytes.size() - kHashDigits);
  PartReader reader(body.substr(kPartMark.size()), origin);
  reader.require(Hash().add(body).hex() == bytes.substr(body.size()));
  CalibrationPart part;
  part.counted = reader.number() != 0;
  part.model_digest = reader.text();
  part.preprocess = reader.text();
  part.samples = static_cast<int64_t>(reader.number());
  part.sample_hashes = reader.number();
  for (uint64_t left = reader.number(); left > 0; --left) part.paths.insert(reader.text());
  for (uint64_t left = reader.number(); left > 0; --left) {
    std::string name = reader.text();
    part.histograms[std::move(name)] = reader.histogram();
  }
  reader.end();
  return part;
}

}  // namespace octile
