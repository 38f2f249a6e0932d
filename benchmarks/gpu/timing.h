// Times of work on the GPU: recorded as CUDA graphs, replayed in turns.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

namespace octile::benchmark {

/// Enqueues one call on operand set `set`; false when a library refuses it.
using Call = std::function<bool(int set, cudaStream_t stream)>;

/// A Replay is a call on each of several operand sets, recorded once: what the runtime does too, so
/// that the host's launches are not what is timed. Empty where the call was refused.
class Replay {
 public:
  Replay() = default;
  /// Calls once, which must go well or be refused, and records. Ends the program on a fault.
  Replay(int sets, const Call& call);
  ~Replay();
  Replay(Replay&& other) noexcept;
  Replay& operator=(Replay&& other) noexcept;

  explicit operator bool() const { return graph_ != nullptr; }
  /// Seconds of one call: a sample of a millisecond or more.
  double sample() { return sample(launches_); }

 private:
  double sample(int launches);

  int sets_ = 1, launches_ = 1;
  cudaGraphExec_t graph_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

struct Times {
  double median = 0, best = 0;  // seconds of one call
};

/// Each once a round; an untimed round comes first.
std::vector<Times> time_in_turns(const std::vector<Replay*>& replays, int rounds);

/// The median of a few samples: enough to choose by.
double time_shortly(Replay& replay);

/// Ends the program, naming `what`, if the GPU has failed.
void stop_on_fault(const char* what);

}  // namespace octile::benchmark
