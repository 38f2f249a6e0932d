// Byte tables over the leaf rows of lookup_kernel.h.
#include "base/parallel_for.h"
#include "kernels/cpu/lookup_kernel.h"
#include "kernels/cpu/misc_rows.h"

namespace octile::cpu {
namespace {

std::string refuse(const StepView& view) {
  if (view.as<LookupStep>() == nullptr) return "not a table";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_8bit(x) || !is_8bit(y)) return "not 8-bit";
  if (x.layout != y.layout) return "layouts differ";
  return "";
}

/// VBMI is no level of its own: a table is all that it is needed for.
std::string refuse_vbmi(const StepView& view) {
  static const bool has = __builtin_cpu_supports("avx512vbmi");
  return has ? refuse(view) : "the CPU has no AVX512_VBMI";
}

template <const LookupKernel* kernel>
std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights*) {
  const auto* table = view.blob(view.as<LookupStep>()->table).as<uint8_t>();
  return make_prepared([=, count = view.inputs[0].shape.volume()](const Buffers& buffers) {
    const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
    auto* y = static_cast<uint8_t*>(buffers.outputs[0]);
    parallel_for(count, kFlatGrain, [&](int64_t begin, int64_t end, int) {
      kernel->run(table, x + begin, end - begin, y + begin);
    });
  });
}

}  // namespace

constinit const FunctionTactic kLookupAvx2Row{
    "lookup.avx2", Isa::kAvx2, {refuse, prepare<&kLookupAvx2>}};
constinit const FunctionTactic kLookupAvx512Row{
    "lookup.avx512vnni", Isa::kAvx512Vnni, {refuse, prepare<&kLookupAvx512>}};

constinit const FunctionTactic kLookupVbmiRow{
    "lookup.avx512vbmi", Isa::kAvx512Vnni, {refuse_vbmi, prepare<&kLookupVbmi>}};

}  // namespace octile::cpu
