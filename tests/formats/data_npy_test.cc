// .npy and .npz: what NumPy writes is read, what we write is what NumPy writes, and damaged files
// are errors that name file and member.
#include <cstring>

#include "formats/data_files.h"
#include "octile/data.h"
#include "support/tensors.h"

namespace octile {
namespace {

using test::contains;
using test::Directory;
using test::message_of;
using test::npy_bytes;

template <typename T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

TEST(Npy, ReadsWhatNumpyWrites) {
  const Directory dir;
  // np.save(…, np.array([[1, 2, 3], [4, 5, 6]], '<f4')), with NumPy's own padding.
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.append(117 - header.size(), ' ');
  header += '\n';
  const std::string path = dir.write("a.npy", npy_bytes(header, raw<float>({1, 2, 3, 4, 5, 6})));
  EXPECT_EQ(load_npy(path), test::values<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
}

TEST(Npy, ReadsEveryVersionAndScalar) {
  const Directory dir;
  for (const int version : {1, 2, 3}) {
    const std::string text = "{'descr': '<i8', 'fortran_order': False, 'shape': ()}\n";
    const Tensor t = load_npy(dir.write("s.npy", npy_bytes(text, raw<int64_t>({-7}), version)));
    EXPECT_EQ(t.shape(), Shape{});
    EXPECT_EQ(test::list<int64_t>(t), std::vector<int64_t>{-7});
  }
}

TEST(Npy, TransposesFortranOrder) {
  const Directory dir;
  const std::string text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3)}";
  // [[1, 2, 3], [4, 5, 6]] column by column.
  const Tensor t = load_npy(dir.write("f.npy", npy_bytes(text, raw<int16_t>({1, 4, 2, 5, 3, 6}))));
  EXPECT_EQ(t, test::values<int16_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
}

TEST(Npy, SwapsBigEndian) {
  const Directory dir;
  const std::string text = "{'descr': '>i4', 'fortran_order': False, 'shape': (2,)}";
  const Tensor t = load_npy(dir.write("b.npy", npy_bytes(text, {"\0\0\0\x05\xff\xff\xff\xfe", 8})));
  EXPECT_EQ(test::list<int32_t>(t), (std::vector<int32_t>{5, -2}));
}

TEST(Npy, RoundTripKeepsEveryType) {
  const Directory dir;
  test::Random random(7);
  for (const DataType type :
       {DataType::kFloat32, DataType::kFloat64, DataType::kFloat16, DataType::kInt8,
        DataType::kUInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64, DataType::kBool}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 0, 3}, Shape{3, 1, 4, 2}}) {
      const Tensor t = test::random_bits(type, shape, random);
      save_npy(dir / "t.npy", t);
      EXPECT_EQ(load_npy(dir / "t.npy"), t) << name_of(type) << shape.to_string();
      EXPECT_EQ((test::file_bytes(dir / "t.npy").size() - t.bytes()) % 64, 0u);
    }
  }
}

TEST(Npy, RefusesWhatDoesNotHoldTogether) {
  const Directory dir;
  const std::string data = raw<float>({1, 2, 3, 4});
  const struct {
    const char* dictionary;
    const char* says;
  } rows[] = {
      {"{'fortran_order': False, 'shape': (4,)}", "lacks 'descr'"},
      {"{'descr': '<f4', 'shape': (4,)}", "lacks 'fortran_order'"},
      {"{'descr': '<f4', 'fortran_order': False}", "lacks 'shape'"},
      {"{'descr': '', 'fortran_order': False, 'shape': (4,)}", "byte order"},
      {"{'descr': 'Xf4', 'fortran_order': False, 'shape': (4,)}", "byte order"},
      {"{'descr': '<c8", "type does not end"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", "structured"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", "16 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "16 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}", "no number"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4", "does not end"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 4}", "no tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4)}", "8 axes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "16 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "no number"},
  };
  for (const auto& row : rows) {
    const std::string path = dir.write("bad.npy", npy_bytes(row.dictionary, data));
    const std::string message = message_of([&] { load_npy(path); }, ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(message, row.says)) << row.dictionary;
    EXPECT_TRUE(contains(message, path));
  }
}

