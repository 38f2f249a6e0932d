// IDX files and labels: gzip or plain, counts that do not fit, labels in every form.
#include "formats/data_files.h"
#include "octile/data.h"
#include "support/tensors.h"

namespace octile {
namespace {

using test::contains;
using test::Directory;
using test::idx_bytes;
using test::message_of;

TEST(Idx, ReadsPlainAndGzip) {
  const Directory dir;
  const std::string bytes = idx_bytes({2, 1, 3}, "\x01\x02\x03\x04\x05\xff");
  test::write_gzip(dir / "a.gz", bytes);
  const Tensor expected = test::values<uint8_t>({2, 1, 3}, {1, 2, 3, 4, 5, 255});
  EXPECT_EQ(load_idx(dir.write("a", bytes)), expected);
  EXPECT_EQ(load_idx(dir / "a.gz"), expected);
}

TEST(Idx, RefusesCountsThatDoNotFit) {
  const Directory dir;
  const std::string rows[] = {idx_bytes({2, 3}, "12345"), idx_bytes({2, 3}, "1234567"),
                              idx_bytes({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, "1"),
                              idx_bytes({0x80000000, 2}, ""),
                              idx_bytes({1, 1, 1}, "").substr(0, 10)};
  for (const std::string& bytes : rows) {
    const std::string path = dir.write("bad", bytes);
    EXPECT_TRUE(contains(message_of([&] { load_idx(path); }, ErrorCode::kInvalidFile), path));
  }
  std::string floats = idx_bytes({1}, "1234");
  floats[2] = 0x0d;
  EXPECT_TRUE(
      contains(message_of([&] { load_idx(dir.write("f", floats)); }, ErrorCode::kInvalidFile),
               "unsigned bytes"));
}

TEST(Idx, EveryTruncationOfGzipIsAnError) {
  const Directory dir;
  test::write_gzip(dir / "a.gz", idx_bytes({4}, "abcd"));
  const std::string bytes = test::file_bytes(dir / "a.gz");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string path = dir.write("cut.gz", bytes.substr(0, size));
    message_of([&] { load_idx(path); }, ErrorCode::kInvalidFile);
  }
}

TEST(Labels, ReadsEveryForm) {
  const Directory dir;
  const std::vector<int64_t> expected{7, 0, 255};
  EXPECT_EQ(load_labels(dir.write("a.txt", "7\n0\r\n\n255")), expected);
  EXPECT_EQ(load_labels(dir.write("a.idx", idx_bytes({3}, {"\x07\x00\xff", 3}))), expected);
  save_npy(dir / "a.npy", test::values<int32_t>({3}, {7, 0, 255}));
  EXPECT_EQ(load_labels(dir / "a.npy"), expected);
}

TEST(Labels, NamesTheLine) {
  const Directory dir;
  const std::string path = dir.write("a.txt", "7\n8\ncat\n");
  EXPECT_TRUE(contains(message_of([&] { load_labels(path); }, ErrorCode::kInvalidFile), "line 3"));
  const std::string huge = dir.write("b.txt", "99999999999999999999\n");
  EXPECT_TRUE(contains(message_of([&] { load_labels(huge); }, ErrorCode::kInvalidFile), "line 1"));
  save_npy(dir / "a.npy", test::values<int32_t>({1, 2}, {7, 0}));
  EXPECT_TRUE(contains(message_of([&] { load_labels(dir / "a.npy"); }, ErrorCode::kInvalidFile),
                       "one axis"));
}

}  // namespace
}  // namespace octile
