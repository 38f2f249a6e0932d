// open_data(): one path, told apart by what it is.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/data/decode.h"
#include "formats/data/idx.h"
#include "formats/data/sources.h"

namespace octile {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  check(!error, ErrorCode::kIo, "{}: cannot list the directory: {}", directory, error.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::unique_ptr<BatchSource> open_idx(const std::string& images, const DataOptions& options) {
  Tensor values = load_idx(images);
  std::vector<int64_t> labels;
  if (const auto file = labels_beside(images)) labels = load_labels(*file);
  Batch arrays;
  const bool named = options.input_shapes.size() == 1;
  arrays.emplace(named ? options.input_shapes.begin()->first : "", std::move(values));
  return open_arrays(std::move(arrays), std::move(labels), options, images);
}

std::unique_ptr<BatchSource> open_directory(const std::string& path, const DataOptions& options) {
  const std::vector<std::string> files = files_in(path);
  std::vector<std::string> pictures, idx;
  for (const std::string& file : files) {
    if (is_picture_name(file)) pictures.push_back(file);
    if (file.find("images-idx3-ubyte") != std::string::npos) idx.push_back(file);
  }
  if (!idx.empty()) {
    check(idx.size() == 1, ErrorCode::kInvalidArgument,
          "{}: holds several IDX image files ({} and {}); name one of them", path, idx[0], idx[1]);
    return open_idx(idx[0], options);
  }
  check(!pictures.empty(), ErrorCode::kInvalidArgument,
        "{}: the directory holds neither pictures nor IDX files", path);
  return open_pictures(pictures, {}, options, path);
}

std::unique_ptr<BatchSource> open_npz(const std::string& path, const DataOptions& options) {
  std::map<std::string, Tensor> arrays = load_npz(path);
  std::vector<int64_t> labels;
  const bool label_input = options.input_shapes.count("labels") != 0;
  if (const auto found = arrays.find("labels"); found != arrays.end() && !label_input) {
    const Tensor values = found->second.cast(DataType::kInt64);
    labels.assign(values.as<int64_t>(), values.as<int64_t>() + values.volume());
    arrays.erase(found);
  }
  // Arrays for inputs that the model lacks would be a typing error: say so.
  for (const auto& [name, array] : arrays) {
    const bool known = options.input_shapes.empty() || options.input_shapes.count(name) != 0 ||
                       (arrays.size() == 1 && options.input_shapes.size() == 1);
    std::string inputs;
    for (const auto& [input, shape] : options.input_shapes) inputs += " '" + input + "'";
    check(known, ErrorCode::kInvalidArgument,
          "{}: array '{}' is no input of the model; those are{}", path, name, inputs);
  }
  if (arrays.size() == 1 && options.input_shapes.size() == 1) {
    auto only = arrays.extract(arrays.begin());
    only.key() = options.input_shapes.begin()->first;
    arrays.insert(std::move(only));
  }
  for (const auto& [name, shape] : options.input_shapes) {
    check(arrays.count(name) != 0, ErrorCode::kInvalidArgument,
          "{}: no array for the model's input '{}'", path, name);
  }
  return open_arrays(std::move(arrays), std::move(labels), options, path);
}

/// One picture a line, relative to the list; an integer label may follow behind white space.
std::unique_ptr<BatchSource> open_list(const std::string& path, std::string_view text,
                                       const DataOptions& options) {
  std::vector<std::string> files;
  std::vector<int64_t> labels;
  const fs::path base = fs::path(path).parent_path();
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) {
      line.remove_suffix(1);
    }
    if (line.empty() || line[0] == '#') continue;
    int64_t label = 0;
    const size_t space = line.find_last_of(" \t");
    if (space != std::string_view::npos) {
      const std::string_view tail = line.substr(space + 1);
      const auto [at, error] = std::from_chars(tail.data(), tail.data() + tail.size(), label);
      if (error == std::errc{} && at == tail.data() + tail.size()) {
        labels.push_back(label);
        line = line.substr(0, line.find_last_not_of(" \t", space) + 1);
      }
    }
    files.push_back((base / fs::path(line)).string());
    check(fs::exists(files.back()), ErrorCode::kIo, "{}: line {}: {} does not exist", path, number,
          files.back());
  }
  check(!files.empty(), ErrorCode::kInvalidFile, "{}: the list names no pictures", path);
  check(labels.empty() || labels.size() == files.size(), ErrorCode::kInvalidFile,
        "{}: {} of {} lines carry a label; all or none must", path, labels.size(), files.size());
  return open_pictures(std::move(files), std::move(labels), options, path);
}

bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(),
                      bytes.begin() + std::min<ptrdiff_t>(4096, ptrdiff_t(bytes.size())),
                      [](char c) { return static_cast<unsigned char>(c) < 9; });
}

constexpr size_t kCifarPixels = 3072, kCifarRecord = 1 + kCifarPixels;

/// CIFAR-10's binary form: records of a label and 1024 red, green and blue bytes each.
bool is_cifar(const std::string& path, std::string_view bytes) {
  return path.ends_with(".bin") && !bytes.empty() && bytes.size() % kCifarRecord == 0;
}

std::unique_ptr<BatchSource> open_cifar(const std::string& path, std::string_view bytes,
                                        const DataOptions& options) {
  const size_t count = bytes.size() / kCifarRecord;
  Tensor images(DataType::kUInt8, Shape{int64_t(count), 3, 32, 32});
  std::vector<int64_t> labels;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view record = bytes.substr(i * kCifarRecord, kCifarRecord);
    labels.push_back(static_cast<unsigned char>(record[0]));
    std::copy(record.begin() + 1, record.end(), images.as<char>() + i * kCifarPixels);
  }
  Batch arrays;
  const bool named = options.input_shapes.size() == 1;
  arrays.emplace(named ? options.input_shapes.begin()->first : "", std::move(images));
  return open_arrays(std::move(arrays), std::move(labels), options, path);
}

std::unique_ptr<BatchSource> open_path(const std::string& path, const DataOptions& options) {
  check(fs::exists(path), ErrorCode::kIo, "{}: no such file or directory", path);
  if (fs::is_directory(path)) return open_directory(path, options);
  if (is_picture_name(path)) return open_pictures({path}, {}, options, path);
  const std::string bytes = read_maybe_gzip(path);
  if (looks_like_idx(bytes)) return open_idx(path, options);
  if (bytes.substr(0, 6) == "\x93NUMPY") {
    Batch arrays;
    const bool named = options.input_shapes.size() == 1;
    arrays.emplace(named ? options.input_shapes.begin()->first : "", load_npy(path));
    return open_arrays(std::move(arrays), {}, options, path);
  }
  if (bytes.substr(0, 2) == "PK") return open_npz(path, options);
  if (is_cifar(path, bytes)) return open_cifar(path, bytes, options);
  check(
      is_text(bytes) && !bytes.empty(), ErrorCode::kInvalidFile,
      "{}: neither pictures, .npy, .npz, IDX, CIFAR-10 (.bin) nor a text file that lists pictures",
      path);
  return open_list(path, bytes, options);
}

}  // namespace

std::unique_ptr<BatchSource> open_data(const std::string& path, const DataOptions& options) {
  try {
    return open_path(path, options);
  } catch (const fs::filesystem_error& error) {
    fail(ErrorCode::kIo, "{}: cannot be read: {}", path, error.code().message());
  }
}

}  // namespace octile
