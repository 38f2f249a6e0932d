// OCTILE_FORCE_ISA: each level that the machine has is really taken, and the tactics that follow
// are of that level; a level that it lacks, or does not exist, is an error that says so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/cpu.h"
#include "conformance/case.h"

namespace octile {
namespace {

/// Sets the variable for one scope.
class ForcedIsa {
 public:
  explicit ForcedIsa(std::string_view name) {
    if (const char* old = std::getenv(kName)) saved_ = old;
    setenv(kName, std::string(name).c_str(), 1);
  }
  ~ForcedIsa() { saved_.empty() ? unsetenv(kName) : setenv(kName, saved_.c_str(), 1); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  static constexpr const char* kName = "OCTILE_FORCE_ISA";
  std::string saved_;
};

const Case& case_named(std::string_view name) {
  for (const Case& c : all_cases()) {
    if (c.name == name) return c;
  }
  throw std::runtime_error(fmt::format("no case is called {}", name));
}

class ForceIsa : public testing::TestWithParam<Isa> {};

TEST_P(ForceIsa, DecidesTheDeviceAndTheTactic) {
  const Isa isa = GetParam();
  const ForcedIsa forced(name_of(isa));
  if (!cpu_supports(isa)) {
    try {
      cpu_backend().open(std::nullopt, 1);
      FAIL() << "a level that the CPU lacks was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
      EXPECT_NE(std::string(e.what()).find(name_of(isa)), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find(cpu_refusal(isa)), std::string::npos) << e.what();
    }
    const auto compiled = compiled_isas();
    if (std::find(compiled.begin(), compiled.end(), isa) == compiled.end()) return;
    GTEST_SKIP() << name_of(isa) << " as the device's level did not run: " << cpu_refusal(isa);
  }
  const Device device = cpu_backend().open(std::nullopt, 1);
  EXPECT_EQ(device.isa, isa);
  // Products and convolutions have a kernel of every level: the best row must be of this one.
  for (const char* name : {"conv/rows/s8", "conv/same3x3/u8", "conv/pointwise/s8_residual"}) {
    const Tactic& tactic = first_accepting(cpu_backend(), case_named(name).view(), device);
    EXPECT_EQ(tactic.isa(), isa) << name << " runs as " << tactic.name();
  }
  for (const Case& c : all_cases()) {
    const Tactic& tactic = first_accepting(cpu_backend(), c.view(), device);
    EXPECT_TRUE(isa_includes(isa, tactic.isa())) << c.name << " runs as " << tactic.name();
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, ForceIsa,
                         testing::Values(Isa::kPortable, Isa::kAvx2, Isa::kAvxVnni,
                                         Isa::kAvx512Vnni, Isa::kAmx, Isa::kNeon, Isa::kNeonDot),
                         [](const auto& isa) { return std::string(name_of(isa.param)); });

TEST(ForcedIsaName, UnknownNamesAreRefused) {
  const ForcedIsa forced("avx9");
  try {
    cpu_backend().open(std::nullopt, 1);
    FAIL() << "OCTILE_FORCE_ISA=avx9 was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(e.what()).find("avx9"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace octile
