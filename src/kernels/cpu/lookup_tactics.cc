// Byte tables over the leaf rows of lookup_kernel.h.
#include "base/cpu.h"
#include "base/parallel_for.h"
#include "kernels/copy_rows.h"
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
  const FlatRows from(view.inputs[0]), to(view.outputs[0]);
  if (from.apart() || to.apart()) {
    const int64_t rows = view.inputs[0].shape.volume() / from.bytes();
    return make_prepared([=](const Buffers& buffers) {
      for_row_blocks(rows, from.bytes(), [&](int64_t first, int64_t count) {
        RowBlocks& blocks = row_blocks();
        const uint8_t* x = from.gather(buffers.inputs[0], first, count, blocks.a);
        uint8_t* y = to.room(buffers.outputs[0], first, count, blocks.y);
        run(table, x, count * from.bytes(), y);
        to.scatter(y, buffers.outputs[0], first, count);
      });
    });
  }
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
    "lookup.avx2",
    Isa::kAvx2,
    {refuse_lookup, prepare_lookup<&kLookupAvx2>, nullptr, nullptr, takes_rows_apart}};
constinit const FunctionTactic kLookupAvx512Row{
    "lookup.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_lookup, prepare_lookup<&kLookupAvx512>, nullptr, nullptr, takes_rows_apart}};
#elif defined(__aarch64__)
constinit const FunctionTactic kLookupNeonRow{
    "lookup.neon",
    Isa::kNeon,
    {refuse_lookup, prepare_lookup<&kLookupNeon>, nullptr, nullptr, takes_rows_apart}};
#endif

}  // namespace octile::cpu
