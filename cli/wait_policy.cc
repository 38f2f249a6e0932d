// See wait_policy.h; docs/performance.md has the figures.
#include "wait_policy.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

namespace octile::cli {
namespace {

/// Rounds of a pause instruction: about what it costs to wake a sleeping thread. With libgomp's own
/// 300,000 a thread that waits for one that is not running burns its core for a whole time slice.
constexpr const char* kSpins = "1000";

}  // namespace

void choose_wait_policy(char** argv) {
#ifdef OCTILE_THREADS_OPENMP
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  // By its own name, so that `ps` shows that; the variable itself keeps this from happening twice.
  std::array<char, PATH_MAX> self{};
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (length > 0 && setenv("GOMP_SPINCOUNT", kSpins, 0) == 0) execv(self.data(), argv);
#else
  (void)argv;
#endif
}

}  // namespace octile::cli
