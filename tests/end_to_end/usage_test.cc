// What the program says about itself, its exit codes, and what goes to stdout and to stderr.
#include <cstdio>
#include <sstream>

#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"

namespace octile::test {
namespace {

const char* const kVerbs[] = {"calibrate", "build",  "run",   "compare", "quantize",  "bench",
                              "inspect",   "retime", "serve", "devices", "completion"};

/// True when a line begins so behind its indentation.
bool has_line(const std::string& text, const std::string& start) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find_first_not_of(' ');
    if (at != std::string::npos && at > 0 && line.compare(at, start.size(), start) == 0)
      return true;
  }
  return false;
}

/// y = relu(x), a model that builds in no time.
std::string tiny_model() {
  Model model;
  model.input("x", {2, 3}).output("y").node("Relu", {"x"}, {"y"}).named("relu");
  return model.bytes();
}

TEST(Usage, HelpListsEveryVerbAndTheExitCodes) {
  const Place place;
  const Ended help = octile(place, {"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* verb : kVerbs) {
    EXPECT_TRUE(has_line(help.out, std::string(verb) + " ")) << verb << " is not in:\n" << help.out;
  }
  EXPECT_TRUE(contains(help.out, "0 ok, 1 failed, 2 wrong usage, 3 unsupported model"));
}

TEST(Usage, EveryVerbExplainsItself) {
  const Place place;
  for (const std::string verb : kVerbs) {
    const Ended help = octile(place, {verb, "--help"});
    EXPECT_EQ(help.code, 0) << verb;
    EXPECT_EQ(help.err, "") << verb;
    for (const char* shared : {"--threads", "--quiet", "--verbose"}) {
      EXPECT_TRUE(contains(help.out, shared)) << verb;
    }
    EXPECT_TRUE(verb == "devices" || contains(help.out, "Example:")) << verb;
  }
}

TEST(Usage, Version) {
  const Place place;
  const Ended version = octile(place, {"--version"});
  EXPECT_EQ(version.code, 0);
  unsigned major = 0, minor = 0, patch = 0;
  ASSERT_EQ(std::sscanf(version.out.c_str(), "octile %u.%u.%u", &major, &minor, &patch), 3)
      << version.out;
  std::ostringstream whole;
  whole << "octile " << major << "." << minor << "." << patch << "\n";
  EXPECT_EQ(version.out, whole.str());
}

TEST(Usage, WrongWordsEndWith2AndNothingOnStdout) {
  const Place place;
  place.write("m.onnx", tiny_model());
  struct Case {
    Words words;
    const char* said;
  };
  const Case cases[] = {
      {{}, "subcommand"},
      {{"fly"}, "--help"},
      {{"build"}, "model"},
      {{"build", "m.onnx", "--nosuchflag"}, "--nosuchflag"},
      {{"build", "m.onnx", "--scheme", "sideways"}, "sideways"},
      {{"build", "m.onnx", "--method", "guess"}, "guess"},
      {{"build", "m.onnx", "--tactics", "best"}, "best"},
      {{"build", "m.onnx", "--isa", "mmx"}, "mmx"},
      {{"build", "m.onnx", "--threads", "-1"}, "--threads"},
      {{"build", "m.onnx", "--profile", "nonsense"}, "nonsense"},
      {{"build", "m.onnx", "--profile", "x:1x3/2x3"}, "x:1x3/2x3"},
      {{"build", "m.onnx", "--profile", "x:1x3/2xthree/2x3"}, "2xthree"},
      {{"build", "m.onnx", "--precision", "relu=int7"}, "int7"},
      {{"build", "m.onnx", "--precision", "relu"}, "relu"},
      {{"build", "m.onnx", "--int8", "--cache", "c", "--layer-scheme", "relu=sideways"},
       "sideways"},
      {{"build", "m.onnx", "--int8", "--range", "x=5"}, "x=5"},
      {{"build", "m.onnx", "--int8", "--range", "x=low:1"}, "low"},
      {{"build", "m.onnx", "--preprocess", "colour=rgb"}, "colour"},
      {{"build", "m.onnx", "--int8"}, "--calibrate"},
      {{"calibrate", "m.onnx"}, "--cache"},
      {{"build", "m.onnx", "--profile", "x:1x3/1x3/1x3,x:2x3/2x3/2x3"}, "twice"},
      {{"bench", "m.onnx", "--batch", "0"}, "--batch: must be a positive integer, not '0'"},
      {{"bench", "m.onnx", "--batch", "1.5"}, "'1.5'"},
      {{"completion", "tcsh"}, "tcsh"},
  };
  for (const Case& c : cases) {
    std::string line;
    for (const std::string& word : c.words) line += " " + word;
    const Ended ended = octile(place, c.words);
    EXPECT_EQ(ended.code, 2) << line << "\n" << ended.err;
    EXPECT_EQ(ended.out, "") << line;
    EXPECT_TRUE(contains(ended.err, c.said)) << line;
  }
  EXPECT_EQ(place.names(), Words{"m.onnx"});
}

TEST(Usage, MissingAndBrokenFilesEndWith1AndAreNamed) {
  const Place place;
  place.write("m.onnx", tiny_model());
  place.write("broken.onnx", tiny_model().substr(0, 40));
  place.write("text.plan", "no plan\n");
  place.write("text.npz", "PK no archive");
  octile_ok(place, {"build", "m.onnx", "-q"});
  const std::pair<Words, const char*> cases[] = {
      {{"build", "none.onnx"}, "none.onnx"},
      {{"build", "broken.onnx"}, "broken.onnx"},
      {{"inspect", "none.plan"}, "none.plan"},
      {{"inspect", "text.plan"}, "text.plan"},
      {{"bench", "none.plan"}, "none.plan"},
      {{"retime", "none.plan"}, "none.plan"},
      {{"retime", "m.onnx"}, "m.onnx"},
      {{"run", "none.plan", "--data", "."}, "none.plan"},
      {{"run", "text.plan", "--data", "."}, "text.plan"},
      {{"run", ".", "--data", "."}, "."},
      {{"run", "m.plan", "--data", "nowhere"}, "nowhere"},
      {{"run", "m.plan", "--data", "text.npz"}, "text.npz"},
      {{"calibrate", "m.onnx", "--calibrate", "nowhere", "--cache", "c"}, "nowhere"},
      {{"build", "m.onnx", "--int8", "--cache", "c"}, "c: no such cache"},
      {{"build", "m.onnx", "--preprocess", "none.json"}, "none.json"},
  };
  for (const auto& [words, said] : cases) {
    const Ended ended = octile(place, words);
    EXPECT_EQ(ended.code, 1) << words[0] << " " << words[1] << "\n" << ended.err;
    EXPECT_EQ(ended.out, "") << words[0] << " " << words[1];
    EXPECT_TRUE(contains(ended.err, "error: ")) << words[0] << " " << words[1];
    EXPECT_TRUE(contains(ended.err, said)) << words[0] << " " << words[1];
  }
}

TEST(Usage, AnUnsupportedModelEndsWith3AndAllItsNodesAreNamed) {
  const Place place;
  Model model;
  model.input("x", {1, 3}).output("y");
  model.node("Warp", {"x"}, {"a"}).named("first_bad");
  model.node("Relu", {"a"}, {"b"}).named("good");
  model.node("Weave", {"b"}, {"c"}).named("second_bad").domain("com.example");
  model.node("Warp", {"c"}, {"y"});  // without a name: its output stands for it
  place.write("m.onnx", model.bytes());
  for (const Words& words :
       {Words{"build", "m.onnx"}, {"inspect", "m.onnx"}, {"bench", "m.onnx"}}) {
    const Ended ended = octile(place, words);
    EXPECT_EQ(ended.code, 3) << words[0] << ended.err;
    EXPECT_EQ(ended.out, "") << words[0];
    for (const char* part : {"m.onnx", "3 nodes", "'first_bad' (Warp)",
                             "'second_bad' (com.example.Weave)", "'y' (Warp)"}) {
      EXPECT_TRUE(contains(ended.err, part)) << words[0];
    }
    EXPECT_EQ(ended.err.find("'good'"), std::string::npos) << ended.err;
  }
  EXPECT_FALSE(place.has("m.plan"));
}

TEST(Usage, ResultsAreOnStdoutTheRestOnStderr) {
  const Place place;
  place.write("m.onnx", DigitNetwork().onnx());
  const Words build{"build",     "m.onnx", "--int8",    "--calibrate", Digits::directory(),
                    "--samples", "20",     "--tactics", "first",       "--method",
                    "minmax"};  // clips nothing, so warns of nothing
  const auto with = [&](const char* flag) {
    Words words = build;
    if (*flag != '\0') words.push_back(flag);
    return octile(place, words);
  };
  const Ended plain = with(""), quiet = with("-q"), verbose = with("-v");
  for (const Ended* ended : {&plain, &quiet, &verbose}) {
    EXPECT_EQ(ended->code, 0) << ended->err;
    EXPECT_EQ(count_of(ended->out, "\n"), 1) << ended->out;
    EXPECT_EQ(ended->out.rfind("m.plan: ", 0), 0u) << ended->out;
  }
  EXPECT_TRUE(contains(plain.err, "20/20"));  // progress
  EXPECT_TRUE(contains(plain.err, "no --profile"));
  EXPECT_EQ(plain.err.find("debug:"), std::string::npos) << plain.err;
  EXPECT_EQ(quiet.err, "");
  EXPECT_TRUE(contains(verbose.err, "pass fold-bias"));
  for (const char* part : {"conv1", "conv2", "fc", "tactic"}) {
    EXPECT_TRUE(contains(verbose.err, part));
  }
  // In front of the verb the flags mean the same.
  Words in_front = build;
  in_front.insert(in_front.begin(), "-q");
  EXPECT_EQ(octile(place, in_front).err, "");
}

TEST(Usage, LostResultsAreAFailure) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full to write to";
  const Place place;
  place.write("m.onnx", tiny_model());
  Start start;
  start.output = "/dev/full";
  for (const Words& words : {Words{"inspect", "m.onnx"}, {"devices"}, {"completion", "bash"}}) {
    const Ended ended = octile(place, words, start);
    EXPECT_EQ(ended.code, 1) << words[0];
    EXPECT_TRUE(contains(ended.err, "stdout")) << words[0];
  }
}

