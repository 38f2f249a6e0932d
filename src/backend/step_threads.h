// Whose threads a prepared step's loops run on.
#pragma once

#include <cstdint>

#include "backend/backend.h"

namespace octile {

enum class StepThreads : uint8_t {
  kTeam,    // parallel_for's: most steps
  kNone,    // it has no loop worth a thread
  kOpenMp,  // a vendor's library brings OpenMP's: no team may hold them
};

/// A Prepared whose threads are others than the team's says so by this base.
class HasStepThreads {
 public:
  explicit HasStepThreads(StepThreads threads) : threads_(threads) {}
  StepThreads threads() const { return threads_; }

 protected:
  ~HasStepThreads() = default;

 private:
  StepThreads threads_;
};

inline StepThreads threads_of(const Prepared& prepared) {
  const auto* other = dynamic_cast<const HasStepThreads*>(&prepared);
  return other != nullptr ? other->threads() : StepThreads::kTeam;
}

}  // namespace octile
