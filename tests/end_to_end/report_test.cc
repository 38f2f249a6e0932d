// --report and `octile report`: the page and the data in it, refusals, and the file that stays
// whole.
#include "end_to_end/precision.h"

namespace octile::test {
namespace {

class Report : public WherePays {
 protected:
  /// The data inside of a page.
  nlohmann::json data_of(const std::string& page) {
    const std::string html = place_.read(page);
    EXPECT_EQ(html.rfind("<!DOCTYPE html>", 0), 0u) << html.substr(0, 80);
    const std::string mark = "<script type=\"application/json\" id=\"report\">";
    size_t at = html.find(mark);
    if (at == std::string::npos) {
      ADD_FAILURE() << "no data in " << page;
      return {};
    }
    at += mark.size();
    return nlohmann::json::parse(html.substr(at, html.find("</script>", at) - at), nullptr, false);
  }
};

TEST_F(Report, OfABuildHasItsCommandNoiseAndDistributions) {
  const Words words{"build",     "m.onnx", "--int8",       "--calibrate", Digits::directory(),
                    "--samples", "40",     "--preprocess", "scale=1/255", "--threads",
                    "1",         "-q",     "--report",     "r.html",      "-o",
                    "i.plan"};
  octile_ok(place_, words);
  EXPECT_EQ(place_.names(), (Words{"c", "i.plan", "m.onnx", "r.html"}));
  const auto plan = octile_json(place_, {"inspect", "i.plan"});
  expect_consistent(plan);
  auto data = data_of("r.html");
  EXPECT_EQ(data.at("model"), "m.onnx");
  EXPECT_EQ(data.at("command").get<std::string>().rfind("octile build m.onnx --int8", 0), 0u);
  EXPECT_EQ(data.at("metric").at("samples"), 40);
  EXPECT_EQ(data.at("groups"), plan.at("precision").at("groups"));
  EXPECT_FALSE(data.at("pareto").empty());
  int noisy = 0, drawn = 0;
  for (const auto& group : data.at("groups")) noisy += group.at("sqnr_db").is_number() ? 1 : 0;
  EXPECT_GE(noisy, 3);
  for (const auto& tensor : data.at("tensors")) {
    if (!tensor.contains("histogram") || tensor.at("histogram").is_null()) continue;
    ++drawn;
    EXPECT_EQ(tensor.at("thresholds").size(), 4u);
  }
  EXPECT_GE(drawn, 3);
}

TEST_F(Report, OfAPlanIsMadeAnew) {
  ASSERT_EQ(build({"-q"}).code, 0);
  EXPECT_TRUE(contains(octile_ok(place_, {"report", "i.plan"}), "i.html: "));
  EXPECT_EQ(place_.names(), (Words{"c", "i.html", "i.plan", "m.onnx", "times"}));
  const auto plain = data_of("i.html"), plan = octile_json(place_, {"inspect", "i.plan"});
  EXPECT_EQ(plain.at("groups"), plan.at("precision").at("groups"));
  for (const auto& tensor : plain.at("tensors")) EXPECT_FALSE(tensor.contains("histogram"));
  auto json = octile_json(place_, {"report", "i.plan"});
  for (auto key : {"groups", "engines", "tensors"}) EXPECT_EQ(json.at(key), plain.at(key));
  const Words with_data{
      "report",    "i.plan", "--model",  "m.onnx", "--calibrate", Digits::directory(),
      "--samples", "20",     "--method", "mse",    "-q"};
  json = octile_json(place_, with_data);
  int used = 0;
  for (const auto& tensor : json.at("tensors")) {
    if (!tensor.contains("thresholds")) continue;
    for (const auto& row : tensor.at("thresholds")) {
      used += row.at("used").get<bool>() ? 1 : 0;
      EXPECT_EQ(row.at("used").get<bool>(), row.at("method") == "mse");
    }
  }
  EXPECT_GE(used, 3);
}

TEST_F(Report, PercentilesAreTheUsers) {
  ASSERT_EQ(build({"-q"}).code, 0);
  const auto cut = [&](const Words& more) {
    Words words{"report", "i.plan",    "--model", "m.onnx",   "--calibrate", Digits::directory(),
                "-q",     "--samples", "20",      "--method", "percentile"};
    words.insert(words.end(), more.begin(), more.end());
    double sum = 0.0;
    const auto json = octile_json(place_, words);
    for (const auto& tensor : json.at("tensors")) {
      if (!tensor.contains("thresholds")) continue;
      for (const auto& row : tensor.at("thresholds")) {
        if (row.at("method") == "percentile") sum += row.at("clipped").get<double>();
      }
    }
    return sum;
  };
  EXPECT_GT(cut({"--percentile", "90"}), cut({}) + 0.05);
  EXPECT_EQ(cut({"--percentile", "99.99"}), cut({}));
  const Ended ended = octile(place_, {"report", "i.plan", "--percentile", "99"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.err, "--method percentile"));
}

/// The cache was made of pixels from 0 to 1, by another method than the flags' default.
TEST_F(Report, SamplesArePreparedAsTheCacheSays) {
  octile_ok(place_, {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "--samples", "40",
                     "--preprocess", "scale=1/255", "--method", "mse", "--cache", "mse", "-q"});
  octile_ok(place_,
            {"build", "m.onnx", "--int8", "--cache", "mse", "--calibrate", Digits::directory(),
             "--samples", "40", "--threads", "1", "-q", "--report", "r.html", "-o", "i.plan"});
  const auto data = data_of("r.html");
  EXPECT_EQ(data.at("method"), "mse");
  int seen = 0;
  for (const auto& tensor : data.at("tensors")) {
    if (tensor.at("producer") != -1) continue;
    ++seen;
    EXPECT_LE(tensor.at("histogram").at("hi").get<double>(), 1.0);
    EXPECT_GT(tensor.at("histogram").at("hi").get<double>(), 0.9);
    for (const auto& row : tensor.at("thresholds")) {
      EXPECT_EQ(row.at("used").get<bool>(), row.at("method") == "mse");
    }
  }
  EXPECT_EQ(seen, 1);
}

TEST_F(Report, IsRefusedWithTheReasonAndLeavesWhatWasThere) {
  ASSERT_EQ(build({"-q", "--int8-layers", "all"}).code, 0);
  for (const Words& more : {Words{}, {"--json"}}) {
    Words words{"report", "i.plan"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = octile(place_, words);
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(contains(ended.err, "holds no measurements"));
    EXPECT_TRUE(contains(ended.err, "where it pays"));
  }
  EXPECT_FALSE(place_.has("i.html"));
  ASSERT_EQ(build({"-q"}).code, 0);
  const std::pair<Words, const char*> cases[] = {{{"--model", "m.onnx"}, "--calibrate"},
                                                 {{"--calibrate", Digits::directory()}, "--model"},
                                                 {{"-o", "i.plan"}, "are the same file"},
                                                 {{"--method", "guess"}, "--method"}};
  for (const auto& [more, says] : cases) {
    Words words{"report", "i.plan"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = octile(place_, words);
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_TRUE(contains(ended.err, says));
  }
  EXPECT_EQ(octile(place_, {"report", "i.plan", "-o", "nowhere/r.html"}).code, 1);
  EXPECT_EQ(octile(place_, {"report", "m.onnx"}).code, 1);
  // The page goes through a temporary file: a full disk leaves the old one.
  place_.write("r.html", "old");
  const Ended full = octile(place_, {"report", "i.plan", "-o", "r.html"}, {.largest_file = 1000});
  EXPECT_EQ(full.code, 1) << full.err;
  EXPECT_EQ(place_.read("r.html"), "old");
  EXPECT_EQ(place_.names(), (Words{"c", "i.plan", "m.onnx", "r.html", "times"}));
}

}  // namespace
}  // namespace octile::test
