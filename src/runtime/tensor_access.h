// For calibration and noise: a look at tensors inside a plan that keeps them, and steps run again
// on other values.
#pragma once

#include <functional>
#include <span>

#include "octile/engine.h"
#include "plan/plan_data.h"

namespace octile {

/// Sees every tensor of the plan that is no constant, after a run(): its index, its shape under
/// the current input shapes, and its bytes (in the tensor's own layout). Only meaningful for plans
/// compiled with keep_tensors.
using TensorVisitor = std::function<void(int32_t, const Shape&, const void*)>;

class TensorAccess {
 public:
  static void visit(const ExecutionContext& context, const TensorVisitor& visitor);
  /// The same on a GPU, without copies: addresses are the device's, but for tensors whose shape
  /// hangs on values (`on_host`), which are computed on the host. The run is complete.
  using DeviceVisitor = std::function<void(int32_t, const Shape&, const void*, bool on_host)>;
  static void visit_on_device(const ExecutionContext& context, const DeviceVisitor& visitor);
  /// Runs some steps, in this order, on what the tensors hold at the moment; all others keep what
  /// they hold. Without run() before it: those that these steps read must be made by them.
  /// REQUIRES: on the CPU; every input has data; no step is a late one.
  static void run_steps(ExecutionContext& context, std::span<const size_t> steps);
  /// Bytes of a tensor that is no late one, to read or write, after run_steps() or run(). Valid
  /// until an input is set. REQUIRES: on the CPU.
  static void* bytes(ExecutionContext& context, int32_t tensor);
};

}  // namespace octile
