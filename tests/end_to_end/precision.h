// A model with ranges, built where INT8 pays. Nothing hangs on how quick this machine is: the tests
// edit the timing cache that a build reads, or hold what must hold whatever was chosen.
#pragma once

#include <random>
#include <sstream>

#include "end_to_end/digits.h"
#include "end_to_end/program.h"

namespace octile::test {

class WherePays : public testing::Test {
 protected:
  WherePays() {
    place_.write("m.onnx", DigitNetwork().onnx());
    octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--samples", "40",
                       "--preprocess", "scale=1/255", "--cache", "c", "-q"});
  }
  /// "build m.onnx --int8 --cache c --threads 1 -o i.plan" and `more`.
  Ended build(const Words& more) {
    Words words{"build",  "m.onnx",         "--int8", "--cache",   "c", "-o",
                "i.plan", "--timing-cache", "times",  "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return octile(place_, words);
  }
  nlohmann::json built(const Words& more) {
    const Ended ended = build(more);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return octile_json(place_, {"inspect", "i.plan"});
  }
  /// The file "times" with `ns` for each group in float, in INT8, and for every whole engine.
  void write_times(double float_ns, double int8_ns) {
    std::string changed;
    std::istringstream lines(place_.read("times"));
    for (std::string line; std::getline(lines, line); changed += line + "\n") {
      const size_t tab = line.rfind('\t');
      if (tab == std::string::npos) continue;
      const std::string key = line.substr(0, tab);
      const auto set = [&](double ns) { line = key + "\t" + std::to_string(ns); };
      if (key.rfind("group ", 0) == 0 && key.ends_with(" float32")) set(float_ns);
      if (key.rfind("group ", 0) == 0 && key.ends_with(" int8")) set(int8_ns);
      if (key.rfind("group ", 0) == 0 && key.ends_with(" int8-to-float")) set(int8_ns);
      if (key.rfind("engine ", 0) == 0 && key.ends_with(" ns")) set(1e6);
    }
    place_.write("times", changed);
  }
  /// The same with a time of its own for each group and label, drawn from `seed`.
  void write_random_times(unsigned seed) {
    std::mt19937 random(seed);
    std::string changed;
    std::istringstream lines(place_.read("times"));
    for (std::string line; std::getline(lines, line); changed += line + "\n") {
      if (line.rfind("group ", 0) != 0 || line.find("spread-ppm") != std::string::npos) continue;
      line = line.substr(0, line.rfind('\t') + 1) + std::to_string(1000 + random() % 100000);
    }
    place_.write("times", changed);
  }
  /// After these, builds with the file "times" choose INT8 for all, or float.
  void make_int8_quick() { measure_and_write(1e7, 1e5); }
  void make_int8_slow() { measure_and_write(1e5, 1e7); }

  /// What `octile compare` says of i.plan beside the model.
  nlohmann::json compared() {
    octile_ok(place_, {"compare", "m.onnx", "i.plan", "--data", Digits::directory(), "-q", "--json",
                       "compared.json"});
    return nlohmann::json::parse(place_.read("compared.json"));
  }
  static int int8_layers(const nlohmann::json& plan) {
    int count = 0;
    for (const auto& group : plan.at("precision").at("groups")) {
      count += group.at("precision") == "int8" ? 1 : 0;
    }
    return count;
  }

  const Place place_;

 private:
  /// Twice: the first choice by these times brings an engine whose own times are not there yet.
  void measure_and_write(double float_ns, double int8_ns) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(build({"-q"}).code, 0);
      write_times(float_ns, int8_ns);
    }
  }
};

/// What the measurements say of each layer is what the engine runs. A convolution that writes float
/// adds its residual in a float step of the same name.
inline void expect_consistent(const nlohmann::json& plan) {
  const auto& measured = plan.at("precision");
  ASSERT_TRUE(measured.is_object());
  EXPECT_EQ(measured.at("format"), 1);
  ASSERT_EQ(measured.at("engines").size(), 3u);
  const nlohmann::json* kept = nullptr;
  for (const auto& engine : measured.at("engines")) {
    EXPECT_GT(engine.at("ms").get<double>(), 0.0);
    EXPECT_GT(engine.at("bytes").get<int64_t>(), 0);
    if (!engine.at("kept").get<bool>()) continue;
    EXPECT_EQ(kept, nullptr) << "two engines are kept";
    kept = &engine;
  }
  ASSERT_NE(kept, nullptr);
  int int8 = 0;
  for (const auto& group : measured.at("groups")) {
    const std::string label = group.at("precision");
    int8 += label == "int8" ? 1 : 0;
    EXPECT_FALSE(group.at("reason") == "" && group.at("refusal") == "" && label != "float32");
    const bool weighted = group.at("op") == "Convolution" || group.at("op") == "MatMul";
    for (const auto& layer : plan.at("layers")) {
      const std::string step = layer.at("step");
      if (layer.at("name") != group.at("name") || step == "Quantize") continue;
      if (weighted && label == "int8" && step == "Eltwise") continue;
      EXPECT_EQ(layer.at("precision").get<std::string>().rfind(label, 0), 0u)
          << layer.dump() << group.dump();
    }
  }
  EXPECT_EQ(kept->at("int8"), int8);
}

}  // namespace octile::test
