// The plan file: round trips, truncations, flipped bits, and headers altered under a correct
// checksum. Nothing may be accepted wrongly and nothing may crash.
#include <cstring>
#include <filesystem>
#include <set>

#include "base/bytes.h"
#include "octile/plan.h"
#include "plan/plans.h"

namespace octile::test {
namespace {

constexpr size_t kPreamble = 64, kVersionAt = 8, kHeaderBytesAt = 16, kChecksumAt = 40;

/// Gives altered bytes the checksum of a plan: the whole file with the checksum taken as zero.
void sign(std::string& bytes) {
  std::memset(bytes.data() + kChecksumAt, 0, 8);
  const uint64_t sum = Hash()
                           .add(bytes.data(), kPreamble)
                           .add(bytes.data() + kPreamble, bytes.size() - kPreamble)
                           .value();
  std::memcpy(bytes.data() + kChecksumAt, &sum, 8);
}

void expect_equal(const PlanData& a, const PlanData& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.built_on, b.built_on);
  EXPECT_EQ(a.preprocess, b.preprocess);
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.tensors, b.tensors);
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.profiles, b.profiles);
  ASSERT_EQ(a.steps.size(), b.steps.size());
  for (size_t s = 0; s < a.steps.size(); ++s) EXPECT_EQ(a.steps[s], b.steps[s]) << a.steps[s].name;
  ASSERT_EQ(a.blobs.size(), b.blobs.size());
  for (size_t i = 0; i < a.blobs.size(); ++i) {
    EXPECT_EQ(a.blobs[i].type, b.blobs[i].type);
    EXPECT_EQ(a.blobs[i].shape, b.blobs[i].shape);
    EXPECT_TRUE(std::ranges::equal(a.blobs[i].bytes, b.blobs[i].bytes)) << "blob " << i;
  }
}

TEST(PlanFile, EveryStepSurvives) {
  const PlanData plan = every_step_plan();
  std::set<size_t> kinds;
  for (const PlanStep& s : plan.steps) kinds.insert(s.step.index());
  ASSERT_EQ(kinds.size(), std::variant_size_v<Step>) << "the test's plan lacks a kind of step";
  const std::string bytes = serialize(plan);
  const auto back = read(bytes);
  expect_equal(plan, *back);
  EXPECT_EQ(serialize(*back), bytes);
  EXPECT_EQ(serialize(plan), bytes);
}

TEST(PlanFile, BlobsAreAligned) {
  const auto plan = read(serialize(every_step_plan()));
  ASSERT_FALSE(plan->blobs.empty());
  for (const Blob& b : plan->blobs) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b.bytes.data()) % 64, 0u);
  }
}

TEST(PlanFile, SavesAndLoads) {
  const std::string path = testing::TempDir() + "octile_plan_test.plan";
  const Plan plan(std::make_shared<PlanData>(every_step_plan()));
  plan.save(path);
  expect_equal(plan.data(), Plan::load(path).data());
  expect_equal(plan.data(), Plan::parse(plan.serialize()).data());
  EXPECT_EQ(Plan::load(path).layers().size(), plan.data().steps.size());
  std::filesystem::remove(path);
  EXPECT_TRUE(contains(message_of([&] { Plan::load(path); }, ErrorCode::kIo), path));
}

