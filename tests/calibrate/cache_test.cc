// Both cache forms: round trips to the bit, odd but valid files, and hostile bytes.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <random>

#include "base/bytes.h"
#include "octile/calibration.h"

namespace octile {
namespace {

CalibrationTable sample_table() {
  CalibrationTable table;
  table.method = "entropy";
  table.path = "reproducible";
  table.model_digest = "0123456789abcdef";
  table.data_digest = "fedcba9876543210";
  table.preprocess = R"({"scale": 0.00392156862745098})";
  table.samples = 500;
  table.warnings = {"1 tensor(s) hold NaN: 'a\"b'; look"};
  table.entries["data"] = {{0.0f, 1.0f}, 2040.5f / 2048.0f};
  table.entries["(Unnamed Layer* 64) [Shuffle]_output"] = {{-0.1f, 3.3333333f}, 3.0f};
  table.entries["a: b \"quoted\" \\ \xc3\xa9"] = {{-1e-45f, 1e-40f}, 1.17e-38f};
  table.entries["zero"] = {};
  table.entries["seen"] = {{-0.1f, 0.3f}, 0.3f, Range{-0.7f, 3.3333333f}};
  table.entries["big"] = {{-3.4e38f, 3.4028235e38f}, 3.4028235e38f};
  return table;
}

void expect_equal(const CalibrationTable& a, const CalibrationTable& b) {
  EXPECT_EQ(a.entries, b.entries);
  EXPECT_EQ(a.method, b.method);
  EXPECT_EQ(a.percentile, b.percentile);
  EXPECT_EQ(a.path, b.path);
  EXPECT_EQ(a.model_digest, b.model_digest);
  EXPECT_EQ(a.data_digest, b.data_digest);
  EXPECT_EQ(a.preprocess, b.preprocess);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.warnings, b.warnings);
}

std::string message_of(std::string_view bytes) {
  try {
    CalibrationTable::parse(bytes, "file.cache");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile) << error.what();
    return error.what();
  }
  return "accepted";
}

void expect_refused(std::string_view bytes, const std::string& part) {
  const std::string message = message_of(bytes);
  EXPECT_NE(message.find("file.cache"), std::string::npos) << message;
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(JsonCache, RoundTripsEveryField) {
  CalibrationTable table = sample_table();
  expect_equal(CalibrationTable::from_json(table.to_json(), "x"), table);
  table.method = "percentile";
  table.percentile = 99.99;
  expect_equal(CalibrationTable::parse(table.to_json(), "x"), table);
  expect_equal(CalibrationTable::from_json(CalibrationTable{}.to_json(), "x"), CalibrationTable{});
}

TEST(JsonCache, RoundTripsAnyFloat) {
  std::mt19937 random(8);
  CalibrationTable table;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x7fffffffu);
    if (!std::isfinite(value)) continue;
    table.entries[std::to_string(i)] = {{-value, value / 3}, value};
  }
  const CalibrationTable read = CalibrationTable::from_json(table.to_json(), "x");
  EXPECT_EQ(read.entries, table.entries);
}

TEST(JsonCache, SavesAndLoadsFiles) {
  const std::string file = testing::TempDir() + "octile_cache_test.json";
  sample_table().save(file);
  expect_equal(CalibrationTable::load(file), sample_table());
  expect_equal(CalibrationTable::load_any(file), sample_table());
  std::filesystem::remove(file);
  EXPECT_THROW(CalibrationTable::load(file), Error);
}

TEST(JsonCache, EditedNumbersAreAcceptedWithoutBitsAndRefusedWithOtherBits) {
  CalibrationTable table;
  table.entries["t"] = {{-1.0f, 2.0f}, 2.0f};
  std::string json = table.to_json();
  const size_t at = json.find("\"max\": 2");
  ASSERT_NE(at, std::string::npos);
  json.replace(at, 8, "\"max\": 3");
  expect_refused(json, "delete \"bits\"");
  const size_t bits = json.find(", \"bits\"");
  json.erase(bits, json.find('}', bits) - bits);
  EXPECT_EQ(CalibrationTable::parse(json, "x").entries.at("t").range, (Range{-1.0f, 3.0f}));
}

