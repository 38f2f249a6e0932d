// Labelled boxes: YOLO's texts and COCO's JSON, wherever they lie, and what is wrong with them.
#include "formats/data_files.h"
#include "octile/data.h"
#include "support/tensors.h"

namespace octile {
namespace {

using test::contains;
using test::Directory;
using test::message_of;

PictureInfo picture(const std::string& file, int64_t height = 100, int64_t width = 200) {
  return {file, height, width, {}};
}

void expect_box(const LabelledBox& box, double x0, double y0, double x1, double y1, int64_t id) {
  EXPECT_NEAR(box.x0, x0, 1e-9);
  EXPECT_NEAR(box.y0, y0, 1e-9);
  EXPECT_NEAR(box.x1, x1, 1e-9);
  EXPECT_NEAR(box.y1, y1, 1e-9);
  EXPECT_EQ(box.class_id, id);
}

TEST(YoloBoxes, LinesBecomePixels) {
  const Directory dir;
  dir.write("labels/a.txt", "3 0.5 0.5 0.2 0.4\r\n\n 0\t0.25 0.75 0.5 0.5");
  const auto boxes = load_boxes(dir / "labels", {picture("x/a.jpg"), picture("x/empty.png")});
  ASSERT_EQ(boxes.size(), 2u);
  ASSERT_EQ(boxes[0].size(), 2u);
  expect_box(boxes[0][0], 80, 30, 120, 70, 3);
  expect_box(boxes[0][1], 0, 50, 100, 100, 0);
  EXPECT_TRUE(boxes[1].empty());
}

TEST(YoloBoxes, AreFoundBesideThePictures) {
  const Directory dir;
  dir.write("labels/a.txt", "1 0.5 0.5 1 1");
  dir.write("images/b.txt", "2 0.5 0.5 1 1");
  const auto boxes = load_boxes("", {picture(dir / "images/a.jpg"), picture(dir / "images/b.jpg")});
  EXPECT_EQ(boxes[0].at(0).class_id, 1);
  EXPECT_EQ(boxes[1].at(0).class_id, 2);
}

TEST(YoloBoxes, ErrorsNameTheLine) {
  const Directory dir;
  const std::pair<const char*, const char*> rows[] = {
      {"0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1", "a.txt: line 2: 4 numbers"},
      {"0 0.5 0.5 0.1 0.1 0.9", "line 1: 6 numbers"},
      {"cat 0.5 0.5 0.1 0.1", "line 1: not numbers"},
      {"0 0.5,0.5 0.1 0.1", "line 1: not numbers"},
      {"-1 0.5 0.5 0.1 0.1", "'-1' is no class number"},
      {"1.5 0.5 0.5 0.1 0.1", "'1.5' is no class number"},
      {"1e300 0.5 0.5 0.1 0.1", "is no class number"},
      {"0 320 240 10 10", "320 is no part of the picture"},
      {"0 0.5 0.5 -0.1 0.1", "-0.1 is no part of the picture"},
      {"0 nan 0.5 0.1 0.1", "nan is no part of the picture"},
  };
  for (const auto& [text, says] : rows) {
    dir.write("a.txt", text);
    const auto message =
        message_of([&] { load_boxes(dir.path(), {picture("a.jpg")}); }, ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(message, says)) << message;
  }
  const auto none = message_of([&] { load_boxes(dir.path(), {picture("other.jpg")}); });
  EXPECT_TRUE(contains(none, "no labels for any of 1 pictures")) << none;
}

constexpr const char* kCoco = R"({
  "images": [{"id": 7, "file_name": "val/b.jpg"}, {"id": 9, "file_name": "a.jpg"},
             {"id": 1, "file_name": "unused.jpg"}],
  "categories": [{"id": 90, "name": "z"}, {"id": 1, "name": "x"}, {"id": 13, "name": "y"}],
  "annotations": [
    {"image_id": 9, "category_id": 90, "bbox": [10, 20, 30.5, 40]},
    {"image_id": 7, "category_id": 13, "bbox": [1, 2, 3, 4], "iscrowd": 1},
    {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 0}]})";

TEST(CocoBoxes, AreMatchedByFileNameAndSortedCategory) {
  const Directory dir;
  const auto boxes = load_boxes(dir.write("c.json", kCoco), {picture("p/a.jpg"), picture("b.jpg")});
  ASSERT_EQ(boxes[0].size(), 1u);
  expect_box(boxes[0][0], 10, 20, 40.5, 60, 2);
  EXPECT_FALSE(boxes[0][0].crowd);
  ASSERT_EQ(boxes[1].size(), 1u);
  expect_box(boxes[1][0], 1, 2, 4, 6, 1);
  EXPECT_TRUE(boxes[1][0].crowd);
}

/// kCoco with one piece replaced.
std::string coco_with(const std::string& old, const std::string& piece) {
  std::string text = kCoco;
  return text.replace(text.find(old), old.size(), piece);
}

