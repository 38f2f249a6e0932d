// open_data(): every kind of source, which samples in which order, labels, digests, and the errors.
#include <cmath>
#include <optional>
#include <set>

#include "formats/data_files.h"
#include "octile/data.h"
#include "support/tensors.h"

namespace octile {
namespace {

using test::contains;
using test::Directory;
using test::idx_bytes;
using test::message_of;
using test::ppm_bytes;

/// All values of one input over all batches, and the batches' sizes.
struct Delivered {
  std::vector<float> values;
  std::vector<int64_t> batches;
};

Delivered deliver(BatchSource& source, const std::string& name = "") {
  Delivered d;
  while (auto batch = source.next()) {
    const Tensor t = batch->at(name).cast(DataType::kFloat32);
    d.values.insert(d.values.end(), t.as<float>(), t.as<float>() + t.volume());
    d.batches.push_back(t.shape()[0]);
  }
  return d;
}

Tensor ramp(int64_t count) { return test::counting<float>({count, 1}); }

std::vector<float> upto(float first, int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(first + static_cast<float>(i));
  return values;
}

TEST(Source, BatchesAndRewind) {
  const auto source = memory_data({{"", ramp(7)}}, 3);
  EXPECT_EQ(source->size(), 7);
  for (int round = 0; round < 2; ++round) {
    const Delivered d = deliver(*source);
    EXPECT_EQ(d.values, upto(0, 7));
    EXPECT_EQ(d.batches, (std::vector<int64_t>{3, 3, 1}));
    EXPECT_FALSE(source->next().has_value());
    source->rewind();
  }
}

TEST(Source, FirstSamplesAndSeed) {
  const Directory dir;
  save_npy(dir / "a.npy", ramp(100));
  DataOptions options;
  options.first = 10;
  options.samples = 5;
  EXPECT_EQ(deliver(*open_data(dir / "a.npy", options)).values, upto(10, 5));
  options.seed = 42;
  options.samples = 50;
  const auto drawn = deliver(*open_data(dir / "a.npy", options)).values;
  EXPECT_EQ(deliver(*open_data(dir / "a.npy", options)).values, drawn);
  const std::set<float> distinct(drawn.begin(), drawn.end());
  EXPECT_EQ(distinct.size(), 50u) << "drawn with replacement";
  EXPECT_GE(*distinct.begin(), 10.0f);
  EXPECT_FALSE(std::is_sorted(drawn.begin(), drawn.end()));
  options.seed = 43;
  EXPECT_NE(deliver(*open_data(dir / "a.npy", options)).values, drawn);
}

TEST(Source, RefusesWhatIsNotThere) {
  const Directory dir;
  save_npy(dir / "a.npy", ramp(4));
  const auto message = [&](auto change) {
    DataOptions options;
    change(options);
    return message_of([&] { open_data(dir / "a.npy", options)->next(); });
  };
  EXPECT_TRUE(contains(message([](auto& o) { o.first = 4; }), "skipping 4 leaves none"));
  EXPECT_TRUE(contains(message([](auto& o) { o.first = -1; }), "skipping -1"));
  EXPECT_TRUE(contains(message([](auto& o) { o.samples = 5; }), "5 samples were asked for, 4"));
  EXPECT_TRUE(contains(message([](auto& o) { o.samples = 0; }), "0 samples"));
  EXPECT_TRUE(contains(message([](auto& o) { o.batch = 0; }), "at least 1"));
  EXPECT_TRUE(contains(message([](auto& o) { o.input_shapes["x"] = {1, 3}; }), "do not fit"));
}

TEST(Source, NpzByKeyWithLabels) {
  const Directory dir;
  save_npz(dir / "a.npz", {{"x", ramp(3)},
                           {"ids", Tensor::int64s({7, 8, 9})},
                           {"labels", test::values<int32_t>({3}, {2, 0, 1})}});
  DataOptions options;
  options.batch = 2;
  options.first = 1;
  options.input_shapes = {{"x", {-1, 1}}, {"ids", {-1}}};
  const auto source = open_data(dir / "a.npz", options);
  EXPECT_EQ(source->labels(), (std::vector<int64_t>{0, 1}));
  const auto batch = source->next();
  ASSERT_EQ(batch->size(), 2u);
  EXPECT_EQ(test::list<float>(batch->at("x")), (std::vector<float>{1, 2}));
  EXPECT_EQ(test::list<int64_t>(batch->at("ids")), (std::vector<int64_t>{8, 9}));
}

TEST(Source, NpzKeysThatDoNotFitAreNamed) {
  const Directory dir;
  save_npz(dir / "a.npz", {{"x", ramp(3)}, {"y", ramp(3)}});
  DataOptions options;
  options.input_shapes = {{"x", {-1, 1}}, {"z", {-1, 1}}};
  const std::string message = message_of([&] { open_data(dir / "a.npz", options); });
  EXPECT_TRUE(contains(message, "'y' is no input"));
  EXPECT_TRUE(contains(message, "'z'"));
  save_npz(dir / "b.npz", {{"x", ramp(3)}});
  EXPECT_TRUE(contains(message_of([&] { open_data(dir / "b.npz", options); }), "input 'z'"));
  save_npz(dir / "c.npz", {{"x", ramp(3)}, {"z", ramp(4)}});
  EXPECT_TRUE(
      contains(message_of([&] { open_data(dir / "c.npz", options); }, ErrorCode::kInvalidFile),
               "4 samples, another 3"));
  save_npz(dir / "d.npz", {{"x", ramp(3)}, {"labels", Tensor::int64s({1})}});
  options.input_shapes.erase("z");
  EXPECT_TRUE(
      contains(message_of([&] { open_data(dir / "d.npz", options); }, ErrorCode::kInvalidFile),
               "1 labels for 3 samples"));
}

TEST(Source, IdxWithLabelsBeside) {
  const Directory dir;
  dir.write("t10k-images-idx3-ubyte", idx_bytes({2, 1, 2}, {"\x00\x33\x66\xff", 4}));
  test::write_gzip(dir / "t10k-labels-idx1-ubyte.gz", idx_bytes({2}, {"\x04\x01", 2}));
  DataOptions options;
  for (const std::string& path : {dir.path(), dir / "t10k-images-idx3-ubyte"}) {
    const auto source = open_data(path, options);
    EXPECT_EQ(source->labels(), (std::vector<int64_t>{4, 1}));
    const auto batch = source->next();
    EXPECT_EQ(batch->at("").shape(), (Shape{1, 1, 1, 2}));
    EXPECT_EQ(test::list<float>(batch->at("")), (std::vector<float>{0, 0x33}));
  }
  options.preprocess = Preprocess::parse("scale=1/255");
  EXPECT_EQ(deliver(*open_data(dir.path(), options)).values,
            (std::vector<float>{0, 51.0f / 255.0f, 102.0f / 255.0f, 1}));
}

TEST(Source, SeveralIdxSetsNeedAName) {
  const Directory dir;
  for (const char* set : {"train", "t10k"}) {
    dir.write(std::string(set) + "-images-idx3-ubyte", idx_bytes({1, 1, 1}, "a"));
  }
  const std::string message = message_of([&] { open_data(dir.path(), {}); });
  EXPECT_TRUE(contains(message, "t10k-images-idx3-ubyte"));
  EXPECT_TRUE(contains(message, "train-images-idx3-ubyte"));
  EXPECT_EQ(open_data(dir / "train-images-idx3-ubyte", {})->size(), 1);
}

TEST(Source, CifarRecords) {
  const Directory dir;
  std::string bytes;
  for (const char label : {'\x03', '\x09'}) {
    bytes += label;
    for (const int plane : {10, 20, 30})
      bytes += std::string(1024, static_cast<char>(plane + label));
  }
  const auto source = open_data(dir.write("test.bin", bytes), {});
  EXPECT_EQ(source->labels(), (std::vector<int64_t>{3, 9}));
  source->next();
  const Tensor second = source->next()->at("");
  EXPECT_EQ(second.shape(), (Shape{1, 3, 32, 32}));
  EXPECT_EQ(second.as<float>()[0], 19.0f);
  EXPECT_EQ(second.as<float>()[1024], 29.0f);
  EXPECT_EQ(second.as<float>()[3071], 39.0f);
}

TEST(Source, DirectoryOfPicturesByName) {
  const Directory dir;
  dir.write("b.pgm", ppm_bytes(1, 1, {2}));
  dir.write("a.pgm", ppm_bytes(1, 1, {1}));
  dir.write("c.pgm", ppm_bytes(1, 1, {3}));
  dir.write("notes.txt", "not a picture");
  DataOptions options;
  options.batch = 2;
  const auto source = open_data(dir.path(), options);
  EXPECT_EQ(source->size(), 3);
  const Delivered d = deliver(*source);
  EXPECT_EQ(d.values, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(d.batches, (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(source->labels().empty());
}

TEST(Source, PicturesAreDecodedWhenTheirBatchIsAskedFor) {
  const Directory dir;
  dir.write("a.pgm", ppm_bytes(1, 1, {1}));
  dir.write("b.pgm", "broken");
  const auto source = open_data(dir.path(), {});
  EXPECT_EQ(test::list<float>(source->next()->at("")), std::vector<float>{1});
  EXPECT_TRUE(contains(message_of([&] { source->next(); }, ErrorCode::kInvalidFile), "b.pgm"));
}

TEST(Source, PicturesOfDifferentSizesInOneBatch) {
  const Directory dir;
  dir.write("a.pgm", ppm_bytes(1, 1, {1}));
  dir.write("b.pgm", ppm_bytes(2, 1, {1, 2}));
  DataOptions options;
  options.batch = 2;
  const auto source = open_data(dir.path(), options);
  EXPECT_TRUE(contains(message_of([&] { source->next(); }), "size differs"));
}

TEST(Source, PicturesOnTheirSideDoNotShareABatch) {
  const Directory dir;
  dir.write("a.pgm", ppm_bytes(2, 1, {1, 2}));
  dir.write("b.pgm", ppm_bytes(1, 2, {1, 2}));  // as many bytes
  DataOptions options;
  options.batch = 2;
  const auto source = open_data(dir.path(), options);
  const std::string message = message_of([&] { source->next(); });
  EXPECT_TRUE(contains(message, "b.pgm"));
  EXPECT_TRUE(contains(message, "(2, 1, 2, 1), they are (2, 1, 1, 2)"));
}

TEST(Source, ListWithLabels) {
  const Directory dir;
  dir.write("pictures/one picture.pgm", ppm_bytes(1, 1, {1}));
  dir.write("pictures/b.pgm", ppm_bytes(1, 1, {2}));
  const std::string list =
      dir.write("list.txt", "# comment\npictures/b.pgm\t7\n\npictures/one picture.pgm 3\r\n");
  const auto source = open_data(list, {});
  EXPECT_EQ(source->labels(), (std::vector<int64_t>{7, 3}));
  EXPECT_EQ(deliver(*source).values, (std::vector<float>{2, 1}));
  EXPECT_TRUE(open_data(dir.write("l2.txt", "pictures/b.pgm\n"), {})->labels().empty());
  const std::string half = dir.write("l3.txt", "pictures/b.pgm 1\npictures/one picture.pgm\n");
  EXPECT_TRUE(
      contains(message_of([&] { open_data(half, {}); }, ErrorCode::kInvalidFile), "1 of 2 lines"));
  const std::string missing = dir.write("l4.txt", "pictures/b.pgm\npictures/z.pgm\n");
  EXPECT_TRUE(contains(message_of([&] { open_data(missing, {}); }, ErrorCode::kIo), "line 2"));
}

TEST(Source, DigestFollowsSamplesAndPreprocessing) {
  const Directory dir;
  save_npy(dir / "a.npy", ramp(10));
  DataOptions options;
  const std::string digest = open_data(dir / "a.npy", options)->digest();
  EXPECT_EQ(digest.size(), 16u);
  options.batch = 4;
  EXPECT_EQ(open_data(dir / "a.npy", options)->digest(), digest) << "depends on the batch";
  options.samples = 9;
  EXPECT_NE(open_data(dir / "a.npy", options)->digest(), digest);
  options.samples = -1;
  options.preprocess.scale = 0.5f;
  EXPECT_NE(open_data(dir / "a.npy", options)->digest(), digest);
  dir.write("p/a.pgm", ppm_bytes(1, 1, {1}));
  const std::string before = open_data(dir / "p", {})->digest();
  dir.write("p/a.pgm", ppm_bytes(1, 1, {2}));
  EXPECT_NE(open_data(dir / "p", {})->digest(), before);
}

TEST(Source, PathsThatLeadNowhere) {
  const Directory dir;
  EXPECT_TRUE(contains(message_of([&] { open_data(dir / "none", {}); }, ErrorCode::kIo), "none"));
  const std::string strange = dir.write("x.dat", std::string("\x01\x02\x03\x04", 4));
  EXPECT_TRUE(contains(message_of([&] { open_data(strange, {}); }, ErrorCode::kInvalidFile),
                       "neither pictures"));
  EXPECT_TRUE(
      contains(message_of([&] { open_data(dir.write("empty", ""), {}); }, ErrorCode::kInvalidFile),
               "neither pictures"));
  std::filesystem::create_directories(dir / "void");
  EXPECT_TRUE(contains(message_of([&] { open_data(dir / "void", {}); }), "holds neither"));
}

TEST(Source, ArraysAreScaledButNotFitted) {
  const Directory dir;
  save_npy(dir / "a.npy", test::values<float>({1, 2, 2}, {1, 2, 3, 4}));
  DataOptions options;
  options.preprocess = Preprocess::parse("scale=2,mean=1:2");
  EXPECT_EQ(deliver(*open_data(dir / "a.npy", options)).values, (std::vector<float>{1, 3, 4, 6}));
  options.preprocess = Preprocess::parse("fit=stretch");
  const auto source = open_data(dir / "a.npy", options);
  EXPECT_TRUE(contains(message_of([&] { source->next(); }), "for pictures"));
}

/// The one batch of `array` as input x of shape `input`.
Tensor fitted(const Tensor& array, const Shape& input, const std::string& preprocess = "",
              std::optional<DataType> type = {}) {
  const Directory dir;
  save_npy(dir / "a.npy", array);
  DataOptions options;
  options.batch = 16;
  options.input_shapes["x"] = input;
  if (type) options.input_types["x"] = *type;
  if (!preprocess.empty()) options.preprocess = Preprocess::parse(preprocess);
  return open_data(dir / "a.npy", options)->next()->at("x");
}

TEST(ArrayShapes, ChannelsLastIsTransposedWhenLayoutSaysSoElseRefused) {
  const Tensor nhwc = test::values<float>({2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const std::vector<float> planes{1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12};
  for (const DataType type : {DataType::kFloat32, DataType::kUInt8, DataType::kFloat64}) {
    for (const Shape& input : {Shape{-1, 3, 1, 2}, Shape{-1, 3, -1, -1}}) {
      const Tensor t = fitted(nhwc.cast(type), input, "layout=nhwc");
      EXPECT_EQ(t.shape(), (Shape{2, 3, 1, 2}));
      EXPECT_EQ(test::list<float>(t), planes);
    }
    const std::string message = message_of([&] { fitted(nhwc.cast(type), {-1, 3, 1, 2}); });
    EXPECT_TRUE(contains(message, "(2, 1, 2, 3) do not fit the input (-1, 3, 1, 2)"));
    EXPECT_TRUE(contains(message, "layout=nhwc"));
    EXPECT_TRUE(contains(message, "(0, 3, 1, 2)"));
  }
  // An input that is channels-last itself takes it as it is; means go along the last axis.
  const Tensor same = fitted(nhwc, {-1, 1, 2, 3}, "layout=nhwc,mean=1:2:3");
  EXPECT_EQ(test::list<float>(same), (std::vector<float>{0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9}));
  const Tensor moved = fitted(nhwc, {-1, 3, 1, 2}, "layout=nhwc,mean=1:2:3");
  EXPECT_EQ(test::list<float>(moved), (std::vector<float>{0, 3, 0, 3, 0, 3, 6, 9, 6, 9, 6, 9}));
}

TEST(ArrayShapes, OtherOrdersAreRefused) {
  const auto refusal = [](const Shape& own, const Shape& input, const char* preprocess = "") {
    return message_of([&] { fitted(test::counting<float>(own), input, preprocess); });
  };
  EXPECT_TRUE(contains(refusal({2, 3, 1, 2}, {-1, 1, 2, 3}), "(0, 2, 3, 1)"));
  EXPECT_TRUE(contains(refusal({2, 3, 1, 2}, {-1, 1, 2, 3}, "layout=nhwc"), "(0, 2, 3, 1)"));
  EXPECT_TRUE(contains(refusal({2, 3, 4, 8}, {-1, 3, 8, 4}), "do not fit"));
  EXPECT_TRUE(contains(refusal({2, 8, 24}, {-1, 3, 8, 8}), "do not fit"));
  EXPECT_TRUE(contains(refusal({2, 6}, {-1, 7}), "do not fit"));
}

TEST(ArrayShapes, FlatSamplesAndAxesOfOneAreReshaped) {
  const std::pair<Shape, Shape> rows[] = {{{2, 12}, {-1, 3, 2, 2}},   {{2, 3, 2, 2}, {-1, 12}},
                                          {{2, 4, 3}, {-1, 1, 4, 3}}, {{2, 4, 3}, {-1, 1, -1, 3}},
                                          {{2, 1, 4, 3}, {-1, 4, 3}}, {{2, 4, 3, 1}, {-1, 1, 4, 3}},
                                          {{2, 1, 1, 5}, {-1, 5}},    {{2}, {-1, 1}}};
  for (const auto& [own, input] : rows) {
    const Tensor t = fitted(test::counting<float>(own), input);
    EXPECT_EQ(t.shape().rank(), input.rank()) << own.to_string();
    EXPECT_EQ(test::list<float>(t), test::list<float>(test::counting<float>(own)));
  }
}

TEST(ArrayTypes, AnyNumbersBecomeFloatsWhereTheInputIsFloat) {
  const Tensor numbers = test::values<float>({2, 2}, {1, 2, 3, 100});
  for (const DataType type : {DataType::kInt8, DataType::kUInt8, DataType::kInt16, DataType::kInt32,
                              DataType::kInt64, DataType::kFloat16, DataType::kFloat64}) {
    const Tensor t = fitted(numbers.cast(type), {-1, 2}, "scale=2", DataType::kFloat32);
    ASSERT_EQ(t.type(), DataType::kFloat32) << name_of(type);
    EXPECT_EQ(test::list<float>(t), (std::vector<float>{2, 4, 6, 200})) << name_of(type);
  }
}

TEST(ArrayTypes, IntegersTakeOnlyWhatTheyHold) {
  const auto to = [](const Tensor& array, DataType type) {
    return fitted(array, {-1, 1}, "", type);
  };
  const Tensor ids = Tensor::floats({2, 1}, {5, -7});
  EXPECT_EQ(test::list<int64_t>(to(ids, DataType::kInt64)), (std::vector<int64_t>{5, -7}));
  const Tensor wide = test::values<int64_t>({2, 1}, {3, 2147483647});
  EXPECT_EQ(test::list<int32_t>(to(wide, DataType::kInt32)), (std::vector<int32_t>{3, 2147483647}));
  const auto refusal = [&](const Tensor& array, DataType type) {
    return message_of([&] { to(array, type); });
  };
  const Tensor beyond = test::values<int64_t>({2, 1}, {3, 2147483648});
  EXPECT_TRUE(contains(refusal(beyond, DataType::kInt32), "value 2147483648 at position 1"));
  EXPECT_TRUE(contains(refusal(ids, DataType::kUInt8), "input 'x'"));
  EXPECT_TRUE(contains(refusal(Tensor::floats({1, 1}, {0.5f}), DataType::kInt32), "value 0.5"));
  EXPECT_TRUE(contains(refusal(Tensor::floats({1, 1}, {NAN}), DataType::kInt64), "is lost"));
}

}  // namespace
}  // namespace octile
