// Files and hashing.
#include "base/bytes.h"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "support/tensors.h"

namespace octile::test {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::path(testing::TempDir()) / ("octile_bytes_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string path(const char* name) const { return (directory_ / name).string(); }
  size_t entries() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(directory_)) ++count;
    return count;
  }
  std::filesystem::path directory_;
};

TEST_F(Files, WriteReadMap) {
  const std::string bytes("a\0b\xff", 4);
  write_file(path("f"), "old");
  write_file(path("f"), bytes);
  EXPECT_EQ(read_file(path("f")), bytes);
  const MappedFile mapped(path("f"));
  ASSERT_EQ(mapped.bytes().size(), 4u);
  EXPECT_EQ(mapped.bytes()[3], std::byte{0xff});
  EXPECT_EQ(entries(), 1u) << "no temporary file stays";
}

TEST_F(Files, ErrorsNameTheFile) {
  EXPECT_TRUE(contains(message_of([&] { read_file(path("none")); }, ErrorCode::kIo),
                       path("none") + ": cannot open to read: No such file"));
  EXPECT_TRUE(contains(message_of([&] { write_file(path("no/dir"), "x"); }, ErrorCode::kIo),
                       "is the directory there"));
  EXPECT_TRUE(contains(message_of([&] { read_file(directory_.string()); }, ErrorCode::kIo),
                       "not a regular file"));
  write_file(path("empty"), "");
  EXPECT_EQ(read_file(path("empty")), "");
  EXPECT_TRUE(contains(message_of([&] { MappedFile m(path("empty")); }, ErrorCode::kInvalidFile),
                       "the file is empty"));
}

TEST_F(Files, AFailedWriteKeepsTheOldFileAndLeavesNothing) {
  std::filesystem::create_directory(path("target"));  // cannot be replaced by a file
  EXPECT_TRUE(contains(message_of([&] { write_file(path("target"), "x"); }, ErrorCode::kIo),
                       "cannot replace"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, WhatALinkPointsToIsReplacedAndADeviceIsWrittenTo) {
  write_file(path("target"), "old");
  std::filesystem::create_symlink(path("target"), path("link"));
  write_file(path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("target")), "new");
  std::filesystem::create_symlink("/dev/null", path("nothing"));
  write_file(path("nothing"), "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_EQ(entries(), 3u);
}

TEST(Hash, StableAndSensitive) {
  EXPECT_EQ(Hash().hex(), Hash().hex());
  EXPECT_EQ(Hash().hex().size(), 16u);
  std::set<uint64_t> seen;
  std::string text(40, 'x');
  for (size_t size = 0; size <= text.size(); ++size) {
    seen.insert(Hash().add(text.data(), size).value());
  }
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      seen.insert(Hash().add(other.data(), other.size()).value());
    }
  }
  EXPECT_EQ(seen.size(), text.size() + 1 + text.size() * 8);
  EXPECT_NE(Hash().add("ab").add("c").value(), Hash().add("a").add("bc").value());
}

TEST(Hash, DoesNotChangeBetweenVersions) {  // caches and plans hold these
  EXPECT_EQ(Hash().value(), 0xcbf29ce484222325ull);
  EXPECT_EQ(Hash().add("a", 1).value(), 0xaf63dc4c8601ec8cull);  // FNV-1a's published value
}

}  // namespace
}  // namespace octile::test
