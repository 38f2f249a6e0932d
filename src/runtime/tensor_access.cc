// See tensor_access.h.
#include "runtime/tensor_access.h"

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

}  // namespace octile
