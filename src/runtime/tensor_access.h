// For calibration: a look at tensors inside a plan that was compiled to keep them.
#pragma once

#include <functional>

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
};

}  // namespace octile
