// --recipe, by the real program: what it needs, what it refuses, and that its caches belong to it.
#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"

namespace octile::test {
namespace {

/// conv ▸ relu ▸ conv over (N, 2, 4, 4), and sixteen samples for it.
void write_model_and_samples(const Place& place) {
  Random random(5);
  const auto floats = [&](const Shape& shape) {
    const Tensor t = random_floats(shape, random);
    return std::vector<float>(t.as<float>(), t.as<float>() + t.volume());
  };
  Model model;
  model.input("x", {-1, 2, 4, 4}).output("y");
  model.floats("w1", {4, 2, 3, 3}, floats({4, 2, 3, 3})).floats("b1", {4}, floats({4}));
  model.floats("w2", {3, 4, 1, 1}, floats({3, 4, 1, 1}));
  model.node("Conv", {"x", "w1", "b1"}, {"a"}).named("first").ints("pads", {1, 1, 1, 1});
  model.node("Relu", {"a"}, {"r"}).named("relu");
  model.node("Conv", {"r", "w2"}, {"y"}).named("second");
  place.write("m.onnx", model.bytes());
  save_npy(place / "x.npy", random_floats({16, 2, 4, 4}, random));
}

TEST(Recipe, AllOfThemBuildAnInt8Engine) {
  const Place place;
  write_model_and_samples(place);
  octile_ok(place, {"build", "m.onnx", "-q", "--int8", "--int8-layers", "all", "--calibrate",
                    "x.npy", "--recipe", "equalize,mse-weights,fallback,bias-correction"});
  const auto plan = octile_json(place, {"inspect", "m.plan"});
  EXPECT_TRUE(contains(layer_of(plan, "second").at("precision").get<std::string>(), "int8"));
}

TEST(Recipe, ACacheMadeBehindEqualizeBelongsToIt) {
  const Place place;
  write_model_and_samples(place);
  const Words words{"build", "m.onnx", "-q", "--int8", "--calibrate", "x.npy", "--cache", "c"};
  Words equalized = words;
  equalized.insert(equalized.end(), {"--recipe", "equalize"});
  octile_ok(place, equalized);
  const std::string cache = bytes_of(place / "c");
  octile_ok(place, equalized);  // read again
  EXPECT_EQ(bytes_of(place / "c"), cache);
  const Ended other = octile(place, words);
  EXPECT_EQ(other.code, 1);
  EXPECT_TRUE(contains(other.err, "another model")) << other.err;
}

TEST(Recipe, IsRefusedWhereItCouldNotWork) {
  const Place place;
  write_model_and_samples(place);
  const auto refused = [&](const Words& more, const std::string& why) {
    Words words{"build", "m.onnx", "-q"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = octile(place, words);
    EXPECT_EQ(ended.code, 2);
    EXPECT_TRUE(contains(ended.err, why)) << ended.err;
  };
  refused({"--recipe", "fallback"}, "--int8");
  refused({"--int8", "--scheme", "dynamic-affine", "--recipe", "fallback"}, "--calibrate");
  refused({"--int8", "--calibrate", "x.npy", "--recipe", "magic"}, "magic");
}

}  // namespace
}  // namespace octile::test
