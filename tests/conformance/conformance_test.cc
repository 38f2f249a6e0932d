// Every tactic of the CPU, on every ISA level of this machine, against the portable ones: int8
// steps bit for bit, float steps within a tolerance. Prints how many cases each ran, and fails
// when a tactic that this machine can use ran none.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "base/cpu.h"
#include "conformance/runner.h"
#include "kernels/portable/tactics.h"

namespace octile {
namespace {

bool is_portable_row(const Tactic& tactic) {
  const auto rows = portable_tactics();
  return std::find(rows.begin(), rows.end(), &tactic) != rows.end();
}

/// Runs `tactic` in several memory arrangements and compares each with `expected`. Returns how many
/// of them had rows apart.
int check_tactic(const Tactic& tactic, const Case& c, Isa isa,
                 const std::vector<std::vector<std::byte>>& expected) {
  std::vector<RunOptions> arrangements{{.threads = 2}};
  if (!kThreadSanitizer)
    arrangements.push_back({.threads = 1, .aligned = false});  // nobody to race
  const StepView view = c.view();
  const bool packs = view.as<ConvStep>() != nullptr || view.as<PoolStep>() != nullptr;
  if (packs && !is_portable_row(tactic)) {
    arrangements.push_back({.threads = 2, .profile = 3});
  }
  for (size_t i = 0; i < view.inputs.size(); ++i) {
    if (may_share(view, i)) arrangements.push_back({.threads = 2, .in_place = static_cast<int>(i)});
  }
  int apart = 0;
  for (const auto& [in_gap, out_gap] : {std::pair{0, 5}, {9, 0}, {64, 23}}) {
    const RunOptions options{.threads = 2, .in_gap = in_gap, .out_gap = out_gap};
    if (kThreadSanitizer && apart > 0) break;  // once is enough for races
    if (!tactic.takes_rows_apart(with_gaps(c, options))) continue;
    arrangements.push_back(options);
    ++apart;
  }
  for (const RunOptions& options : arrangements) {
    EXPECT_EQ(difference(c, expected, run_tactic(tactic, c, isa, options)), "")
        << tactic.name() << " on " << c.name << ", " << options.threads << " threads"
        << (options.aligned ? "" : ", misaligned") << (options.in_place >= 0 ? ", in place" : "")
        << (options.profile > 1 ? ", packed for a larger batch" : "") << ", gaps " << options.in_gap
        << " and " << options.out_gap;
  }
  return apart;
}

/// INT8 rows run on the level that they are written for; float ones obey the device's.
bool runs_elsewhere(const Tactic& tactic, Isa isa) {
  const bool weaker = isa_includes(isa, tactic.isa()) && tactic.isa() != isa;
  return weaker && (tactic.isa() != Isa::kPortable || is_portable_row(tactic));
}

class Conformance : public testing::TestWithParam<Isa> {};

TEST_P(Conformance, EveryTacticEqualsPortable) {
  const Isa isa = GetParam();
  if (!cpu_supports(isa)) {
    GTEST_SKIP() << "conformance on " << name_of(isa) << " did not run: " << cpu_refusal(isa);
  }
  const Device device = cpu_backend().open(isa, 2);
  ASSERT_EQ(device.isa, isa) << "the backend opened another level than the one asked for";
  std::map<const Tactic*, int> ran, apart;
  for (const Case& c : all_cases()) {
    const StepView view = c.view();
    const Tactic* portable = portable_row(view);
    ASSERT_NE(portable, nullptr) << c.name << ": no portable tactic accepts it";
    const auto expected = run_tactic(*portable, c, Isa::kPortable);
    for (const Tactic* tactic : accepting(cpu_backend(), view, device)) {
      EXPECT_TRUE(isa_includes(isa, tactic->isa()))
          << tactic->name() << " accepted a weaker device";
      if (runs_elsewhere(*tactic, isa)) continue;
      apart[tactic] += check_tactic(*tactic, c, isa, expected);
      ++ran[tactic];
    }
    if (HasFailure()) break;
  }
  for (const Tactic* tactic : cpu_backend().tactics()) {
    const bool usable = isa_includes(isa, tactic->isa()) && cpu_supports(tactic->isa());
    if (runs_elsewhere(*tactic, isa)) continue;
    std::printf("  %-11s  %-36s %s\n", std::string(name_of(isa)).c_str(),
                std::string(tactic->name()).c_str(),
                usable ? fmt::format("{} cases, {} runs apart", ran[tactic], apart[tactic]).c_str()
                       : fmt::format("SKIP: needs {}", name_of(tactic->isa())).c_str());
    if (usable && !HasFailure()) {
      EXPECT_GT(ran[tactic], 0) << tactic->name() << " ran on no case; add one that it accepts";
    }
  }
}

/// Kernels whose outputs networks concatenate.
TEST(Tactics, Int8RowsKeepTheirDistance) {
  std::set<std::string> expected{
      "int8.gemm", "int8.depthwise", "int8.pool",       "int8.eltwise",
      "lookup",    "move.runs",      "portable.concat", "portable.eltwise.int8"};
  for (const Case& c : all_cases()) {
    const StepView view = with_gaps(c, {.in_gap = 8, .out_gap = 8});
    for (const Tactic* tactic : cpu_backend().tactics()) {
      if (!tactic->refuse(view, {tactic->isa(), 1}).empty()) continue;
      if (!tactic->takes_rows_apart(view)) continue;
      std::erase_if(expected,
                    [&](const std::string& name) { return tactic->name().starts_with(name); });
    }
    if (expected.empty()) break;
  }
  for (const std::string& name : expected) ADD_FAILURE() << name << " takes no rows apart";
}

INSTANTIATE_TEST_SUITE_P(Isa, Conformance,
                         testing::ValuesIn(compiled_isas().begin(), compiled_isas().end()),
                         [](const auto& isa) { return std::string(name_of(isa.param)); });

TEST(Tactics, NamesAreUniqueAndEndInTheirIsa) {
  std::set<std::string_view> names;
  for (const Tactic* tactic : cpu_backend().tactics()) {
    EXPECT_TRUE(names.insert(tactic->name()).second) << tactic->name() << " is there twice";
    if (tactic->isa() == Isa::kPortable) continue;
    const std::string suffix = "." + std::string(name_of(tactic->isa()));
    EXPECT_TRUE(tactic->name().ends_with(suffix))
        << tactic->name() << " needs " << name_of(tactic->isa()) << " but is not called so";
    EXPECT_EQ(find_tactic(cpu_backend(), tactic->name()), tactic);
  }
}

TEST(Tactics, RefuseSaysWhy) {
  for (const Case& c : all_cases()) {
    for (const Tactic* tactic : cpu_backend().tactics()) {
      if (tactic->isa() == Isa::kPortable || cpu_supports(tactic->isa())) continue;
      EXPECT_NE(refusal(*tactic, c.view(), {compiled_isas()[0], 1}), "") << tactic->name();
    }
  }
}

}  // namespace
}  // namespace octile
