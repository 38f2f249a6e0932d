// Every tactic of a GPU, on every level of it, against the portable ones: int8 steps bit for bit,
// float steps within a tolerance. Where there is no GPU it says so, and why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>

#include "base/cpu.h"
#include "conformance/device_runner.h"
#include "support/gpu.h"

namespace octile {
namespace {

/// The first GPU at a level, or why not.
struct Opened {
  const Backend* backend = nullptr;
  Device device;
  std::string refusal;
};

Opened open_gpu(Isa isa) {
  Opened opened;
  try {
    const DeviceName where = device_from_name("cuda:0");
    opened.backend = where.backend;
    opened.device = where.backend->open(isa, 2, where.ordinal);
    if (test::Gpu().is_simulated()) opened.refusal = "a simulated GPU has the host's row alone";
  } catch (const Error& error) {
    opened.refusal = error.what();
  }
  return opened;
}

/// OCTILE_CONFORMANCE_EVERY=8: one case in eight of each tactic, for tools that take their time.
int cases_apart() {
  const char* value = std::getenv("OCTILE_CONFORMANCE_EVERY");
  return value == nullptr ? 1 : std::max(1, std::atoi(value));
}

class DeviceConformance : public testing::TestWithParam<Isa> {};

TEST_P(DeviceConformance, EveryTacticEqualsPortable) {
  const Isa isa = GetParam();
  const Opened gpu = open_gpu(isa);
  if (!gpu.refusal.empty()) {
    GTEST_SKIP() << "conformance of " << all_cases().size() << " cases on " << name_of(isa)
                 << " did not run: " << gpu.refusal;
  }
  ASSERT_EQ(gpu.device.isa, isa);
  const int apart = cases_apart();
  std::map<const Tactic*, int> ran, met;
  int failures = 0;
  for (const Case& c : all_cases()) {
    const StepView view = c.view();
    const Tactic* portable = portable_row(view);
    ASSERT_NE(portable, nullptr) << c.name;
    std::vector<std::vector<std::byte>> expected;
    for (const Tactic* tactic : accepting(*gpu.backend, view, gpu.device)) {
      // Rows of any GPU run on the weakest level alone, once.
      if (isa != Isa::kDp4a && tactic->isa() != isa) continue;
      if (met[tactic]++ % apart != 0) continue;
      if (expected.empty()) expected = run_tactic(*portable, c, Isa::kPortable);
      std::vector<RunOptions> arrangements{{}};
      if (view.as<ConvStep>() != nullptr) arrangements.push_back({.profile = 3});
      for (size_t i = 0; i < view.inputs.size(); ++i) {
        if (may_share(view, i)) arrangements.push_back({.in_place = static_cast<int>(i)});
      }
      for (const RunOptions& options : arrangements) {
        const std::string wrong =
            difference(c, expected, run_tactic_on(gpu.device, *tactic, c, options));
        EXPECT_EQ(wrong, "") << tactic->name() << " on " << c.name
                             << (options.in_place >= 0 ? ", in place" : "")
                             << (options.profile > 1 ? ", packed for a larger batch" : "");
        failures += wrong.empty() ? 0 : 1;
      }
      ++ran[tactic];
    }
    if (failures > 20) break;
  }
  for (const Tactic* tactic : gpu.backend->tactics()) {
    if (isa != Isa::kDp4a && tactic->isa() != isa) continue;
    if (!isa_includes(isa, tactic->isa())) continue;
    std::printf("  %-6s  %-36s %d cases\n", std::string(name_of(isa)).c_str(),
                std::string(tactic->name()).c_str(), ran[tactic]);
    if (failures == 0) {
      EXPECT_GT(ran[tactic], 0) << tactic->name() << " ran on no case; add one that it accepts";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Level, DeviceConformance,
                         testing::Values(Isa::kDp4a, Isa::kMma, Isa::kWgmma),
                         [](const auto& isa) { return std::string(name_of(isa.param)); });

}  // namespace
}  // namespace octile