std::string json_with(const std::string& from, const std::string& to) {
  CalibrationTable table;
  table.method = "entropy";
  table.entries["t"] = {{-1.0f, 2.0f}, 2.0f};
  std::string json = table.to_json();
  const size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

TEST(JsonCache, RefusesWrongFields) {
  expect_refused(json_with("octile-calibration", "something"), "no calibration cache");
  expect_refused(json_with("\"version\": 1", "\"version\": 9"), "version 9");
  expect_refused(json_with("\"version\": 1", "\"version\": 18446744073709551615"), "integer");
  expect_refused(json_with("\"entropy\"", "7"), "\"method\" must be a string");
  expect_refused(json_with("\"samples\": 0", "\"samples\": -1"), "negative");
  expect_refused(json_with("\"samples\": 0", "\"samples\": 1.5"), "integer");
  expect_refused(json_with("\"warnings\": []", "\"warnings\": {}"), "must be an array");
  expect_refused(json_with("\"warnings\": []", "\"warnings\": [1]"), "must hold strings");
  expect_refused(json_with("\"tensors\"", "\"sensors\""), "\"tensors\" is missing");
  expect_refused(json_with("\"min\"", "\"mean\""), "tensor 't': the field \"min\" is missing");
  expect_refused(json_with("bf800000", "zf800000"), "\"bits\" say otherwise");
  expect_refused(json_with("bf800000", "bf80000"), "8 hex digits");
  expect_refused(json_with("\"min\": -1", "\"min\": \"x\""), "\"min\" must be a number");
  expect_refused("{\"format\": \"octile-calibration\"", "not valid JSON");
  expect_refused("{}", "\"format\" is missing");
  expect_refused("", "no calibration cache");
  expect_refused(
      "\x7f"
      "ELF",
      "no calibration cache");
  expect_refused("1\nconv: 3c", "no calibration cache");
  const std::string no_bits =
      R"({"format":"octile-calibration","version":1,"method":"","path":"",)"
      R"("samples":0,"model":"","data":"","preprocess":"","warnings":[],"tensors":{"t":)";
  expect_refused(no_bits + R"({"min": 2, "max": 1, "threshold": 0}}})", "min ≤ max");
  expect_refused(no_bits + R"({"min": 0, "max": 1, "threshold": -1}}})", "threshold ≥ 0");
  expect_refused(no_bits + R"({"min": 0, "max": 1e39, "threshold": 1}}})", "must be finite");
  expect_refused(no_bits + "3}}", "must be a JSON object");
}

TEST(JsonCache, RefusesToWriteWhatItCouldNotRead) {
  CalibrationTable table;
  table.entries["t"] = {{0.0f, INFINITY}, 1.0f};
  EXPECT_THROW(table.to_json(), Error);
  table.entries["t"] = {};
  table.entries["bad \xff name"] = {};
  EXPECT_THROW(table.to_json(), Error);
}

TEST(JsonCache, TruncationAtEveryLengthAndRandomBytesAreRefusedOrEqual) {
  const std::string json = sample_table().to_json();
  for (size_t length = 0; length + 2 < json.size(); ++length) {
    EXPECT_NE(message_of(std::string_view(json).substr(0, length)), "accepted") << length;
  }
  std::mt19937 random(2);
  for (int trial = 0; trial < 3000; ++trial) {  // nothing but an Error of kInvalidFile may come out
    std::string broken = json;
    broken[random() % broken.size()] = static_cast<char>(random());
    message_of(broken);
  }
}

TEST(TensorRtCache, ReadsEveryVersionAndOddNames) {
  for (const char* version :
       {"7000", "7103", "8205", "8401", "8601", "100001", "100900", "101401"}) {
    const std::string text = std::string("TRT-") + version +
                             "-EntropyCalibration2\n"
                             "data: 3c008912\r\n"
                             "(Unnamed Layer* 64) [Shuffle]_output: 3dddc858\n"
                             "a: b: 0\n"
                             "\n"
                             "prob: 3C010A14";
    const CalibrationTable table = CalibrationTable::parse(text, "x");
    EXPECT_EQ(table.method, "EntropyCalibration2");
    EXPECT_EQ(table.path, "cache");
    ASSERT_EQ(table.entries.size(), 4u);
    EXPECT_EQ(table.entries.at("data").threshold, 2040.5f / 2048.0f);
    EXPECT_EQ(table.entries.at("data").range, (Range{-2040.5f / 2048.0f, 2040.5f / 2048.0f}));
    EXPECT_EQ(table.entries.at("a: b").threshold, 0.0f);
    EXPECT_EQ(table.entries.at("prob").threshold, 2048.5f / 2048.0f);
  }
}

TEST(TensorRtCache, WritesTheFormThatTensorRtWrites) {
  CalibrationTable table;
  table.method = "entropy";
  table.entries["data"].threshold = 2040.5f / 2048.0f;
  table.entries["zero"] = {};
  EXPECT_EQ(table.to_tensorrt(), "TRT-8601-EntropyCalibration2\ndata: 3c008912\nzero: 0\n");
  table.method = "minmax";
  EXPECT_EQ(table.to_tensorrt("100900").substr(0, 28), "TRT-100900-MinMaxCalibration");
  table.method = "EntropyCalibration";  // as read
  EXPECT_EQ(table.to_tensorrt("7103").substr(0, 27), "TRT-7103-EntropyCalibration");
  EXPECT_THROW(table.to_tensorrt("8-6"), Error);
  table.entries["two\nlines"] = {};
  EXPECT_THROW(table.to_tensorrt(), Error);
}

TEST(TensorRtCache, ScalesSurviveWithinOneUnit) {
  std::mt19937 random(3);
  int changed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t bits = 0x30000000u + static_cast<uint32_t>(random() % 0x20000000u);
    const std::string line = "t: " + [&] {
      char text[16];
      std::snprintf(text, sizeof text, "%x", bits);
      return std::string(text);
    }();
    const auto table = CalibrationTable::parse("TRT-8601-EntropyCalibration2\n" + line, "x");
    const float scale = table.entries.at("t").threshold / 127.0f;
    const auto back = std::bit_cast<uint32_t>(scale);
    EXPECT_LE(std::abs(static_cast<int64_t>(back) - static_cast<int64_t>(bits)), 1);
    changed += back != bits;
  }
  EXPECT_LT(changed, 400);  // under 2 %: scales that no T / 127 gives
}

TEST(TensorRtCache, RefusesWhatIsNone) {
  const std::string head = "TRT-8601-EntropyCalibration2\n";
  expect_refused("TRT-8601", "line 1");
  expect_refused("TRT--Entropy\n", "line 1");
  expect_refused("TRT-8601-\n", "line 1");
  expect_refused(head + "no colon", "line 2");
  expect_refused(head + ": 3c008912", "line 2");
  expect_refused(head + "t: 3c00891200", "1 to 8 hex digits");
  expect_refused(head + "t: xyz", "1 to 8 hex digits");
  expect_refused(head + "t:", "1 to 8 hex digits");
  expect_refused(head + "t: -3c", "1 to 8 hex digits");
  expect_refused(head + "t: 7f800000", "finite");
  expect_refused(head + "t: 7fc00000", "finite");
  expect_refused(head + "t: bf800000", "at least 0");
  expect_refused(head + "t: 1\nt: 2", "listed twice");
}

}  // namespace
}  // namespace octile
