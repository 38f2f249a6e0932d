// See octile_side.h.
#include "octile_side.h"

#include <algorithm>
#include <random>

namespace octile::benchmark {
namespace {

/// Random numbers of [-127, 127]: a block of them over and over.
std::vector<int8_t> random_weights(int64_t count) {
  constexpr int64_t kBlock = 1 << 20;
  std::vector<int8_t> weights(static_cast<size_t>(count));
  const auto block = weights.begin() + std::min(count, kBlock);
  std::mt19937 random(3);
  std::generate(weights.begin(), block,
                [&] { return static_cast<int8_t>(static_cast<int>(random() % 255) - 127); });
  for (int64_t done = kBlock; done < count; done += kBlock) {
    std::copy_n(weights.begin(), std::min(kBlock, count - done), weights.begin() + done);
  }
  return weights;
}

}  // namespace

Replay record_row(const Machine& machine, const cuda::ConvKernel& kernel, const Problem& problem) {
  const cuda::ConvProblem& p = problem.conv;
  const Extents e(p);
  const std::vector<int8_t> weights = random_weights(e.weights);
  const std::vector<int32_t> bias(static_cast<size_t>(p.out_c), 1000);
  const std::vector<float> multiplier(static_cast<size_t>(p.out_c), 0.0001f);
  std::vector<uint8_t> packed(kernel.packed_bytes(kernel, p));
  kernel.pack(kernel, p, {weights.data(), bias.data(), multiplier.data()}, packed.data());
  cudaMemcpy(machine.packed, packed.data(), packed.size(), cudaMemcpyHostToDevice);
  if (kernel.workspace_bytes(kernel, p, machine.device) > kWorkspace) return {};
  const int64_t step = aligned(e.x) + aligned(e.y) * (p.residual ? 2 : 1);
  Replay replay(operand_sets(step), [&](int set, cudaStream_t stream) {
    uint8_t* x = machine.arena + set * step;
    uint8_t* y = x + aligned(e.x);
    kernel.launch(kernel, p, machine.device,
                  {x, p.residual ? y + aligned(e.y) : nullptr, y, machine.packed, machine.workspace,
                   machine.counters},
                  stream);
    return true;
  });
  stop_on_fault(kernel.name);
  return replay;
}

}  // namespace octile::benchmark
