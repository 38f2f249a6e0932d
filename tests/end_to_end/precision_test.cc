// Where INT8 pays: what `octile build` chooses, keeps to and refuses, and what `inspect` shows of
// it.
#include "end_to_end/precision.h"

#include "octile/data.h"

namespace octile::test {
namespace {

TEST_F(WherePays, TheDefaultMeasuresAndSaysWhy) {
  const Ended ended = build({"-v"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(count_of(ended.out, "\n"), 1) << ended.out;
  EXPECT_TRUE(contains(ended.err, "Whole engine: float "));
  const auto plan = octile_json(place_, {"inspect", "i.plan"});
  expect_consistent(plan);
  const std::string shown = octile_ok(place_, {"inspect", "i.plan"});
  for (const std::string& text : {shown, ended.err}) {
    EXPECT_TRUE(contains(text, "gain us"));
    EXPECT_EQ(count_of(text, ", kept\n"), 1) << text;
    for (const auto& group : plan.at("precision").at("groups")) {
      EXPECT_TRUE(contains(text, group.at("name")));
      EXPECT_TRUE(contains(text, group.at("reason")));
      EXPECT_TRUE(contains(text, group.at("refusal")));
    }
  }
}

TEST_F(WherePays, AllIsEveryLayerAndMeasuresNothing) {
  for (const Words& how : {Words{"--int8-layers", "all"},
                           {"--tactics", "first"},
                           {"--tactics", "first", "--int8-layers", "all"}}) {
    const auto plan = built(how);
    EXPECT_TRUE(plan.at("precision").is_null());
    for (const char* layer : {"conv1", "conv2", "fc"}) {
      EXPECT_TRUE(contains(layer_of(plan, layer).at("precision"), "int8"));
    }
    EXPECT_EQ(octile_ok(place_, {"inspect", "i.plan"}).find("gain us"), std::string::npos);
  }
}

TEST_F(WherePays, TheTimesDecide) {
  make_int8_quick();
  const auto quick = built({"-q"});
  expect_consistent(quick);
  for (const char* layer : {"conv1", "conv2", "fc"}) {
    EXPECT_TRUE(contains(layer_of(quick, layer).at("precision"), "int8"));
  }
  const std::string bytes = place_.read("i.plan");
  (void)built({"-q"});
  EXPECT_EQ(place_.read("i.plan"), bytes) << "the same times, another plan";

  make_int8_slow();
  const Ended ended = build({});
  EXPECT_TRUE(contains(ended.err, "INT8 pays nowhere: the engine is float"));
  EXPECT_TRUE(contains(ended.out, "(0 int8"));
  const auto slow = octile_json(place_, {"inspect", "i.plan"});
  expect_consistent(slow);
  EXPECT_EQ(int8_layers(slow), 0);
  EXPECT_TRUE(contains(layer_of(slow, "conv1").at("note"), "INT8 saves nothing"));
}

TEST_F(WherePays, RequestsStandWhateverTheTimes) {
  for (const bool quick : {true, false}) {
    quick ? make_int8_quick() : make_int8_slow();
    const auto plan = built({"-q", "--precision", "conv1=float32", "--precision", "fc=int8"});
    expect_consistent(plan);
    EXPECT_EQ(layer_of(plan, "conv1").at("precision"), "float32");
    EXPECT_TRUE(contains(layer_of(plan, "conv1").at("note"), "float32 was asked for"));
    EXPECT_TRUE(contains(layer_of(plan, "fc").at("precision"), "int8"));
  }
}

TEST_F(WherePays, AnEarlierChoiceIsTakenOver) {
  const auto labels = [](const nlohmann::json& plan) {
    std::map<std::string, std::string> found;
    for (const auto& layer : plan.at("layers")) found[layer.at("name")] = layer.at("precision");
    return found;
  };
  for (const bool quick : {true, false}) {
    quick ? make_int8_quick() : make_int8_slow();
    const auto first = labels(built({"-q", "--precision", "conv2=float32"}));
    std::filesystem::copy(place_ / "i.plan", place_ / "first.plan",
                          std::filesystem::copy_options::overwrite_existing);
    const Words taking{"-q", "--precision-from", "first.plan", "--tactics", "first"};
    const auto again = built(taking);
    EXPECT_EQ(labels(again), first);
    EXPECT_TRUE(again.at("precision").is_null());
    const std::string bytes = place_.read("i.plan");
    (void)built(taking);
    EXPECT_EQ(place_.read("i.plan"), bytes);
  }
  Words other{"-q", "--precision-from", "first.plan", "--precision", "fc=int8"};  // all was float
  EXPECT_TRUE(contains(layer_of(built(other), "fc").at("precision"), "int8"));
  const Ended without = build({"--precision-from", "i.plan"});  // measured nothing itself
  EXPECT_EQ(without.code, 1);
  EXPECT_TRUE(contains(without.err, "--precision-from i.plan"));
  EXPECT_TRUE(contains(without.err, "holds no choice"));
  const Ended goal = build({"--precision-from", "first.plan", "--report", "r.html"});
  EXPECT_EQ(goal.code, 2);
  EXPECT_TRUE(contains(goal.err, "no --precision-from"));
}

TEST_F(WherePays, AChoiceOfAModelThatIsQuantizedComesOutAgain) {
  const std::string model =
      OCTILE_SOURCE_DIR "/../shared/data/mlperf-tiny-kws/tiny_kws_dscnn_qdq.onnx";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no " << model;
  Random random(3);
  save_npy(place_ / "x.npy", random_floats({8, 1, 49, 10}, random, 20.0f));
  const auto layers = [&](const Words& more) {
    Words words{"build",  model,     "--int8",    "--calibrate", "x.npy",     "-o",
                "q.plan", "--cache", "own.cache", "-q",          "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    octile_ok(place_, words);
    const auto plan = octile_json(place_, {"inspect", "q.plan"});
    std::vector<std::string> found;
    for (const auto& layer : plan.at("layers")) {
      found.push_back(layer.at("name").get<std::string>() + " " +
                      layer.at("step").get<std::string>() + " " +
                      layer.at("precision").get<std::string>());
    }
    return found;
  };
  for (unsigned seed = 0; seed < 3; ++seed) {
    const auto first = layers({"--timing-cache", "times"});
    std::filesystem::rename(place_ / "q.plan", place_ / "first.plan");
    EXPECT_EQ(layers({"--precision-from", "first.plan", "--tactics", "first"}), first) << seed;
    write_random_times(seed);
  }
  const auto measured = octile_json(place_, {"report", "first.plan"});
  for (const auto& group : measured.at("groups")) {  // w17, b3 …: constants
    EXPECT_NE(group.at("name").get<std::string>().find_first_of("qtno"), std::string::npos);
  }
}

TEST_F(WherePays, AChoiceThatDoesNotFitIsTold) {
  make_int8_quick();
  (void)built({"-q"});
  std::filesystem::copy(place_ / "i.plan", place_ / "first.plan");
  const Ended same = build({"--precision-from", "first.plan"});
  EXPECT_EQ(same.code, 0);
  EXPECT_FALSE(contains(same.err, "does not fit")) << same.err;
  const Ended other = build({"--precision-from", "first.plan", "--disable-pass", "fold-bias"});
  EXPECT_EQ(other.code, 0);
  for (const char* part : {"does not fit the network", "not the network's:\n  conv1",
                           "have no choice, and run in float:\n  conv1"}) {
    EXPECT_TRUE(contains(other.err, part)) << other.err;
  }
}

TEST_F(WherePays, WhateverTheTimesTheEngineRunsWhatWasChosen) {
  make_int8_quick();  // so that every group has its times in the file
  for (unsigned seed = 0; seed < 12; ++seed) {
    write_random_times(seed);
    SCOPED_TRACE(seed);
    for (const std::string objective : {"latency", "size"}) {
      expect_consistent(built({"-q", "--objective", objective}));
    }
  }
}

TEST_F(WherePays, ObjectivesAreKept) {
  const Words by_size{"-q", "--objective", "size"};
  EXPECT_EQ(build(by_size).code, 0);
  write_times(1e5, 1e7);  // a weight in INT8 is a quarter of one in float, whatever the time
  const auto size = built(by_size);
  expect_consistent(size);
  int weighted = 0;
  for (const auto& group : size.at("precision").at("groups")) {
    if (group.at("weights").is_null()) continue;
    EXPECT_EQ(group.at("precision"), "int8") << group.at("name");
    ++weighted;
  }
  EXPECT_EQ(weighted, 3);
  const auto throughput = built({"-q", "--objective", "throughput"});
  expect_consistent(throughput);
  EXPECT_EQ(size.at("precision").at("objective"), "size");
  EXPECT_EQ(throughput.at("precision").at("objective"), "throughput");
  EXPECT_EQ(built({"-q"}).at("precision").at("objective"), "latency");
}

TEST_F(WherePays, TheGoalIsKept) {
  make_int8_quick();  // so that the goal alone keeps layers float
  const Words data{"-q", "--evaluate", Digits::directory()};
  const auto with = [&](const Words& goal) {
    Words words = data;
    words.insert(words.end(), goal.begin(), goal.end());
    return words;
  };
  const auto worst = [](const nlohmann::json& result) {
    const auto& sqnr = result.at("tensors").back().at("sqnr_db");  // the output
    return sqnr.is_null() ? 1e9 : sqnr.get<double>();
  };
  for (const std::string least : {"20dB", "38", "80dB"}) {
    const auto plan = built(with({"--min-sqnr", least}));
    expect_consistent(plan);
    EXPECT_GE(worst(compared()), std::stod(least)) << least;
    EXPECT_EQ(plan.at("precision").at("asked").at("min_sqnr_db"), std::stod(least));
    EXPECT_EQ(int8_layers(plan) == 0, least == "80dB") << least;
  }
  const auto plan = built(with({"--max-loss", "0.2pt", "--min-sqnr", "25dB"}));
  const auto result = compared();
  const auto& metric = result.at("metric");
  EXPECT_EQ(metric.at("name"), "top1");
  EXPECT_LE(metric.at("reference").get<double>() - metric.at("candidate").get<double>(), 0.002);
  EXPECT_GE(worst(result), 25.0);
  // What was evaluated is what compare finds.
  for (const auto& engine : plan.at("precision").at("engines")) {
    if (!engine.at("kept").get<bool>()) continue;
    EXPECT_NEAR(engine.at("metric").get<double>(), 100 * metric.at("candidate").get<double>(),
                0.01);
    EXPECT_NEAR(engine.at("sqnr_db").get<double>(), worst(result), 0.1);
  }
  EXPECT_EQ(plan.at("precision").at("metric").at("name"), "top1");
}

TEST_F(WherePays, EvaluateAloneTellsHowEachEngineDoes) {
  const auto plan = built({"-q", "--evaluate", Digits::directory()});
  expect_consistent(plan);
  for (const auto& engine : plan.at("precision").at("engines")) {
    EXPECT_NEAR(engine.at("metric").get<double>(), DigitNetwork().hits(1) / 5.0, 3.0);
    const bool floats = engine.at("int8") == 0;
    if (!floats) {
      EXPECT_GT(engine.at("sqnr_db").get<double>(), 15.0);
    }
  }
  EXPECT_TRUE(plan.at("precision").at("pareto").empty());  // noise is for goals and reports
}

TEST_F(WherePays, MistakesAreToldBeforeTheCalibration) {
  const auto refused = [&](const Words& more, const Words& parts, int code = 2) {
    Words words{"build", "m.onnx"};
    words.insert(words.end(), more.begin(), more.end());
    if (more[0] == "--int8") {
      words.insert(words.end(), {"--calibrate", Digits::directory(), "--samples", "20"});
    }
    const Ended ended = octile(place_, words);
    EXPECT_EQ(ended.code, code) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(count_of(ended.err, "20/20"), 0) << ended.err;
    for (const std::string& part : parts) EXPECT_TRUE(contains(ended.err, part));
  };
  const std::pair<const char*, const char*> flags[] = {
      {"--max-loss", "0.3pt"}, {"--min-sqnr", "30dB"},  {"--evaluate", "data"},
      {"--metric", "top1"},    {"--labels", "l.txt"},   {"--report", "r.html"},
      {"--objective", "size"}, {"--noise-samples", "2"}};
  for (const auto& [flag, value] : flags) {
    refused({flag, value}, {flag, "needs --int8"});
    refused({"--int8", "--tactics", "first", flag, value}, {flag, "--tactics timed"});
    refused({"--int8", "--int8-layers", "all", flag, value}, {flag, "where-it-pays"});
  }
  refused({"--int8-layers", "all"}, {"--int8-layers", "needs --int8"});
  refused({"--int8", "--int8-layers", "where-it-pays", "--tactics", "first"}, {"--tactics timed"});
  refused({"--int8", "--int8-layers", "some"}, {"--int8-layers", "where-it-pays", "all"});
  refused({"--int8", "--noise-samples", "2"}, {"--noise-samples", "--report"});
  refused({"--int8", "--noise-samples", "0"}, {"--noise-samples", "'0'"});
  refused({"--int8", "--objective", "speed"}, {"--objective", "latency"});
  for (const char* loss : {"much", "-1pt", "3dB", "nan", "inf", "1ptpt", "pt"}) {
    refused({"--int8", "--max-loss", loss}, {"--max-loss", loss, "points (pt)"});
  }
  for (const char* sqnr : {"30pt", "30db", "-3dB", "1e999dB"}) {
    refused({"--int8", "--min-sqnr", sqnr}, {"--min-sqnr", sqnr, "decibels (dB)"});
  }
  Random random(5);
  save_npy(place_ / "x.npy", random_floats({20, 1, 28, 28}, random));
  refused({"--int8", "--max-loss", "1pt", "--evaluate", "x.npy"}, {"--max-loss", "--labels"});
  refused({"--int8", "--max-loss", "1pt", "--evaluate", "nowhere"}, {"nowhere"}, 1);
  refused({"--int8", "--evaluate", "x.npy", "--metric", "top1"}, {"--metric top1 needs labels"});
  refused({"--int8", "--report", "nowhere/r.html"}, {"nowhere/r.html: cannot write --report"}, 1);
  refused({"--int8", "--report", "same", "-o", "same"}, {"are the same file"});
  const Ended no_data = build({"--min-sqnr", "30dB"});
  EXPECT_EQ(no_data.code, 2);
  EXPECT_TRUE(contains(no_data.err, "need --evaluate DATA"));
}

}  // namespace
}  // namespace octile::test
