// Preprocessing: its two text forms, and its arithmetic on pictures against values by hand.
#include "formats/data_files.h"
#include "octile/data.h"
#include "support/tensors.h"

namespace octile {
namespace {

using test::contains;
using test::Directory;
using test::message_of;
using test::ppm_bytes;

/// The one sample of a picture file.
Tensor prepared(const std::string& path, const std::string& preprocess, const Shape& input = {}) {
  DataOptions options;
  if (!preprocess.empty()) options.preprocess = Preprocess::parse(preprocess);
  if (!input.empty()) options.input_shapes["x"] = input;
  return open_data(path, options)->next()->begin()->second;
}

std::vector<float> floats(const Tensor& t) { return test::list<float>(t); }

TEST(PreprocessText, ParsesEveryKey) {
  const Preprocess p = Preprocess::parse(
      "fit=letterbox,size=416x320,letterbox=top-left,letterbox_value=0.5,color=bgr,scale=0.25,"
      "mean=1:2:3,std=4,layout=nhwc");
  Preprocess expected;
  expected.fit = Preprocess::Fit::kLetterbox;
  expected.height = 416;
  expected.width = 320;
  expected.letterbox_center = false;
  expected.letterbox_value = 0.5f;
  expected.color = Preprocess::Color::kBgr;
  expected.scale = 0.25f;
  expected.mean = {1, 2, 3};
  expected.std = {4};
  expected.layout = Preprocess::Layout::kNhwc;
  EXPECT_EQ(p, expected);
  EXPECT_EQ(Preprocess::from_json(p.to_json()), p);
}

TEST(PreprocessText, JsonOfRandomSettingsComesBack) {
  test::Random random(2);
  for (int i = 0; i < 200; ++i) {
    Preprocess p;
    p.fit = static_cast<Preprocess::Fit>(random.integer(0, 3));
    p.color = static_cast<Preprocess::Color>(random.integer(0, 3));
    p.layout = static_cast<Preprocess::Layout>(random.integer(0, 1));
    if (random.integer(0, 1) != 0) p.height = p.width = random.integer(1, 500);
    if (p.fit == Preprocess::Fit::kCropCenter) p.resize = random.integer(0, 500);
    p.scale = random.value();
    for (int c = 0; c < 3; ++c) p.mean.push_back(random.value() * 1e3f);
    for (int c = 0; c < 3; ++c) p.std.push_back(random.value() + 2.0f);
    if (p.fit == Preprocess::Fit::kLetterbox) {
      p.letterbox_value = random.value();
      p.letterbox_center = random.integer(0, 1) != 0;
    }
    EXPECT_EQ(Preprocess::from_json(p.to_json()), p) << p.to_json();
  }
}

TEST(PreprocessText, ReadsJsonFilesWithNumbersAndLists) {
  const Directory dir;
  const std::string path =
      dir.write("p.json", R"({"size": [4, 6], "mean": [0.5, 1, 2], "scale": "1/255", "std": 2})");
  EXPECT_EQ(Preprocess::parse(path), Preprocess::parse("size=4x6,mean=0.5:1:2,scale=1/255,std=2"));
}

TEST(PreprocessText, ResizeIsKeptInBothForms) {
  const Preprocess p = Preprocess::parse("resize=256,fit=crop,size=224x224");
  EXPECT_EQ(p.resize, 256);
  EXPECT_EQ(Preprocess::from_json(p.to_json()), p);
  EXPECT_EQ(Preprocess::from_json(R"({"fit": "crop", "resize": 256, "size": [224, 224]})"), p);
  EXPECT_NE(p.to_json(), Preprocess::parse("fit=crop,size=224x224").to_json()) << "not in digests";
}

TEST(PreprocessText, AFractionIsADivision) {
  const Preprocess p = Preprocess::parse("scale=1/255");
  EXPECT_EQ(p.divisor, 255.0f);
  EXPECT_TRUE(contains(p.to_json(), "1/255"));
  EXPECT_EQ(Preprocess::from_json(p.to_json()), p);
  EXPECT_EQ(Preprocess::parse("scale=2/128").scale, 2.0f / 128.0f);
}

TEST(PreprocessText, ErrorsSayWhatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"scle=2", "key 'scle' is unknown"},
      {"fit=squash", "none, stretch, crop, letterbox"},
      {"color=red", "as-is, rgb, bgr, gray"},
      {"scale=1/0", "divides by zero"},
      {"scale=abc", "'abc' is no number"},
      {"scale=inf", "'inf' is no number"},
      {"mean=1:x:3", "'x' is no number"},
      {"std=1:0:1", "std must not be 0"},
      {"size=416", "HEIGHTxWIDTH"},
      {"size=0x4", "out of range"},
      {"size=1.5x4", "out of range"},
      {"scale=1,mean", "'mean' is not key=value"},
      {"letterbox=left", "center or top-left"},
      {"layout=chw", "nchw, nhwc"},
      {"resize=0,fit=crop", "'0' is no short side"},
      {"resize=1.5,fit=crop", "'1.5' is no short side"},
      {"resize=256", "add fit=crop"},
      {"fit=stretch,resize=256", "add fit=crop"},
  };
  for (const auto& [text, says] : rows) {
    EXPECT_TRUE(contains(message_of([&, t = text] { Preprocess::parse(t); }), says)) << text;
  }
  const auto json = [](const char* text) {
    return message_of([&] { Preprocess::from_json(text); }, ErrorCode::kInvalidFile);
  };
  EXPECT_TRUE(contains(json("[1, 2]"), "not a JSON object"));
  EXPECT_TRUE(contains(json("{\"scale\": "), "not a JSON object"));
  EXPECT_TRUE(contains(json("{\"scale\": null}"), "'scale'"));
  EXPECT_TRUE(contains(json("{\"mean\": [\"a\"]}"), "'mean'"));
}

