// Plan files: the same bytes from the same input, damage is refused, old files survive a failure,
// and a plan runs with the same bits where less instruction sets are to be had.
#include "end_to_end/digits.h"
#include "end_to_end/program.h"
#include "octile/data.h"

namespace octile::test {
namespace {

class PlanFile : public testing::Test {
 protected:
  PlanFile() { place_.write("m.onnx", DigitNetwork().onnx()); }

  Words build(const std::string& plan, const Words& more = {}) const {
    Words words{"build",     "m.onnx", "--int8",       "--calibrate", Digits::directory(),
                "--samples", "40",     "--tactics",    "first",       "-q",
                "-o",        plan,     "--preprocess", "scale=1/255"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Words run(const std::string& plan, const Words& more = {}) const {
    Words words{"run",     plan, "--data", Digits::directory(), "--samples", "24",
                "--batch", "8",  "-q"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  const Place place_;
};

TEST_F(PlanFile, HasTheSameBytesFromTheSameInput) {
  octile_ok(place_, build("a.plan"));
  octile_ok(place_, build("b.plan", {"--threads", "1", "--batch", "7"}));
  EXPECT_GT(place_.read("a.plan").size(), 4000u);
  EXPECT_EQ(place_.read("a.plan"), place_.read("b.plan"));
  octile_ok(place_, build("c.plan", {"--scheme", "static-affine"}));
  EXPECT_NE(place_.read("a.plan"), place_.read("c.plan"));
}

TEST_F(PlanFile, CutShortIsRefused) {
  octile_ok(place_, build("good.plan"));
  const std::string good = place_.read("good.plan");
  for (const size_t size : {size_t{0}, size_t{1}, size_t{8}, size_t{63}, size_t{64}, size_t{1000},
                            good.size() / 2, good.size() - 64, good.size() - 1}) {
    place_.write("cut.plan", good.substr(0, size));
    const Ended ended = octile(place_, run("cut.plan"));
    EXPECT_EQ(ended.code, 1) << size << ended.err;
    EXPECT_EQ(ended.out, "") << size;
    EXPECT_TRUE(contains(ended.err, "error: cut.plan: ")) << size;
  }
  place_.write("long.plan", good + std::string(64, '\0'));
  EXPECT_EQ(octile(place_, run("long.plan")).code, 1);
  EXPECT_EQ(octile(place_, run("good.plan")).code, 0);
}

TEST_F(PlanFile, WithAFlippedBitIsRefused) {
  octile_ok(place_, build("good.plan"));
  const std::string good = place_.read("good.plan");
  Random random(7);
  for (int i = 0; i < 24; ++i) {
    std::string bad = good;
    // The first ones in the preamble, the others anywhere.
    const auto at = size_t(random.integer(0, i < 8 ? 63 : int64_t(good.size()) - 1));
    bad[at] = char(bad[at] ^ (1 << random.integer(0, 7)));
    place_.write("bad.plan", bad);
    const Words words = i % 4 == 0   ? Words{"inspect", "bad.plan"}
                        : i % 4 == 1 ? Words{"retime", "bad.plan"}
                                     : run("bad.plan");
    const Ended ended = octile(place_, words);
    EXPECT_EQ(ended.code, 1) << words[0] << " with byte " << at << " changed\n" << ended.err;
    EXPECT_EQ(ended.out, "") << at;
    EXPECT_TRUE(contains(ended.err, "error: bad.plan: ")) << at;
    EXPECT_EQ(place_.read("bad.plan"), bad);
  }
}

TEST_F(PlanFile, OutputThatCannotBeWrittenIsToldAndLeavesNothingBehind) {
  octile_ok(place_, build("p.plan"));
  std::filesystem::create_directory(place_ / "directory");
  place_.write("file", "");
  const Words before = place_.names();
  for (const std::string target : {"nowhere/x", "directory", "file/x"}) {
    const Words commands[] = {build(target),
                              run("p.plan", {"-o", target}),
                              {"retime", "p.plan", "-q", "-o", target},
                              {"calibrate", "m.onnx", "--calibrate", Digits::directory(),
                               "--samples", "2", "-q", "--cache", target}};
    for (const Words& words : commands) {
      const Ended ended = octile(place_, words);
      EXPECT_EQ(ended.code, 1) << words[0] << ended.err;
      EXPECT_TRUE(contains(ended.err, "error: " + target + ": ")) << words[0];
      EXPECT_EQ(ended.err.find("Success"), std::string::npos) << ended.err;
      EXPECT_EQ(ended.err.find("ioctl"), std::string::npos) << ended.err;
      EXPECT_EQ(place_.names(), before) << words[0] << " " << target;
    }
  }
}

TEST_F(PlanFile, AFullDiskLeavesTheOldFile) {
  octile_ok(place_, build("p.plan", {"--cache", "c"}));
  octile_ok(place_, run("p.plan", {"-o", "o.npz"}));
  const Words before = place_.names();
  std::map<std::string, std::string> old;
  for (const std::string& name : before) old[name] = place_.read(name);
  Start full;
  full.largest_file = 500;  // bytes
  const Words commands[] = {build("p.plan"),
                            {"retime", "p.plan", "-q"},
                            run("p.plan", {"-o", "o.npz"}),
                            {"calibrate", "m.onnx", "--calibrate", Digits::directory(), "-q",
                             "--samples", "3", "--cache", "c"}};
  for (const Words& words : commands) {
    const Ended ended = octile(place_, words, full);
    EXPECT_EQ(ended.code, 1) << words[0] << ended.err;
    EXPECT_TRUE(contains(ended.err, "cannot write")) << words[0];
    EXPECT_EQ(place_.names(), before) << words[0];
    for (const auto& [name, bytes] : old) EXPECT_EQ(place_.read(name), bytes) << words[0] << name;
  }
}

class ForcedIsa : public PlanFile, public testing::WithParamInterface<const char*> {};

TEST_P(ForcedIsa, GivesTheSameBitsAndSaysThatItSelectedAnew) {
  const std::string isa = GetParam();
  const Start unforced{.environment = {{"OCTILE_FORCE_ISA", ""}}};
  const Start forced{.environment = {{"OCTILE_FORCE_ISA", isa}}};
  const auto usable = octile_json(place_, {"devices"}, unforced)[0].at("usable").get<Words>();
  const std::string best = usable[0];
  if (std::find(usable.begin(), usable.end(), isa) == usable.end()) {
    GTEST_SKIP() << "this machine lacks " << isa << "; its strongest is " << best;
  }
  octile_ok(place_, build("p.plan"), unforced);
  octile_ok(place_, run("p.plan", {"-o", "expected.npz"}), unforced);
  const Ended ended = octile(place_, run("p.plan", {"-o", "actual.npz"}), forced);
  EXPECT_EQ(ended.code, 0) << ended.err;
  const Tensor expected = load_npz(place_ / "expected.npz").at("scores");
  const Tensor actual = load_npz(place_ / "actual.npz").at("scores");
  ASSERT_EQ(actual.shape(), (Shape{24, 10}));
  EXPECT_EQ(std::memcmp(actual.data(), expected.data(), expected.bytes()), 0);
  const auto bench =
      octile_json(place_, {"bench", "p.plan", "--warmup", "0", "--duration", "0", "-q"}, forced);
  EXPECT_EQ(bench.at("isa"), isa);
  if (isa == best) {
    EXPECT_EQ(ended.err.find("warning"), std::string::npos) << ended.err;
    return;
  }
  for (const std::string& part :
       {"built on " + best, "uses " + isa, std::string("octile retime")}) {
    EXPECT_TRUE(contains(ended.err, part));
  }
  // --isa binds like the variable; after retime there is nothing to say any more.
  EXPECT_TRUE(contains(octile(place_, run("p.plan", {"--isa", isa}), unforced).err, "uses " + isa));
  octile_ok(place_, {"retime", "p.plan", "-q"}, forced);
  const Ended again = octile(place_, run("p.plan", {"-o", "again.npz"}), forced);
  EXPECT_EQ(again.err.find("warning"), std::string::npos) << again.err;
  const Tensor retimed = load_npz(place_ / "again.npz").at("scores");
  EXPECT_EQ(std::memcmp(retimed.data(), expected.data(), expected.bytes()), 0);
}

INSTANTIATE_TEST_SUITE_P(Isas, ForcedIsa,
                         testing::Values("portable", "avx2", "avxvnni", "avx512vnni", "amx"),
                         [](const auto& isa) { return std::string(isa.param); });

TEST_F(PlanFile, AnUnknownForcedIsaIsRefused) {
  const Ended ended =
      octile(place_, build("p.plan"), {.environment = {{"OCTILE_FORCE_ISA", "mmx"}}});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.err, "'mmx'"));
}

}  // namespace
}  // namespace octile::test
