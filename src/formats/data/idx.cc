// IDX, the format of MNIST: two zero bytes, type 8 (unsigned byte), rank, extents, values.
#include "formats/data/idx.h"

#include <zlib.h>

#include <charconv>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/data.h"

namespace octile {
namespace {

constexpr size_t kLargestInflated = size_t{1} << 33;

/// Owns a zlib stream.
struct Inflater {
  z_stream stream{};
  bool open = false;
  ~Inflater() {
    if (open) inflateEnd(&stream);
  }
};

std::string inflate_gzip(const std::string& bytes, const std::string& path) {
  Inflater inflater;
  inflater.open = inflateInit2(&inflater.stream, 15 + 16) == Z_OK;
  check(inflater.open, ErrorCode::kIo, "{}: out of memory", path);
  inflater.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  inflater.stream.avail_in = uInt(bytes.size());
  std::string result;
  int status = Z_OK;
  while (status == Z_OK) {
    const size_t done = result.size();
    check(done < kLargestInflated, ErrorCode::kInvalidFile, "{}: inflates to more than 8 GiB",
          path);
    result.resize(done + (size_t{1} << 20));
    inflater.stream.next_out = reinterpret_cast<Bytef*>(result.data() + done);
    inflater.stream.avail_out = uInt(result.size() - done);
    status = inflate(&inflater.stream, Z_NO_FLUSH);
    result.resize(result.size() - inflater.stream.avail_out);
    if (status == Z_BUF_ERROR) break;
  }
  check(status == Z_STREAM_END, ErrorCode::kInvalidFile, "{}: damaged gzip data", path);
  return result;
}

}  // namespace

std::string read_maybe_gzip(const std::string& path) {
  std::string bytes = read_file(path);
  const bool gzip = bytes.size() > 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
  return gzip ? inflate_gzip(bytes, path) : bytes;
}

bool looks_like_idx(std::string_view bytes) {
  return bytes.size() >= 8 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8 && bytes[3] >= 1 &&
         bytes[3] <= kMaxRank;
}

Tensor parse_idx(std::string_view bytes, const std::string& origin) {
  check(looks_like_idx(bytes), ErrorCode::kInvalidFile, "{}: not an IDX file of unsigned bytes",
        origin);
  const auto byte = [&](size_t i) { return int64_t(static_cast<unsigned char>(bytes[i])); };
  const int rank = int(byte(3));
  const size_t begin = 4 + 4 * size_t(rank);
  check(bytes.size() >= begin, ErrorCode::kInvalidFile, "{}: ends within its header", origin);
  Shape shape;
  unsigned __int128 elements = 1;
  for (size_t i = 4; i < begin; i += 4) {
    shape.push_back(byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3));
    elements = std::min<unsigned __int128>(elements * uint64_t(shape[shape.rank() - 1]),
                                           uint64_t{1} << 62);
  }
  check(elements == bytes.size() - begin, ErrorCode::kInvalidFile,
        "{}: its header says {}, but {} values follow", origin, shape.to_string(),
        bytes.size() - begin);
  return Tensor(DataType::kUInt8, shape, std::as_bytes(std::span(bytes.substr(begin))));
}

std::optional<std::string> labels_beside(const std::string& images) {
  const std::string from = "images-idx3-ubyte";
  const size_t at = images.rfind(from);
  if (at == std::string::npos) return std::nullopt;
  const std::string base = images.substr(0, at) + "labels-idx1-ubyte";
  for (const char* ending : {".gz", ""}) {
    if (std::filesystem::exists(base + ending)) return base + ending;
  }
  return std::nullopt;
}

Tensor load_idx(const std::string& path) { return parse_idx(read_maybe_gzip(path), path); }

std::vector<int64_t> load_labels(const std::string& path) {
  const std::string bytes = read_maybe_gzip(path);
  std::vector<int64_t> labels;
  if (looks_like_idx(bytes) || bytes.substr(0, 6) == "\x93NUMPY") {
    const Tensor values =
        (looks_like_idx(bytes) ? parse_idx(bytes, path) : load_npy(path)).cast(DataType::kInt64);
    check(values.shape().rank() == 1, ErrorCode::kInvalidFile,
          "{}: labels need one axis, not shape {}", path, values.shape().to_string());
    const auto span = values.span<int64_t>();
    return {span.begin(), span.end()};
  }
  size_t line_number = 0, begin = 0;
  while (begin < bytes.size()) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string_view line(bytes.data() + begin, end - begin);
    begin = end + 1;
    ++line_number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    int64_t value = 0;
    const auto [at, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    check(error == std::errc{} && at == line.data() + line.size(), ErrorCode::kInvalidFile,
          "{}: line {} is no integer; give one label a line, an .npy or an IDX file", path,
          line_number);
    labels.push_back(value);
  }
  return labels;
}

}  // namespace octile
