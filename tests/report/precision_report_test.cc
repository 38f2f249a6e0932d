// The report's data: what the plan holds, completed by the samples' distributions.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "octile/report.h"
#include "plan/plan_data.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

using Json = nlohmann::json;

Plan plan_with(const std::string& precision) {
  auto data = std::make_shared<PlanData>();
  data->name = "net";
  data->precision = precision;
  return Plan(std::move(data));
}

std::string measured(const std::string& scheme = "static-symmetric") {
  return Json{{"format", 1},
              {"model", "graph"},
              {"scheme", scheme},
              {"metric", {{"name", "top1"}, {"unit", "%"}}},
              {"engines", Json::array()},
              {"groups", Json::array()},
              {"tensors", {{{"name", "t"}}, {{"name", "unknown"}}}}}
      .dump();
}

/// Values 0, 1, …, 100, each `times` often, and one outlier of 2047.5.
CalibrationData samples(uint64_t times) {
  Histogram h;
  h.min = 0.0f;
  h.max = 2048.0f;  // bins of width 1
  h.positive.assign(Histogram::kBins, 0);
  h.negative.assign(Histogram::kBins, 0);
  for (size_t i = 0; i <= 100; ++i) h.positive[i] = times;
  h.positive[2047] = 1;
  h.finite = 101 * times + 1;
  h.zeros = times;
  CalibrationData data;
  data.histograms["t"] = h;
  return data;
}

Json report(const Plan& plan, const PrecisionReportOptions& options) {
  return Json::parse(precision_report_json(plan, options));
}

TEST(PrecisionReport, TakesWhatThePlanHoldsAndNamesTheFile) {
  const Json json = report(plan_with(measured()), {.model = "model.onnx",
                                                   .command = "octile build model.onnx",
                                                   .method = "minmax",
                                                   .evaluated = 12});
  EXPECT_EQ(json["model"], "model.onnx");
  EXPECT_EQ(json["command"], "octile build model.onnx");
  EXPECT_EQ(json["metric"]["samples"], 12);
  EXPECT_TRUE(contains(json["date"].get<std::string>(), "UTC"));
  EXPECT_FALSE(json["tensors"][0].contains("histogram"));
}

TEST(PrecisionReport, DrawsDistributionsWithEveryMethodsThreshold) {
  const CalibrationData data = samples(1000);
  const Json json =
      report(plan_with(measured()), {.histograms = &data, .method = "minmax", .percentile = 99.0});
  const Json& tensor = json["tensors"][0];
  uint64_t count = 0;
  for (const auto& bin : tensor["histogram"]["counts"]) count += bin.get<uint64_t>();
  EXPECT_EQ(count, 101u * 1000 + 1);
  EXPECT_EQ(tensor["histogram"]["hi"], 2048.0);
  ASSERT_EQ(tensor["thresholds"].size(), 4u);
  for (const Json& threshold : tensor["thresholds"]) {
    EXPECT_EQ(threshold["used"], threshold["method"] == "minmax");
    EXPECT_EQ(threshold["range"][0].get<double>(), -threshold["range"][1].get<double>());
    const double share = threshold["clipped"];
    if (threshold["method"] == "minmax") {
      EXPECT_EQ(share, 0.0);
    }
    // 99 % lie below 100: of 101,001 values those of 100 and the outlier, or the outlier alone.
    if (threshold["method"] == "percentile") {
      EXPECT_NEAR(share, 0.005, 0.0051);
    }
  }
  // min-max: steps of 2048 / 127, so that bins up to 100.5 fall on levels 0 … 6, and the outlier on
  // 127.
  EXPECT_EQ(tensor["levels_used"], 8);
  EXPECT_FALSE(json["tensors"][1].contains("histogram"));
}

TEST(PrecisionReport, AffineSchemesUseTheLevelsBelowZero) {
  const CalibrationData data = samples(10);
  const Json json =
      report(plan_with(measured("static-affine")), {.histograms = &data, .method = "minmax"});
  // Steps of 2048 / 255: bins up to 100.5 fall on levels 0 … 13, the outlier on 255.
  EXPECT_EQ(json["tensors"][0]["levels_used"], 15);
}

TEST(PrecisionReport, BinsThatAreWiderThanALevelFallOnSeveral) {
  const auto levels = [](uint64_t times) {
    const CalibrationData data = samples(times);
    const Json json = report(plan_with(measured("static-affine")),
                             {.histograms = &data, .method = "percentile", .percentile = 50.0});
    return json["tensors"][0]["levels_used"].get<int>();
  };
  // The range ends near 50, so that a bin of width 1 covers five levels; bin 0 counts as zeros.
  EXPECT_GE(levels(1000), 250);
  EXPECT_LE(levels(1000), 256);
  EXPECT_LE(levels(1), 102);  // so many values are there
}

TEST(PrecisionReport, DynamicSchemesHaveNoThresholds) {
  const CalibrationData data = samples(10);
  const Json json = report(plan_with(measured("dynamic-symmetric")), {.histograms = &data});
  EXPECT_TRUE(json["tensors"][0].contains("histogram"));
  EXPECT_FALSE(json["tensors"][0].contains("thresholds"));
}

TEST(PrecisionReport, WhatLiesTooDeepIsLeftOut) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  const std::string text =
      R"({"format":1,"scheme":"static-symmetric","tensors":[],"unknown":)" + deep + "}";
  EXPECT_LT(precision_report_json(plan_with(text)).size(), 1000u);
}

TEST(PrecisionReport, RefusesPlansWithoutMeasurements) {
  const auto refusal = [](const std::string& precision, ErrorCode code) {
    return message_of([&] { (void)precision_report_json(plan_with(precision)); }, code);
  };
  EXPECT_TRUE(
      contains(refusal("", ErrorCode::kInvalidArgument), "plan 'net' holds no measurements"));
  for (const char* broken : {"{", "[]", "{\"format\":2,\"tensors\":[]}", "{\"format\":1}",
                             "{\"format\":\"1\",\"tensors\":[]}", "{\"format\":1,\"tensors\":[7]}",
                             "{\"format\":1,\"scheme\":\"what\",\"tensors\":[]}"}) {
    const CalibrationData data = samples(1);
    const std::string message =
        message_of([&] { (void)precision_report_json(plan_with(broken), {.histograms = &data}); },
                   ErrorCode::kInvalidFile);
    EXPECT_TRUE(contains(message, "plan 'net'")) << broken << ": " << message;
  }
}

TEST(PrecisionReport, ThePageHoldsTheData) {
  const std::string page = precision_report_html(plan_with(measured()), {.model = "a&b.onnx"});
  EXPECT_TRUE(contains(page, "a&b.onnx"));
  EXPECT_EQ(page.rfind("<!", 0), 0u);
}

}  // namespace
}  // namespace octile::test