TEST(PlanFile, MetadataSurvives) {
  PlanData plan = every_step_plan();
  const std::string without = serialize(plan);
  const Metadata given{{"author", "somebody"},
                       {"empty", ""},
                       {"names", "cat\ndog"},
                       {std::string("z\0ero", 5), std::string("a\0b", 3)},
                       {"ключ", std::string(100'000, 'x')}};
  plan.metadata = given;
  const std::string bytes = serialize(plan);
  const auto back = read(bytes);
  expect_equal(plan, *back);
  EXPECT_EQ(serialize(*back), bytes);
  EXPECT_EQ(Plan(back).metadata(), given);
  // without any, the file is one of the time before there was metadata
  EXPECT_TRUE(read(without)->metadata.empty());
  plan.metadata.clear();
  EXPECT_EQ(serialize(plan), without);
}

TEST(PlanFile, MetadataBeyondItsBoundsIsRefused) {
  PlanData plan = every_step_plan();
  const auto refused = [&](Metadata metadata) {
    plan.metadata = std::move(metadata);
    return message_of([&] { read(serialize(plan)); }, ErrorCode::kInvalidFile);
  };
  EXPECT_TRUE(contains(refused({{"", "x"}}), "small.plan: a key of its metadata has 0 bytes"));
  EXPECT_TRUE(contains(refused({{std::string(1025, 'k'), ""}}), "has 1025 bytes"));
  Metadata many;
  for (size_t i = 0; i <= kMostMetadataEntries; ++i) many[std::to_string(i)] = "";
  EXPECT_TRUE(contains(refused(many), "4097 entries"));
  many.erase("0");
  plan.metadata = many;
  read(serialize(plan));
}

/// Many entries may point at one long string: a few bytes each would fill the memory.
TEST(PlanFile, MetadataThatSharesBytesIsCounted) {
  PlanData plan = every_step_plan();
  // Files are written back to front and refer forward: the last bytes are those of the first key.
  for (int i = 0; i < 40; ++i) plan.metadata["key " + std::to_string(10 + i)] = std::to_string(i);
  plan.metadata["first"] = std::string(1 << 19, 'v');
  std::string bytes = serialize(plan);
  const size_t text = bytes.find(plan.metadata["first"]);
  ASSERT_NE(text, std::string::npos);
  const size_t target = text - 4;  // its length lies before it
  int moved = 0;
  for (size_t at = kPreamble; at + 4 <= bytes.size(); at += 4) {
    uint32_t offset = 0;
    std::memcpy(&offset, bytes.data() + at, 4);
    if (offset == 0 || at + offset + 4 > bytes.size() || at >= target) continue;
    // a reference to a value "0" … "39"
    uint32_t length = 0;
    std::memcpy(&length, bytes.data() + at + offset, 4);
    const bool digit = length >= 1 && length <= 2 && bytes[at + offset + 4] >= '0' &&
                       bytes[at + offset + 4] <= '9' && bytes[at + offset + 4 + length] == '\0';
    if (!digit) continue;
    const auto there = uint32_t(target - at);
    std::memcpy(bytes.data() + at, &there, 4);
    ++moved;
  }
  ASSERT_GE(moved, 40);
  sign(bytes);
  EXPECT_TRUE(contains(message_of([&] { read(bytes); }, ErrorCode::kInvalidFile),
                       "its metadata is too large"));
}

TEST(PlanFile, EveryTruncationIsRefused) {
  const std::string bytes = serialize(every_step_plan());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string message =
        message_of([&] { read(std::string_view(bytes).substr(0, size)); }, ErrorCode::kInvalidFile);
    ASSERT_TRUE(contains(message, "small.plan")) << size;
  }
  message_of([&] { read(bytes + '\0'); }, ErrorCode::kInvalidFile);
}

TEST(PlanFile, FlippedBitsAreRefused) {
  const std::string bytes = serialize(every_step_plan());
  Random random(1);
  for (int round = 0; round < 6000; ++round) {
    std::string altered = bytes;
    const int64_t flips = round % 2 == 0 ? 1 : random.integer(2, 40);
    for (int64_t i = 0; i < flips; ++i) {
      altered[size_t(random.integer(0, int64_t(bytes.size()) - 1))] ^=
          char(1 << random.integer(0, 7));
    }
    if (altered == bytes) continue;
    message_of([&] { read(altered); }, ErrorCode::kInvalidFile);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

/// A plan that passes must be safe to use: every shape can be inferred, every tensor placed.
void use(const PlanData& plan) {
  for (const PlanProfile& p : plan.profiles) {
    std::vector<Shape> inputs;
    for (const auto& b : p.inputs) inputs.push_back(b.max);
    const auto shapes = infer_all_shapes(plan, inputs);
    for (size_t t = 0; t < shapes.size(); ++t) {
      if (p.offsets[t] < 0) continue;
      ASSERT_LE(p.offsets[t] + shapes[t].volume() * int64_t(size_of(plan.tensors[t].type)),
                p.arena_bytes);
    }
  }
}

TEST(PlanFile, AlteredHeadersUnderACorrectChecksumNeverCrash) {
  const std::string bytes = serialize(every_step_plan());
  uint64_t header = 0;
  std::memcpy(&header, bytes.data() + kHeaderBytesAt, 8);
  Random random(2);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 8000; ++round) {
    std::string altered = bytes;
    const int64_t changes = random.integer(1, 3);
    for (int64_t i = 0; i < changes; ++i) {
      const auto at = size_t(random.integer(int64_t(kPreamble), int64_t(kPreamble + header) - 1));
      const bool flip = random.integer(0, 1) == 0;
      altered[at] = flip ? char(altered[at] ^ (1 << random.integer(0, 7))) : char(random.bits());
    }
    sign(altered);
    try {
      use(*read(altered));
      ++accepted;
    } catch (const Error& error) {
      ++refused;
      ASSERT_TRUE(error.code() == ErrorCode::kInvalidFile ||
                  error.code() == ErrorCode::kUnsupported)
          << error.what();
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 100) << "names and padding may change; the checksum is not what refuses";
}

TEST(PlanFile, PreamblesThatLieAreRefused) {
  const std::string bytes = serialize(every_step_plan());
  Random random(3);
  for (size_t at = kVersionAt; at < kPreamble; at += 4) {
    if (at == kChecksumAt || at == kChecksumAt + 4) continue;
    for (const uint32_t value : {0u, 2u, 63u, 1u << 31, ~0u, uint32_t(random.bits())}) {
      std::string altered = bytes;
      std::memcpy(altered.data() + at, &value, 4);
      if (altered == bytes) continue;
      sign(altered);
      message_of([&] { read(altered); }, ErrorCode::kInvalidFile);
      if (HasFailure()) FAIL() << "word at " << at << " = " << value;
    }
  }
}

TEST(PlanFile, ForeignVersionsAreNamed) {
  std::string bytes = serialize(every_step_plan());
  bytes[kVersionAt] = 77;
  sign(bytes);
  const std::string message = message_of([&] { read(bytes); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(message, "small.plan"));
  EXPECT_TRUE(contains(message, "77"));
  EXPECT_TRUE(contains(message, "plan format 77"));
}

TEST(PlanFile, WhatIsNoPlanIsRefused) {
  EXPECT_TRUE(contains(message_of([] { read(""); }, ErrorCode::kInvalidFile), "small.plan"));
  EXPECT_TRUE(contains(message_of([] { read(std::string(500, 'x')); }, ErrorCode::kInvalidFile),
                       "small.plan"));
  const std::string path = testing::TempDir() + "octile_empty.plan";
  write_file(path, "");
  EXPECT_TRUE(contains(message_of([&] { Plan::load(path); }, ErrorCode::kInvalidFile), path));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace octile::test
