// Byte tables over the leaf rows of lookup_kernel.h.
#include "base/cpu.h"
#include "base/parallel_for.h"
#include "kernels/cpu/lookup_kernel.h"
#include "kernels/cpu/misc_rows.h"

namespace octile::cpu {
namespace {

std::string refuse_lookup(const StepView& view) {
  if (view.as<LookupStep>() == nullptr) return "not a table";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_8bit(x) || !is_8bit(y)) return "not 8-bit";
  if (x.layout != y.layout) return "layouts differ";
  return "";
}

template <const LookupKernel* kernel>
std::unique_ptr<Prepared> prepare_lookup(const StepView& view, const PackedWeights*) {
  auto run = kernel->run;
#if defined(__x86_64__)
  if (kernel == &kLookupAvx512 && cpu_has_vbmi()) run = kLookupAvx512Vbmi.run;
#endif
  const auto* table = view.blob(view.as<LookupStep>()->table).as<uint8_t>();
  return make_prepared([=, count = view.inputs[0].shape.volume()](const Buffers& buffers) {
    const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
    auto* y = static_cast<uint8_t*>(buffers.outputs[0]);
    parallel_for(count, kFlatGrain, [&](int64_t begin, int64_t end, int) {
      run(table, x + begin, end - begin, y + begin);
    });
  });
}

}  // namespace

#if defined(__x86_64__)
constinit const FunctionTactic kLookupAvx2Row{
    "lookup.avx2", Isa::kAvx2, {refuse_lookup, prepare_lookup<&kLookupAvx2>}};
constinit const FunctionTactic kLookupAvx512Row{
    "lookup.avx512vnni", Isa::kAvx512Vnni, {refuse_lookup, prepare_lookup<&kLookupAvx512>}};
#elif defined(__aarch64__)
constinit const FunctionTactic kLookupNeonRow{
    "lookup.neon", Isa::kNeon, {refuse_lookup, prepare_lookup<&kLookupNeon>}};
#endif

}  // namespace octile::cpu
