// See checkpoint.h. The file: a mark, the key, the tensors' names, the state, and a hash over all
// of it. Numbers are as in memory: a checkpoint serves the machine that wrote it.
#include "calibrate/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"

namespace octile {
namespace {

constexpr std::string_view kMark = "OCTILE-CHECKPOINT-1\n";
constexpr double kLargestShare = 0.05;  // of the time may go into writing

class Writer {
 public:
  template <typename T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void text(std::string_view value) {
    number<uint64_t>(value.size());
    bytes_.append(value);
  }
  void histogram(const Histogram& h) {
    number(h.min);
    number(h.max);
    for (const uint64_t count : {h.finite, h.nan, h.infinite, h.zeros}) number(count);
    for (const auto* bins : {&h.positive, &h.negative}) {
      number<uint64_t>(bins->size());
      for (const uint64_t count : *bins) number(count);
    }
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

/// Throws kInvalidFile at the end of the bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
    return value;
  }
  std::string text() {
    const auto size = number<uint64_t>();
    return std::string(take(size));
  }
  Histogram histogram() {
    Histogram h;
    h.min = number<float>();
    h.max = number<float>();
    for (uint64_t* count : {&h.finite, &h.nan, &h.infinite, &h.zeros}) *count = number<uint64_t>();
    for (auto* bins : {&h.positive, &h.negative}) {
      const auto size = number<uint64_t>();
      check(size == 0 || size == Histogram::kBins, ErrorCode::kInvalidFile, "it is damaged");
      bins->resize(size);
      for (uint64_t& count : *bins) count = number<uint64_t>();
    }
    return h;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view take(uint64_t size) {
    check(size <= bytes_.size(), ErrorCode::kInvalidFile, "it is truncated");
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }
  std::string_view bytes_;
};

/// In what the two keys differ, for a message.
std::string difference(const CollectionKey& a, const CollectionKey& b) {
  if (a.model_digest != b.model_digest) return "another model";
  if (a.data_digest != b.data_digest) return "other samples";
  if (a.preprocess != b.preprocess) return "another preprocessing";
  if (a.shapes != b.shapes) return "other input shapes";
  return "another float path";
}

}  // namespace

Checkpoint::Checkpoint(const CalibrationOptions& options, CollectionKey key,
                       std::vector<std::string> names)
    : options_(options), key_(std::move(key)), names_(std::move(names)), next_(Clock::now()) {}

std::string Checkpoint::encode(const CollectionState& state) const {
  Writer writer;
  writer.bytes() += kMark;
  for (const std::string* part :
       {&key_.model_digest, &key_.data_digest, &key_.preprocess, &key_.path, &key_.shapes}) {
    writer.text(*part);
  }
  writer.number<uint64_t>(names_.size());
  for (const std::string& name : names_) writer.text(name);
  writer.number<uint8_t>(state.counting ? 1 : 0);
  writer.number(state.done);
  writer.number(state.samples);
  for (const Histogram& h : state.ranges) writer.histogram(h);
  if (state.counting) {
    for (const Histogram& h : state.counts) writer.histogram(h);
  }
  const uint64_t hash = Hash().add(writer.bytes()).value();
  writer.number(hash);
  return std::move(writer.bytes());
}

std::optional<CollectionState> Checkpoint::decode(std::string_view bytes,
                                                  std::string& problem) const {
  if (bytes.substr(0, kMark.size()) != kMark || bytes.size() < kMark.size() + sizeof(uint64_t)) {
    problem = "it is no checkpoint";
    return std::nullopt;
  }
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint64_t));
  if (Reader(bytes.substr(body.size())).number<uint64_t>() != Hash().add(body).value()) {
    problem = "it is damaged";
    return std::nullopt;
  }
  Reader reader(body.substr(kMark.size()));
  CollectionKey key;
  for (std::string* part :
       {&key.model_digest, &key.data_digest, &key.preprocess, &key.path, &key.shapes}) {
    *part = reader.text();
  }
  if (key != key_) {
    problem = "it was made for " + difference(key, key_);
    return std::nullopt;
  }
  const auto count = reader.number<uint64_t>();
  bool same = count == names_.size();
  for (size_t i = 0; same && i < count; ++i) same = reader.text() == names_[i];
  if (!same) {
    problem = "it was made for a model with other names";
    return std::nullopt;
  }
  CollectionState state;
  state.counting = reader.number<uint8_t>() != 0;
  state.done = reader.number<int64_t>();
  state.samples = reader.number<int64_t>();
  for (size_t i = 0; i < count; ++i) state.ranges.push_back(reader.histogram());
  for (size_t i = 0; state.counting && i < count; ++i) state.counts.push_back(reader.histogram());
  check(reader.at_end() && state.done >= 0, ErrorCode::kInvalidFile, "it is damaged");
  return state;
}

std::optional<CollectionState> Checkpoint::load() const {
  if (options_.checkpoint.empty() || !std::filesystem::exists(options_.checkpoint)) {
    return std::nullopt;
  }
  std::string problem;
  std::optional<CollectionState> state;
  try {
    state = decode(read_file(options_.checkpoint), problem);
  } catch (const Error& error) {
    problem = error.what();
  }
  if (options_.log && !state) {
    options_.log(LogLevel::kWarning,
                 fmt::format("{}: the checkpoint is not used: {}; calibration begins anew",
                             options_.checkpoint, problem));
  }
  if (options_.log && state) {
    options_.log(LogLevel::kInfo,
                 fmt::format("{}: resuming from sample {} of the {} pass", options_.checkpoint,
                             state->done, state->counting ? "second" : "first"));
  }
  return state;
}

bool Checkpoint::due() const { return !options_.checkpoint.empty() && Clock::now() >= next_; }

void Checkpoint::save(const CollectionState& state) {
  const auto start = Clock::now();
  write_file(options_.checkpoint, encode(state));
  const std::chrono::duration<double> took = Clock::now() - start;
  const std::chrono::duration<double> pause(
      std::max(options_.checkpoint_seconds, took.count() / kLargestShare));
  next_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                             options_.checkpoint_seconds > 0.0 ? pause : pause * 0.0);
}

void Checkpoint::remove() const {
  if (options_.checkpoint.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(options_.checkpoint, ignored);
}

}  // namespace octile
