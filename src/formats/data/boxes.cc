// Labelled boxes: YOLO's text files and COCO's JSON.
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/data.h"

namespace octile {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Boxes = std::vector<std::vector<LabelledBox>>;

// --- YOLO ---

/// The numbers of a line; nullopt where something else stands in it.
std::optional<std::vector<double>> numbers_of(std::string_view line) {
  std::vector<double> numbers;
  const char* at = line.data();
  const char* const end = at + line.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
    if (at == end) return numbers;
    double value = 0.0;
    const auto [next, error] = std::from_chars(at, end, value);
    const bool ends = next == end || *next == ' ' || *next == '\t' || *next == '\r';
    if (error != std::errc{} || !ends) return std::nullopt;
    numbers.push_back(value);
    at = next;
  }
}

LabelledBox yolo_box(const std::vector<double>& numbers, const PictureInfo& picture,
                     const std::string& where) {
  check(numbers.size() == 5, ErrorCode::kInvalidFile,
        "{}: {} numbers, but a box is `class cx cy w h`", where, numbers.size());
  const double id = numbers[0];
  check(id >= 0.0 && id < 1e6 && id == std::floor(id), ErrorCode::kInvalidFile,
        "{}: '{}' is no class number", where, id);
  for (size_t i = 1; i < 5; ++i) {
    check(numbers[i] >= 0.0 && numbers[i] <= 1.0, ErrorCode::kInvalidFile,
          "{}: {} is no part of the picture: `cx cy w h` lie within 0 … 1", where, numbers[i]);
  }
  const auto height = double(picture.height), width = double(picture.width);
  return {(numbers[1] - numbers[3] / 2) * width, (numbers[2] - numbers[4] / 2) * height,
          (numbers[1] + numbers[3] / 2) * width, (numbers[2] + numbers[4] / 2) * height,
          int64_t(id)};
}

std::vector<LabelledBox> read_yolo(const std::string& file, const PictureInfo& picture) {
  const std::string bytes = read_file(file);
  std::string_view text = bytes;
  std::vector<LabelledBox> boxes;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto numbers = numbers_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string where = fmt::format("{}: line {}", file, number);
    check(numbers.has_value(), ErrorCode::kInvalidFile, "{}: not numbers: `class cx cy w h`",
          where);
    if (!numbers->empty()) boxes.push_back(yolo_box(*numbers, picture, where));
  }
  return boxes;
}

/// Where the text of a picture may lie: in `directory`, or where YOLO's own programs look for it.
std::vector<fs::path> text_places(const fs::path& picture, const std::string& directory) {
  const fs::path name = picture.filename().replace_extension(".txt");
  if (!directory.empty()) return {fs::path(directory) / name};
  const fs::path own = picture.parent_path();
  return {own.parent_path() / "labels" / name, own / name};
}

Boxes load_yolo(const std::string& directory, const std::vector<PictureInfo>& pictures) {
  Boxes boxes(pictures.size());
  bool found = false;
  for (size_t i = 0; i < pictures.size(); ++i) {
    for (const fs::path& place : text_places(pictures[i].file, directory)) {
      if (!fs::exists(place)) continue;
      boxes[i] = read_yolo(place.string(), pictures[i]);
      found = true;
      break;
    }
  }
  check(found || pictures.empty(), ErrorCode::kInvalidArgument,
        "{}: no labels for any of {} pictures: NAME.txt for NAME.jpg, for example {}",
        directory.empty() ? "beside the pictures, or in a directory `labels`" : directory,
        pictures.size(),
        pictures.empty() ? "" : text_places(pictures[0].file, directory)[0].string());
  return boxes;
}

// --- COCO ---

class CocoReader {
 public:
  explicit CocoReader(const std::string& file)
      : file_(file), json_(Json::parse(read_file(file), nullptr, false)) {
    check(json_.is_object(), ErrorCode::kInvalidFile,
          "{}: neither a directory of YOLO's texts nor COCO's JSON", file);
  }

  Boxes boxes_of(const std::vector<PictureInfo>& pictures) const {
    const auto rows = rows_of(pictures);
    const auto classes = class_numbers();
    Boxes boxes(pictures.size());
    const Json& annotations = list("annotations");
    for (size_t i = 0; i < annotations.size(); ++i) {
      const Json& entry = annotations[i];
      const std::string where = fmt::format("{}: annotations[{}]", file_, i);
      const auto row = rows.find(integer(entry, "image_id", where));
      check(row != rows.end(), ErrorCode::kInvalidFile, "{}: image_id is none of the images",
            where);
      if (row->second < 0) continue;  // of a picture that is not run
      const auto id = classes.find(integer(entry, "category_id", where));
      check(id != classes.end(), ErrorCode::kInvalidFile,
            "{}: category_id is none of the categories", where);
      boxes[size_t(row->second)].push_back(box_of(entry, id->second, where));
    }
    return boxes;
  }

