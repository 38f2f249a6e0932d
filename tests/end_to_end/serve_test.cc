// octile serve: who is started, with which words, and what is said where nobody can be.
#include <filesystem>

#include "end_to_end/program.h"

namespace octile::test {
namespace {

/// A program that tells its name and its words.
void write_teller(const Place& place, const std::string& name) {
  place.write(name, "#!/bin/sh\necho " + name + "\nfor word; do echo \"<$word>\"; done\n");
  std::filesystem::permissions(place / name, std::filesystem::perms::owner_all);
}

Start with_path(const Place& place, const std::string& python = "") {
  return {.environment = {{"PATH", place.path().string() + ":/usr/bin:/bin"},
                          {"OCTILE_PYTHON", python}}};
}

TEST(Serve, BecomesOctileServeWithItsWords) {
  const Place place;
  write_teller(place, "octile-serve");
  const Ended ended = octile(
      place,
      {"serve", "--threads", "3", "models", "--max-delay", "2", "-v", "--threads", "5", "a b"},
      with_path(place));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out,
            "octile-serve\n<--threads>\n<3>\n<models>\n<--max-delay>\n<2>\n<-v>\n<--threads>\n<5>\n"
            "<a b>\n");
}

TEST(Serve, TakesThePythonThatStartedIt) {
  const Place place;
  write_teller(place, "octile-serve");
  write_teller(place, "snake");
  const Ended ended = octile(place, {"serve", "models"}, with_path(place, place / "snake"));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out.rfind("snake\n<-c>\n", 0), 0u) << ended.out;
  EXPECT_TRUE(contains(ended.out, "octile._serve_cli")) << ended.out;
  EXPECT_TRUE(contains(ended.out, "<models>\n")) << ended.out;
}

TEST(Serve, NamesTheMissingExtra) {
  const Place place;
  Start nothing{.environment = {{"PATH", place.path().string()}, {"OCTILE_PYTHON", ""}}};
  Ended ended = octile(place, {"serve", "models"}, nothing);
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "pip install '.[serve]'")) << ended.err;
  if (!std::filesystem::exists("/usr/bin/python3")) return;
  // Python looks in the folder first.
  place.write("octile.py", "raise ImportError('none here')");
  nothing.environment = {{"OCTILE_PYTHON", "/usr/bin/python3"}, {"PYTHONPATH", ""}};
  ended = octile(place, {"serve", "models"}, nothing);
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "none here")) << ended.err;
  EXPECT_TRUE(contains(ended.err, "pip install '.[serve]'")) << ended.err;
}

}  // namespace
}  // namespace octile::test