TEST(Usage, DevicesAgreeWithTheProcessor) {
  const Place place;
  const nlohmann::json list = octile_json(place, {"devices"});
  ASSERT_FALSE(list.empty());
  const Words usable = list[0].at("usable").get<Words>();
  EXPECT_EQ(list[0].at("backend"), "cpu");
  EXPECT_EQ(usable.back(), "portable");
  EXPECT_GE(list[0].at("cores").get<int>(), 1);
  const std::string flags = bytes_of("/proc/cpuinfo");
  if (flags.empty()) GTEST_SKIP() << "there is no /proc/cpuinfo to compare with";
  const std::pair<const char*, const char*> pairs[] = {{"amx", " amx_int8"},
                                                       {"avx512vnni", " avx512_vnni"},
                                                       {"avxvnni", " avx_vnni"},
                                                       {"avx2", " avx2"}};
  for (const auto& [isa, flag] : pairs) {
    const bool lacks = flags.find(flag) == std::string::npos;
    const bool said = std::find(usable.begin(), usable.end(), isa) != usable.end();
    EXPECT_FALSE(lacks && said) << isa << " is said to be usable, but /proc/cpuinfo lacks" << flag;
  }
}

TEST(Usage, CompletionIsGoodBash) {
  const Place place;
  place.write("octile.bash", octile_ok(place, {"completion", "bash"}));
  const Ended check = run_program(place, {"bash", "-n", "octile.bash"});
  EXPECT_EQ(check.code, 0) << check.err;
  const auto complete = [&](const std::string& words, int at) {
    const std::string script = "source ./octile.bash; COMP_WORDS=(" + words +
                               "); COMP_CWORD=" + std::to_string(at) +
                               "; _octile; echo \"${COMPREPLY[*]}\"";
    return run_program(place, {"bash", "-c", script}).out;
  };
  EXPECT_EQ(complete("octile ca", 1), "calibrate\n");
  EXPECT_EQ(complete("octile bench --js", 2), "--json\n");
  EXPECT_EQ(complete("octile build m.onnx --layer-s", 3), "--layer-scheme\n");
  for (const char* verb : kVerbs) {
    EXPECT_TRUE(contains(complete("octile ''", 1), verb));
  }
}

TEST(Outputs, NeverOverwriteAnInputOrEachOther) {
  const Place place;
  place.write("m.onnx", tiny_model());
  const std::string model = bytes_of(place / "m.onnx");
  save_npy(place / "x.npy", counting<float>({2, 3}));
  const std::vector<Words> commands = {
      {"build", "m.onnx", "-o", "m.onnx"},
      {"build", "m.onnx", "-o", "./sub/../m.onnx"},
      {"calibrate", "m.onnx", "--calibrate", "x.npy", "--cache", "m.onnx"},
      {"quantize", "m.onnx", "--calibrate", "x.npy", "-o", "m.onnx"},
      {"quantize", "m.onnx", "--calibrate", "x.npy", "-o", "q.onnx", "--table", "q.onnx"},
      {"compare", "m.onnx", "m.onnx", "--data", "x.npy", "--json", "m.onnx"},
  };
  for (const Words& words : commands) {
    const Ended ended = octile(place, words);
    EXPECT_EQ(ended.code, 2) << words[0];
    EXPECT_TRUE(contains(ended.err, "are the same file")) << ended.err;
    EXPECT_EQ(bytes_of(place / "m.onnx"), model) << words[0];
  }
}

}  // namespace
}  // namespace octile::test