 private:
  const Json& list(const char* key) const {
    const auto found = json_.find(key);
    check(found != json_.end() && found->is_array(), ErrorCode::kInvalidFile,
          "{}: no list '{}'; COCO's JSON has images, annotations and categories", file_, key);
    return *found;
  }

  static int64_t integer(const Json& entry, const char* key, const std::string& where) {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    check(entry.is_object() && found != entry.end() && found->is_number_integer(),
          ErrorCode::kInvalidFile, "{}: no integer '{}'", where, key);
    return found->get<int64_t>();
  }

  /// Image id → index of the picture, −1 where it is not among them.
  std::unordered_map<int64_t, int64_t> rows_of(const std::vector<PictureInfo>& pictures) const {
    std::unordered_map<std::string, int64_t> at;  // file name → picture
    for (size_t i = 0; i < pictures.size(); ++i) {
      const std::string name = fs::path(pictures[i].file).filename().string();
      check(at.emplace(name, int64_t(i)).second, ErrorCode::kInvalidArgument,
            "two pictures are called {}: COCO's labels know pictures by their file name", name);
    }
    std::unordered_map<int64_t, int64_t> rows;
    std::vector<bool> known(pictures.size(), false);
    const Json& images = list("images");
    for (size_t i = 0; i < images.size(); ++i) {
      const std::string where = fmt::format("{}: images[{}]", file_, i);
      const int64_t id = integer(images[i], "id", where);
      const auto name = images[i].find("file_name");
      check(name != images[i].end() && name->is_string(), ErrorCode::kInvalidFile,
            "{}: no text 'file_name'", where);
      const auto found = at.find(fs::path(name->get<std::string>()).filename().string());
      const int64_t row = found == at.end() ? -1 : found->second;
      check(rows.emplace(id, row).second && (row < 0 || !known[size_t(row)]),
            ErrorCode::kInvalidFile, "{}: its id or file name stands there twice", where);
      if (row >= 0) known[size_t(row)] = true;
    }
    for (size_t i = 0; i < pictures.size(); ++i) {
      check(known[i], ErrorCode::kInvalidArgument, "{}: no image '{}'; its boxes are not known",
            file_, fs::path(pictures[i].file).filename().string());
    }
    return rows;
  }

  /// Category id → class number: by ascending id from 0.
  std::map<int64_t, int64_t> class_numbers() const {
    std::map<int64_t, int64_t> numbers;
    const Json& categories = list("categories");
    for (size_t i = 0; i < categories.size(); ++i) {
      const std::string where = fmt::format("{}: categories[{}]", file_, i);
      check(numbers.emplace(integer(categories[i], "id", where), 0).second, ErrorCode::kInvalidFile,
            "{}: its id stands there twice", where);
    }
    int64_t next = 0;
    for (auto& [id, number] : numbers) number = next++;
    return numbers;
  }

  static LabelledBox box_of(const Json& entry, int64_t class_id, const std::string& where) {
    const auto box = entry.find("bbox");
    bool good = box != entry.end() && box->is_array() && box->size() == 4;
    double v[4] = {};
    for (size_t i = 0; good && i < 4; ++i) {
      good = (*box)[i].is_number();
      if (good) v[i] = (*box)[i].get<double>();
      good = good && std::isfinite(v[i]) && (i < 2 || v[i] >= 0.0);
    }
    check(good, ErrorCode::kInvalidFile, "{}: bbox is not [x, y, width, height] in pixels", where);
    const auto crowd = entry.find("iscrowd");
    const bool many =
        crowd != entry.end() && (crowd->is_boolean() ? crowd->get<bool>() : *crowd == 1);
    return {v[0], v[1], v[0] + v[2], v[1] + v[3], class_id, many};
  }

  std::string file_;
  Json json_;
};

}  // namespace

std::vector<std::vector<LabelledBox>> load_boxes(const std::string& path,
                                                 const std::vector<PictureInfo>& pictures) {
  try {
    if (path.empty() || fs::is_directory(path)) return load_yolo(path, pictures);
  } catch (const fs::filesystem_error& error) {
    fail(ErrorCode::kIo, "{}: cannot be read: {}", path, error.code().message());
  }
  return CocoReader(path).boxes_of(pictures);
}

}  // namespace octile
