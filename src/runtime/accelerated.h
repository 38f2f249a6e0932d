// What a context on a GPU has besides: a stream, device copies of what the user keeps on the host,
// recorded graphs, and what tells which step failed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/accelerator.h"
#include "octile/types.h"

namespace octile {

/// Graphs of one set of shapes: one for every set of addresses of inputs and outputs that ran.
class GraphCache {
 public:
  struct Entry {
    std::vector<void*> addresses;
    DeviceGraph graph = nullptr;  // null: ran step by step once, to be recorded when it comes again
    bool refused = false;         // cannot be recorded
    uint64_t last_used = 0;
  };
  explicit GraphCache(const Accelerator& accelerator) : accelerator_(accelerator) {}
  ~GraphCache() { clear(); }
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  /// The entry of these addresses, or null.
  Entry* find(const std::vector<void*>& addresses);
  /// A new one; the least recently used goes where there are many.
  Entry& add(const std::vector<void*>& addresses);
  void clear();

 private:
  static constexpr size_t kMost = 16;
  const Accelerator& accelerator_;
  std::vector<Entry> entries_;
  uint64_t uses_ = 0;
};

struct Accelerated {
  Accelerated(const Accelerator& accelerator, size_t tensors, size_t inputs, size_t outputs,
              size_t steps);
  ~Accelerated();
  Accelerated(const Accelerated&) = delete;
  Accelerated& operator=(const Accelerated&) = delete;

  const Accelerator& device;
  OwnedStream stream;
  /// Device copies; empty where the user's own device memory is used. For the max shapes.
  std::vector<Memory> inputs, outputs;
  std::vector<Shape> input_shapes;  // of what set_input() copied
  std::vector<bool> input_in_place, output_in_place;
  std::vector<Memory> late_inputs;  // by tensor: pinned copies of what late steps read
  std::vector<Memory> mirrors;      // by tensor, for TensorAccess
  std::vector<void*> addresses;     // of inputs and outputs of the run at hand
  Memory marks;
  Memory progress;        // pinned: steps done, while they run one by one
  OwnedEvent begin, end;  // of a profiled step
  OwnedEvent done;        // the last run's end
  Stream last = nullptr;  // where it went; the caller may have ended that stream since
  bool is_pending = false, by_steps = true;  // until somebody waited
};

}  // namespace octile
