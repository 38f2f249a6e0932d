// The seam between calibration and what computes the float network: a runner executes it on one
// chunk of samples and shows every intermediate tensor. Two implementations: the plain interpreter
// here (the same bits on any machine), and the fast float engine in fast_runner.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "octile/network.h"
#include "octile/tensor.h"

namespace octile {

/// Gets each tensor that the run computes, once, by its name in the network; the bytes are valid
/// during the call alone.
using ValueObserver = std::function<void(std::string_view name, const TensorView& value)>;

/// A FloatRunner runs one float network, one thread at a time. Given the same inputs it must
/// show the same bits, whatever ran before and whatever other threads do.
class FloatRunner {
 public:
  virtual ~FloatRunner() = default;
  /// `inputs` by name, static shapes; they may differ from run to run in dynamic extents.
  virtual void run(const std::map<std::string, Tensor>& inputs, const ValueObserver& observer) = 0;
};

/// Makes one runner; called once a thread, from that thread. `network` outlives the runner.
using RunnerFactory = std::function<std::unique_ptr<FloatRunner>(const Network& network)>;

/// The reproducible path: the interpreter, plain loops in fixed order.
std::unique_ptr<FloatRunner> make_reproducible_runner(const Network& network);

}  // namespace octile