TEST(CocoBoxes, ErrorsNameTheEntry) {
  const Directory dir;
  const std::pair<std::string, const char*> rows[] = {
      {"[1, 2]", "neither a directory of YOLO's texts nor COCO's JSON"},
      {std::string(kCoco).substr(0, 200), "nor COCO's JSON"},
      {"{}", "no list 'images'"},
      {coco_with("\"categories\": [", "\"categories\": 3, \"c\": ["), "no list 'categories'"},
      {coco_with("{\"id\": 7,", "{\"id\": 9,"),
       "images[1]: its id or file name stands there twice"},
      {coco_with("val/b.jpg", "val/a.jpg"), "images[1]: its id or file name stands there twice"},
      {coco_with("\"file_name\": \"a.jpg\"", "\"file_name\": 3"), "images[1]: no text 'file_name'"},
      {coco_with("{\"id\": 1, \"name\"", "{\"id\": 13, \"name\""), "categories[2]: its id stands"},
      {coco_with("{\"image_id\": 9", "{\"image_id\": 99"), "annotations[0]: image_id is none"},
      {coco_with("{\"image_id\": 9", "{\"image_id\": \"9\""),
       "annotations[0]: no integer 'image_id'"},
      {coco_with("\"category_id\": 13", "\"category_id\": 2"),
       "annotations[1]: category_id is none"},
      {coco_with("[1, 2, 3, 4]", "[1, 2, 3]"), "annotations[1]: bbox is not"},
      {coco_with("[1, 2, 3, 4]", "[1, 2, -3, 4]"), "annotations[1]: bbox is not"},
      {coco_with("[1, 2, 3, 4]", "[1, 2, \"3\", 4]"), "annotations[1]: bbox is not"},
      {coco_with("{\"id\": 90, \"name\": \"z\"}", "5"), "categories[0]: no integer 'id'"},
  };
  for (const auto& [text, says] : rows) {
    const std::string file = dir.write("c.json", text);
    const auto message = message_of(
        [&] {
          load_boxes(file, {picture("p/a.jpg"), picture("b.jpg")});
        },
        ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(message, says)) << message << "\n" << text;
  }
  const std::string file = dir.write("c.json", kCoco);
  const auto unknown = message_of([&] { load_boxes(file, {picture("x.jpg")}); });
  EXPECT_TRUE(contains(unknown, "no image 'x.jpg'")) << unknown;
  const auto twice = message_of([&] { load_boxes(file, {picture("p/a.jpg"), picture("a.jpg")}); });
  EXPECT_TRUE(contains(twice, "two pictures are called a.jpg")) << twice;
  EXPECT_THROW(load_boxes(dir / "nothing.json", {picture("a.jpg")}), Error);
}

// --- where pictures lie ---

PictureInfo placed(const Directory& dir, int width, int height, const std::string& preprocess,
                   const Shape& input) {
  const std::string file =
      dir.write("p.pgm", test::ppm_bytes(width, height, std::vector<int>(size_t(width * height))));
  DataOptions options;
  options.preprocess = Preprocess::parse(preprocess);
  options.input_shapes["x"] = input;
  return open_data(file, options)->pictures().at(0);
}

TEST(Placement, SaysWherePreprocessingPutsThePicture) {
  const Directory dir;
  const Shape input{1, 1, 8, 16};
  struct Row {
    int width, height;
    const char* preprocess;
    Placement expected;  // input height, width; height, width; top, left
  };
  const Row rows[] = {
      {16, 8, "fit=none", {8, 16, 8, 16, 0, 0}},
      {5, 9, "fit=stretch", {8, 16, 8, 16, 0, 0}},
      {20, 5, "fit=letterbox", {8, 16, 4, 16, 2, 0}},
      {20, 5, "fit=letterbox,letterbox=top-left", {8, 16, 4, 16, 0, 0}},
      {5, 20, "fit=letterbox", {8, 16, 8, 2, 0, 7}},
      {64, 43, "fit=letterbox,size=26x32,letterbox=top-left", {26, 32, 21, 32, 0, 0}},
      {20, 20, "fit=crop", {8, 16, 16, 16, -4, 0}},
      {40, 10, "fit=crop,resize=20", {8, 16, 20, 80, -6, -32}},
  };
  for (const Row& row : rows) {
    const PictureInfo info = placed(dir, row.width, row.height, row.preprocess, input);
    EXPECT_EQ(info.placement, row.expected) << row.preprocess << " of " << row.width;
    EXPECT_EQ(info.width, row.width);
    EXPECT_EQ(info.height, row.height);
  }
  EXPECT_THROW(placed(dir, 5, 5, "fit=none", input), Error);
}

/// Whole numbers: 640·0.65 in binary32 may fall below 416 and lose a column.
TEST(Placement, LetterboxesFillTheInputExactly) {
  const Directory dir;
  for (int extent = 417; extent < 660; extent += 11) {
    const auto wide = placed(dir, extent, 300, "fit=letterbox", {1, 1, 416, 416}).placement;
    EXPECT_EQ(wide.width, 416) << extent;
    EXPECT_EQ(wide.height, 300 * 416 / extent);
    EXPECT_EQ(placed(dir, 300, extent, "fit=letterbox", {1, 1, 416, 416}).placement.height, 416);
  }
}

}  // namespace
}  // namespace octile
