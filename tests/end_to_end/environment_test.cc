// What the program takes from its environment, and JSON that is nothing but JSON.
#include "end_to_end/program.h"
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

std::string relu_model() {
  Model model;
  model.input("x", {2, 3}).output("y").node("Relu", {"x"}, {"y"}).named("relu");
  return model.bytes();
}

TEST(Bench, LayersAreInTheJson) {
  const Place place;
  place.write("m.onnx", relu_model());
  octile_ok(place, {"build", "m.onnx", "-q"});
  const auto json = octile_json(place, {"bench", "m.plan", "--batch", "2", "--duration", "0.01",
                                        "--warmup", "0", "--layers"});
  ASSERT_FALSE(json.at("layers").empty());
  double percent = 0.0;
  for (const auto& layer : json.at("layers")) {
    for (const char* key : {"name", "step", "precision", "tactic", "us"}) {
      EXPECT_TRUE(layer.contains(key)) << key;
    }
    percent += layer.at("percent").get<double>();
  }
  EXPECT_NEAR(percent, 100.0, 1e-6);
  const auto without = octile_json(place, {"bench", "m.plan", "--batch", "2", "--duration", "0"});
  EXPECT_FALSE(without.contains("layers"));
}

TEST(Bench, SeveralPlansTakeTurns) {
  const Place place;
  place.write("m.onnx", relu_model());
  octile_ok(place, {"build", "m.onnx", "-q", "-o", "a.plan"});
  octile_ok(place, {"build", "m.onnx", "-q", "-o", "b.plan"});
  const Words bench{"bench",      "a.plan", "b.plan",   "--batch", "2",
                    "--duration", "0",      "--warmup", "0"};
  const auto json = octile_json(place, bench);
  ASSERT_EQ(json.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(json[i].at("file"), i == 0 ? "a.plan" : "b.plan");
    EXPECT_EQ(json[i].at("turns_ms").size(), 1u);  // one is the least
    EXPECT_GE(json[i].at("runs").get<int>(), 1);
  }
  EXPECT_TRUE(contains(octile_ok(place, bench), "time beside a.plan:\n  b.plan: "));
  EXPECT_EQ(octile(place, {"bench", "a.plan", "none.plan"}).code, 1);
}

TEST(Devices, ShowWhatIsForced) {
  const Place place;
  const Start forced{.environment = {{"OCTILE_FORCE_ISA", "portable"}}};
  EXPECT_EQ(octile_json(place, {"devices"}, forced)[0].at("forced"), "portable");
  EXPECT_TRUE(contains(octile_ok(place, {"devices"}, forced), "forced: portable"));
  const Start free{.environment = {{"OCTILE_FORCE_ISA", ""}}};
  EXPECT_TRUE(octile_json(place, {"devices"}, free)[0].at("forced").is_null());
}

/// libgomp tells its settings when it is loaded, once a start of the program.
Ended told(const Place& place, std::map<std::string, std::string> environment, const Words& words) {
  environment.insert({{"OMP_WAIT_POLICY", ""}, {"GOMP_SPINCOUNT", ""}});
  environment["OMP_DISPLAY_ENV"] = "verbose";
  return octile(place, words, {.environment = environment});
}

TEST(WaitPolicy, IsShortUnlessTheUserChose) {
#ifndef OCTILE_THREADS_OPENMP
  GTEST_SKIP() << "this build's threads are not OpenMP's";
#endif
  const Place place;
  place.write("two words.onnx", relu_model());
  const Words inspect{"inspect", "two words.onnx"};
  const Ended own = told(place, {}, inspect);
  if (count_of(own.err, "GOMP_SPINCOUNT") == 0) GTEST_SKIP() << "this build has no libgomp";
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_TRUE(contains(own.out, "relu"));                        // the words survived
  EXPECT_EQ(count_of(own.err, "GOMP_SPINCOUNT"), 2) << own.err;  // started again, once
  EXPECT_EQ(count_of(own.err, "GOMP_SPINCOUNT = '1000'"), 1) << own.err;
  const Ended count = told(place, {{"GOMP_SPINCOUNT", "77"}}, inspect);
  EXPECT_EQ(count_of(count.err, "GOMP_SPINCOUNT = '77'"), 1) << count.err;
  const Ended policy = told(place, {{"OMP_WAIT_POLICY", "active"}}, inspect);
  EXPECT_EQ(count_of(policy.err, "OMP_WAIT_POLICY = 'ACTIVE'"), 1) << policy.err;
}

}  // namespace
}  // namespace octile::test