TEST(PreprocessPicture, ChannelsBecomePlanes) {
  const Directory dir;
  const std::string path = dir.write("a.ppm", ppm_bytes(2, 1, {1, 2, 3, 4, 5, 6}));
  const Tensor nchw = prepared(path, "");
  EXPECT_EQ(nchw.shape(), (Shape{1, 3, 1, 2}));
  EXPECT_EQ(floats(nchw), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(floats(prepared(path, "color=bgr")), (std::vector<float>{3, 6, 2, 5, 1, 4}));
  const Tensor nhwc = prepared(path, "layout=nhwc");
  EXPECT_EQ(nhwc.shape(), (Shape{1, 1, 2, 3}));
  EXPECT_EQ(floats(nhwc), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(PreprocessPicture, ScaleThenMeanThenStd) {
  const Directory dir;
  const std::string path = dir.write("a.ppm", ppm_bytes(1, 1, {10, 20, 30}));
  EXPECT_EQ(floats(prepared(path, "scale=1/255,mean=0.5:0.25:0,std=2:4:8")),
            (std::vector<float>{(10.0f / 255.0f - 0.5f) / 2.0f, (20.0f / 255.0f - 0.25f) / 4.0f,
                                30.0f / 255.0f / 8.0f}));
  EXPECT_EQ(floats(prepared(path, "scale=0.5,mean=1")), (std::vector<float>{4, 9, 14}));
  EXPECT_TRUE(contains(message_of([&] { prepared(path, "mean=1:2"); }), "2 values of mean"));
}

TEST(PreprocessPicture, EveryByteIsDividedNotMultiplied) {
  const Directory dir;
  std::vector<int> all(256);
  for (int i = 0; i < 256; ++i) all[static_cast<size_t>(i)] = i;
  const auto divided = floats(prepared(dir.write("a.pgm", ppm_bytes(256, 1, all)), "scale=1/255"));
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(divided[static_cast<size_t>(i)], static_cast<float>(i) / 255.0f);
  }
}

TEST(PreprocessPicture, GrayByBt601) {
  const Directory dir;
  const std::string path = dir.write("a.ppm", ppm_bytes(1, 1, {100, 200, 50}));
  test::expect_close(prepared(path, "color=gray"), {0.299 * 100 + 0.587 * 200 + 0.114 * 50}, 1e-4);
  EXPECT_EQ(prepared(path, "", {-1, 1, 1, 1}).shape(), (Shape{1, 1, 1, 1}));
  const std::string gray = dir.write("g.pgm", ppm_bytes(1, 1, {9}));
  EXPECT_EQ(floats(prepared(gray, "", {-1, 3, 1, 1})), (std::vector<float>{9, 9, 9}));
}

TEST(PreprocessPicture, StretchHasHalfPixelCentres) {
  const Directory dir;
  const std::string row = dir.write("r.pgm", ppm_bytes(2, 1, {0, 100}));
  // Output pixel o reads (o + ½)/2 − ½ = −¼, ¼, ¾, 1¼, and the edge repeats.
  EXPECT_EQ(floats(prepared(row, "fit=stretch,size=1x4")), (std::vector<float>{0, 25, 75, 100}));
  const std::string column = dir.write("c.pgm", ppm_bytes(1, 4, {0, 10, 20, 30}));
  EXPECT_EQ(floats(prepared(column, "fit=stretch,size=2x1")), (std::vector<float>{5, 25}));
}

TEST(PreprocessPicture, CropTakesTheMiddle) {
  const Directory dir;
  const std::string wide = dir.write("w.pgm", ppm_bytes(4, 2, {1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(floats(prepared(wide, "fit=crop,size=2x2")), (std::vector<float>{2, 3, 6, 7}));
  // Twice as large first (2×4 → 4×8), then columns 2 to 5: taps at ¾, 1¼, 1¾, 2¼.
  const Tensor twice = prepared(wide, "fit=crop,size=4x4");
  EXPECT_EQ(twice.shape(), (Shape{1, 1, 4, 4}));
  EXPECT_EQ(std::vector<float>(twice.as<float>(), twice.as<float>() + 4),
            (std::vector<float>{1.75f, 2.25f, 2.75f, 3.25f}));
}

TEST(PreprocessPicture, ResizeIsTheShortSideBeforeTheCrop) {
  const Directory dir;
  // Short side 2 → 4: 4×8; the crop of 2×2 takes rows 1, 2 and columns 3, 4. Row 1 reads ¼, row 2
  // ¾ between 10·r; column 3 reads 1¼, column 4 1¾.
  const std::string wide = dir.write("w.pgm", ppm_bytes(4, 2, {0, 1, 2, 3, 10, 11, 12, 13}));
  EXPECT_EQ(floats(prepared(wide, "fit=crop,resize=4,size=2x2")),
            (std::vector<float>{3.75f, 4.25f, 8.75f, 9.25f}));
  // Upright: 6×3 (rows) at short side 2: 4×2, all columns, rows 1 and 2. Without it, 3×3 is
  // cropped.
  std::vector<int> rows;
  for (int y = 0; y < 6; ++y) rows.insert(rows.end(), 3, 10 * y);
  const std::string high = dir.write("h.pgm", ppm_bytes(3, 6, rows));
  EXPECT_EQ(floats(prepared(high, "fit=crop,resize=2", {-1, 1, 2, 2})),
            (std::vector<float>{17.5f, 17.5f, 32.5f, 32.5f}));
  // A picture of the crop's own size is resized as well.
  const std::string square = dir.write("s.pgm", ppm_bytes(2, 2, {0, 10, 20, 30}));
  EXPECT_EQ(floats(prepared(square, "fit=crop,resize=4,size=2x2")),
            (std::vector<float>{7.5f, 12.5f, 17.5f, 22.5f}));
  // The other side is rounded down: 5×2 at 3 is 7×3, and three columns begin at (7 − 3) / 2.
  const std::string odd = dir.write("o.pgm", ppm_bytes(5, 2, std::vector<int>(10, 9)));
  EXPECT_EQ(prepared(odd, "fit=crop,resize=3,size=3x3").shape(), (Shape{1, 1, 3, 3}));
  EXPECT_TRUE(contains(message_of([&] { prepared(wide, "fit=crop,resize=3,size=2x4"); }),
                       "resize=3 is less than the crop of 2x4"));
}

TEST(PreprocessPicture, CropOfAnAbsurdlyLongPictureStaysSmall) {
  const Directory dir;
  // Resized as a whole it would be 1000 × 30,000,000.
  const std::string path = dir.write("l.pgm", ppm_bytes(30000, 1, std::vector<int>(30000, 7)));
  const Tensor t = prepared(path, "fit=crop,size=1000x10");
  EXPECT_EQ(t.shape(), (Shape{1, 1, 1000, 10}));
  EXPECT_EQ(t.as<float>()[0], 7.0f);
}

TEST(PreprocessPicture, LetterboxKeepsTheAspect) {
  const Directory dir;
  const std::string wide = dir.write("w.pgm", ppm_bytes(2, 1, {1, 2}));
  EXPECT_EQ(floats(prepared(wide, "fit=letterbox,size=3x2")),
            (std::vector<float>{114, 114, 1, 2, 114, 114}));
  EXPECT_EQ(floats(prepared(wide, "fit=letterbox,size=3x2,letterbox=top-left,letterbox_value=0")),
            (std::vector<float>{1, 2, 0, 0, 0, 0}));
}

TEST(PreprocessPicture, SizesThatDifferNeedAFit) {
  const Directory dir;
  const std::string path = dir.write("w.pgm", ppm_bytes(2, 1, {1, 2}));
  const std::string message = message_of([&] { prepared(path, "", {1, 1, 28, 28}); });
  EXPECT_TRUE(contains(message, path));
  EXPECT_TRUE(contains(message, "fit=letterbox"));
}

TEST(PreprocessPicture, BadPicturesAreNamed) {
  const Directory dir;
  std::string bytes = ppm_bytes(8, 8, std::vector<int>(64, 1));
  const std::string cut = dir.write("cut.pgm", bytes.substr(0, 30));
  EXPECT_TRUE(contains(message_of([&] { prepared(cut, ""); }, ErrorCode::kInvalidFile), cut));
  const std::string text = dir.write("text.png", "this is no picture");
  EXPECT_TRUE(contains(message_of([&] { prepared(text, ""); }, ErrorCode::kInvalidFile), text));
  const std::string huge = dir.write("huge.pgm", "P5\n999999 999999\n255\nabc");
  EXPECT_TRUE(contains(message_of([&] { prepared(huge, ""); }, ErrorCode::kInvalidFile), huge));
}

}  // namespace
}  // namespace octile
