// 8-bit add and mul of tensors of one shape and layout, over the leaf rows of eltwise_kernel.h.
#include "base/parallel_for.h"
#include "kernels/copy_rows.h"
#include "kernels/cpu/eltwise_kernel.h"
#include "kernels/cpu/misc_rows.h"

namespace octile::cpu {
namespace {

std::string refuse_eltwise(const StepView& view) {
  const auto* step = view.as<EltwiseStep>();
  if (step == nullptr) return "not an element-wise step";
  const PlanTensor& y = view.outputs[0];
  for (const PlanTensor* t : {&view.inputs[0], &view.inputs[1], &y}) {
    if (!is_8bit(*t)) return "not 8-bit";
    if (t->shape != y.shape || t->layout != y.layout) return "shapes or layouts differ";
  }
  if (step->kind != ElementwiseKind::kAdd && step->kind != ElementwiseKind::kMul) {
    return "neither add nor mul";
  }
  return "";
}

template <const EltwiseKernel* kernel>
std::unique_ptr<Prepared> prepare_eltwise(const StepView& view, const PackedWeights*) {
  const EltwiseStep& step = *view.as<EltwiseStep>();
  const PlanTensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
  const EltwiseArguments arguments{step.m_a,
                                   step.m_b,
                                   a.zero_point,
                                   b.zero_point,
                                   y.zero_point,
                                   static_cast<float>(step.clamp.q_lo - y.zero_point),
                                   static_cast<float>(step.clamp.q_hi - y.zero_point),
                                   a.type == DataType::kInt8,
                                   b.type == DataType::kInt8};
  const auto run = step.kind == ElementwiseKind::kAdd ? kernel->add : kernel->mul;
  const FlatRows rows_a(a), rows_b(b), rows_y(y);
  if (rows_a.apart() || rows_b.apart() || rows_y.apart()) {
    const int64_t rows = y.shape.volume() / rows_y.bytes();
    return make_prepared([=](const Buffers& buffers) {
      for_row_blocks(rows, rows_y.bytes(), [&](int64_t first, int64_t count) {
        RowBlocks& blocks = row_blocks();
        const uint8_t* from_a = rows_a.gather(buffers.inputs[0], first, count, blocks.a);
        const uint8_t* from_b = rows_b.gather(buffers.inputs[1], first, count, blocks.b);
        uint8_t* at = rows_y.room(buffers.outputs[0], first, count, blocks.y);
        run(from_a, from_b, count * rows_y.bytes(), arguments, at);
        rows_y.scatter(at, buffers.outputs[0], first, count);
      });
    });
  }
  return make_prepared([=, count = y.shape.volume()](const Buffers& buffers) {
    const auto* from_a = static_cast<const uint8_t*>(buffers.inputs[0]);
    const auto* from_b = static_cast<const uint8_t*>(buffers.inputs[1]);
    auto* to = static_cast<uint8_t*>(buffers.outputs[0]);
    parallel_for(count, kFlatGrain, [&](int64_t begin, int64_t end, int) {
      run(from_a + begin, from_b + begin, end - begin, arguments, to + begin);
    });
  });
}

}  // namespace

#if defined(__x86_64__)
constinit const FunctionTactic kEltwiseAvx2Row{
    "int8.eltwise.avx2",
    Isa::kAvx2,
    {refuse_eltwise, prepare_eltwise<&kEltwiseAvx2>, nullptr, nullptr, takes_rows_apart}};
constinit const FunctionTactic kEltwiseAvx512Row{
    "int8.eltwise.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_eltwise, prepare_eltwise<&kEltwiseAvx512>, nullptr, nullptr, takes_rows_apart}};
#elif defined(__aarch64__)
constinit const FunctionTactic kEltwiseNeonRow{
    "int8.eltwise.neon",
    Isa::kNeon,
    {refuse_eltwise, prepare_eltwise<&kEltwiseNeon>, nullptr, nullptr, takes_rows_apart}};
#endif

}  // namespace octile::cpu