TEST(Npy, TypesWithoutPlaceMakeTheFileInvalid) {
  const Directory dir;
  const std::pair<const char*, const char*> rows[] = {
      {"<c8", "complex numbers"}, {"<U4", "text"},     {"|O8", "Python objects"},
      {"|O", "Python objects"},   {"<u4", "unsigned"}, {"|S3", "text"}};
  for (const auto& [type, says] : rows) {
    const std::string text =
        std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (1,)}";
    const std::string message =
        message_of([&] { load_npy(dir.write("t.npy", npy_bytes(text, std::string(8, 'x')))); },
                   ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(message, type));
    EXPECT_TRUE(contains(message, says));
    EXPECT_TRUE(contains(message, "save it as float32"));
  }
}

TEST(Npy, EveryTruncationIsAnError) {
  const Directory dir;
  save_npy(dir / "t.npy", Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string bytes = test::file_bytes(dir / "t.npy");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string path = dir.write("cut.npy", bytes.substr(0, size));
    message_of([&] { load_npy(path); }, ErrorCode::kInvalidFile);
  }
}

TEST(Npz, RoundTripOfSeveralArrays) {
  const Directory dir;
  test::Random random(3);
  const std::map<std::string, Tensor> arrays{
      {"data", test::random_floats({4, 3, 2}, random)},
      {"a/b", test::random_bits(DataType::kInt64, {3}, random)},
      {"zeros", Tensor(DataType::kFloat32, {1000})}};
  save_npz(dir / "t.npz", arrays);
  EXPECT_EQ(load_npz(dir / "t.npz"), arrays);
  EXPECT_LT(test::file_bytes(dir / "t.npz").size(), 1500u) << "the zeros are not deflated";
  const std::string first = test::file_bytes(dir / "t.npz");
  save_npz(dir / "t.npz", arrays);
  EXPECT_EQ(test::file_bytes(dir / "t.npz"), first) << "the bytes depend on the clock";
}

TEST(Npz, TakesOneNpyUnderTheEmptyName) {
  const Directory dir;
  save_npy(dir / "t.npy", Tensor::int64s({4, 5}));
  EXPECT_EQ(load_npz(dir / "t.npy").at(""), Tensor::int64s({4, 5}));
}

TEST(Npz, ErrorsNameFileAndMember) {
  const Directory dir;
  const std::string no_zip = dir.write("x.npz", "PK is not all there is to a zip file");
  EXPECT_TRUE(contains(message_of([&] { load_npz(no_zip); }, ErrorCode::kInvalidFile), no_zip));
  const std::string missing = dir / "missing.npz";
  EXPECT_TRUE(contains(message_of([&] { load_npz(missing); }, ErrorCode::kIo), missing));
  test::Random random(5);
  save_npz(dir / "t.npz", {{"data", test::random_floats({400}, random)}});
  std::string bytes = test::file_bytes(dir / "t.npz");
  bytes[300] = static_cast<char>(bytes[300] ^ 0x10);  // inside the member's data
  const std::string damaged = dir.write("damaged.npz", bytes);
  EXPECT_TRUE(contains(message_of([&] { load_npz(damaged); }, ErrorCode::kInvalidFile),
                       "member 'data.npy'"));
}

TEST(Npz, DamageNeverEscapesAsAnythingButAnError) {
  const Directory dir;
  test::Random random(11);
  save_npz(dir / "t.npz", {{"a", test::random_floats({20}, random)}, {"b", Tensor::scalar(1.0f)}});
  const std::string bytes = test::file_bytes(dir / "t.npz");
  int errors = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(random.bits());
    if (i % 2 == 0) damaged.resize(i + 1);
    try {
      load_npz(dir.write("d.npz", damaged));
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, static_cast<int>(bytes.size() / 2));
}

}  // namespace
}  // namespace octile
