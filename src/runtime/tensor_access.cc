// See tensor_access.h.
#include "runtime/tensor_access.h"

#include "base/error.h"
#include "base/parallel_for.h"
#include "runtime/context_impl.h"

namespace octile {

void TensorAccess::visit(const ExecutionContext& context, const TensorVisitor& visitor) {
  const ExecutionContext::Impl& impl = *context.impl_;
  const PlanData& plan = impl.engine.data;
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (plan.tensors[t].blob >= 0 || impl.current == nullptr || !impl.shape_of(t).is_static())
      continue;
    visitor(int32_t(t), impl.shape_of(t), impl.tensor_data(int32_t(t)));
  }
}

void TensorAccess::visit_on_device(const ExecutionContext& context, const DeviceVisitor& visitor) {
  const ExecutionContext::Impl& impl = *context.impl_;
  const PlanData& plan = impl.engine.data;
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (plan.tensors[t].blob >= 0 || impl.current == nullptr || !impl.shape_of(t).is_static())
      continue;
    visitor(int32_t(t), impl.shape_of(t), impl.pointers[t], impl.engine.late[t]);
  }
}

void TensorAccess::run_steps(ExecutionContext& context, std::span<const size_t> steps) {
  ExecutionContext::Impl& impl = *context.impl_;
  check(impl.gpu == nullptr, ErrorCode::kInternal, "single steps run on the CPU only");
  impl.require_ready();
  if (!impl.pointers_valid) impl.resolve_pointers();
  const ThreadCountScope threads(impl.engine.device.threads);
  for (const size_t s : steps) impl.run_step(s);
}

void* TensorAccess::bytes(ExecutionContext& context, int32_t tensor) {
  return context.impl_->pointers[size_t(tensor)];
}

}  // namespace octile
