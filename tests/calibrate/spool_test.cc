// SpoolingSource: what was drawn once comes back as often as wanted, bit for bit.
#include "calibrate/spool.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

namespace octile {
namespace {

std::vector<Batch> some_batches() {
  std::mt19937 random(6);
  std::vector<Batch> batches;
  for (int64_t rows : {3, 1, 0, 5}) {
    Tensor image(DataType::kFloat32, {rows, 2, 7});
    for (int64_t i = 0; i < image.volume(); ++i)
      image.as<float>()[i] = static_cast<float>(random());
    Tensor ids(DataType::kInt64, {rows});
    for (int64_t i = 0; i < rows; ++i) ids.as<int64_t>()[i] = static_cast<int64_t>(random());
    batches.push_back({{"image", image}, {"ids", ids}});
  }
  return batches;
}

auto drawing(const std::vector<Batch>& batches, size_t& drawn) {
  return [&batches, &drawn]() -> std::optional<Batch> {
    if (drawn == batches.size()) return std::nullopt;
    return batches[drawn++];
  };
}

TEST(SpoolingSource, ReplaysWhatWasDrawnOnce) {
  const std::vector<Batch> batches = some_batches();
  size_t drawn = 0;
  SpoolingSource source(drawing(batches, drawn));
  source.rewind();  // before anything: draws nothing
  EXPECT_EQ(drawn, 0u);
  EXPECT_EQ(source.size(), -1);
  for (int pass = 0; pass < 3; ++pass) {
    for (const Batch& expected : batches) EXPECT_EQ(source.next(), expected);
    EXPECT_EQ(source.next(), std::nullopt);
    EXPECT_EQ(source.size(), 9);
    source.rewind();
  }
  EXPECT_EQ(drawn, batches.size());
}

TEST(SpoolingSource, RewindInTheMiddleDrawsTheRest) {
  const std::vector<Batch> batches = some_batches();
  size_t drawn = 0;
  SpoolingSource source(drawing(batches, drawn));
  source.next();
  source.rewind();
  EXPECT_EQ(drawn, batches.size());
  for (const Batch& expected : batches) EXPECT_EQ(source.next(), expected);
}

std::string digest_of(const std::vector<Batch>& batches) {
  size_t drawn = 0;
  SpoolingSource source(drawing(batches, drawn));
  while (source.next()) {
  }
  return source.digest();
}

TEST(SpoolingSource, DigestIgnoresOrderAndCutButNotValues) {
  std::vector<Batch> batches(3);
  for (int i = 0; i < 3; ++i) {
    const auto base = static_cast<float>(i);
    batches[static_cast<size_t>(i)][""] = Tensor::floats({1, 2}, {base, base + 0.5f});
  }
  const std::string digest = digest_of(batches);
  std::vector<Batch> swapped = {batches[2], batches[0], batches[1]};
  EXPECT_EQ(digest_of(swapped), digest);
  Batch joined;
  joined[""] = Tensor::floats({3, 2}, {0, 0.5f, 1, 1.5f, 2, 2.5f});
  EXPECT_EQ(digest_of({joined}), digest);
  joined[""].as<float>()[3] = 1.25f;
  EXPECT_NE(digest_of({joined}), digest);
  EXPECT_NE(digest_of({batches[0], batches[1]}), digest);
}

TEST(SpoolingSource, LeavesNoFileBehindAndSaysWhereItCannotWrite) {
  const std::string directory = testing::TempDir() + "octile_spool_test";
  std::filesystem::create_directory(directory);
  const char* saved = std::getenv("TMPDIR");
  const std::string before = saved ? saved : "";
  setenv("TMPDIR", directory.c_str(), 1);
  {
    const std::vector<Batch> batches = some_batches();
    size_t drawn = 0;
    SpoolingSource source(drawing(batches, drawn));
    source.next();
    EXPECT_TRUE(std::filesystem::is_empty(directory));
  }
  std::filesystem::remove(directory);
  try {
    SpoolingSource source([]() -> std::optional<Batch> { return std::nullopt; });
    ADD_FAILURE() << "spooled into a directory that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("TMPDIR"), std::string::npos);
  }
  saved ? setenv("TMPDIR", before.c_str(), 1) : unsetenv("TMPDIR");
}

TEST(SpoolingSource, RefusesBatchesThatDisagree) {
  const Batch uneven = {{"a", Tensor(DataType::kFloat32, {2, 3})},
                        {"b", Tensor(DataType::kFloat32, {3, 3})}};
  SpoolingSource source([&]() -> std::optional<Batch> { return uneven; });
  EXPECT_THROW(source.next(), Error);
  SpoolingSource empty([]() -> std::optional<Batch> { return Batch{}; });
  EXPECT_THROW(empty.next(), Error);
}

}  // namespace
}  // namespace octile
