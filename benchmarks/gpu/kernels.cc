// Times every row of the convolution table on every problem (problems.h): median of event timings
// over operand sets that together are larger than the L2 cache; for matrix products cuBLASLt in the
// same run. Arguments: which networks ("gemm", "resnet50 b1", ...) or problems ("56 64>64 k3 s1");
// none: all.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>

#include "ceilings.h"
#include "peers.h"
#include "problems.h"

namespace octile::benchmark {
namespace {

constexpr size_t kArena = size_t{4} << 30;
constexpr int kMostSets = 16;

uint8_t* device_bytes(size_t size) {
  void* data = nullptr;
  if (cudaMalloc(&data, size) != cudaSuccess) {
    std::fprintf(stderr, "cannot allocate %zu bytes on the device\n", size);
    std::exit(1);
  }
  return static_cast<uint8_t*>(data);
}

/// Random bytes that are small positive floats too, when read as floats.
void fill(uint8_t* data, size_t size) {
  std::vector<uint32_t> block(size_t{8} << 20);
  std::mt19937 random(5);
  for (auto& word : block) word = (random() & 0x007fffffu) | 0x3f000000u | (random() << 31);
  for (auto& word : block) word ^= random() & 0x00ff00ffu;
  for (size_t at = 0; at < size; at += block.size() * 4) {
    cudaMemcpy(data + at, block.data(), std::min(size - at, block.size() * 4),
               cudaMemcpyHostToDevice);
  }
}

/// Seconds of one call, median of 9 rounds over all sets.
double time_call(int sets, const std::function<void(int)>& call) {
  cudaEvent_t begin, end;
  cudaEventCreate(&begin), cudaEventCreate(&end);
  std::vector<double> times;
  for (int round = 0; round < 11; ++round) {
    cudaEventRecord(begin, nullptr);
    for (int set = 0; set < sets; ++set) call(set);
    cudaEventRecord(end, nullptr);
    cudaEventSynchronize(end);
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    if (round >= 2) times.push_back(ms * 1e-3 / sets);
  }
  cudaEventDestroy(begin), cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// The same through a graph: what the runtime does, without the host's launches.
double time_graph(int sets, const std::function<void(int, cudaStream_t)>& call) {
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  for (int set = 0; set < sets; ++set) call(set, stream);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&ready, graph, 0);
  const double seconds = time_call(1, [&](int) { cudaGraphLaunch(ready, nullptr); }) / sets;
  cudaGraphExecDestroy(ready), cudaGraphDestroy(graph), cudaStreamDestroy(stream);
  return seconds;
}

struct Machine {
  cuda::ConvDevice device = cuda::current_conv_device();
  uint8_t* arena = device_bytes(kArena);
  uint8_t* workspace = device_bytes(size_t{256} << 20);
  uint8_t* packed = device_bytes(size_t{160} << 20);
  uint8_t* counters = device_bytes(cuda::kConvCounters * 4);
  double copy = 0, multiply = 0;
};

struct Extents {
  int64_t x, y, rows, weights;
  double operations;
  explicit Extents(const cuda::ConvProblem& p)
      : x(p.batch * p.in_h * p.in_w * p.in_c * (p.x_type == cuda::ConvType::kFloat ? 4 : 1)),
        y(p.batch * p.out_h * p.out_w * p.out_c * (p.y_type == cuda::ConvType::kFloat ? 4 : 1)),
        rows(p.batch * p.out_h * p.out_w),
        weights(int64_t{p.out_c} * p.kernel_h * p.kernel_w * (p.in_c / p.groups)),
        operations(2.0 * static_cast<double>(rows) * static_cast<double>(weights)) {}
  int64_t traffic(bool residual) const { return x + weights + y * (residual ? 2 : 1); }
};

int64_t round_up(int64_t n) { return (n + 1023) / 1024 * 1024; }

double time_row(const Machine& machine, const cuda::ConvKernel& kernel, const Problem& problem) {
  const cuda::ConvProblem& p = problem.conv;
  const Extents e(p);
  std::mt19937 random(3);
  std::vector<int8_t> weights(static_cast<size_t>(e.weights));
  for (auto& w : weights) w = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  const std::vector<int32_t> bias(static_cast<size_t>(p.out_c), 1000);
  const std::vector<float> multiplier(static_cast<size_t>(p.out_c), 0.0001f);
  std::vector<uint8_t> packed(kernel.packed_bytes(kernel, p));
  kernel.pack(kernel, p, {weights.data(), bias.data(), multiplier.data()}, packed.data());
  cudaMemcpy(machine.packed, packed.data(), packed.size(), cudaMemcpyHostToDevice);
  if (kernel.workspace_bytes(kernel, p, machine.device) > size_t{256} << 20) return 0;
  const int64_t step = round_up(e.x) + round_up(e.y) * (p.residual ? 2 : 1);
  const int sets = static_cast<int>(
      std::clamp<int64_t>((int64_t{300} << 20) / step + 1, 2,
                          std::min<int64_t>(kMostSets, static_cast<int64_t>(kArena) / step)));
  return time_graph(sets, [&](int set, cudaStream_t stream) {
    uint8_t* x = machine.arena + set * step;
    uint8_t* y = x + round_up(e.x);
    kernel.launch(kernel, p, machine.device,
                  {x, p.residual ? y + round_up(e.y) : nullptr, y, machine.packed,
                   machine.workspace, reinterpret_cast<uint32_t*>(machine.counters)},
                  stream);
  });
}

void print_peers(const Machine& machine, const Problem& problem, double ours) {
  const cuda::ConvProblem& p = problem.conv;
  for (const bool half : {false, true}) {
    const int64_t a = round_up(p.batch * p.in_c * (half ? 2 : 1));
    const int64_t c = round_up(p.batch * p.out_c * (half ? 2 : 4));
    const int sets =
        static_cast<int>(std::clamp<int64_t>((int64_t{300} << 20) / (a + c) + 1, 2, kMostSets));
    const double seconds = cublaslt_seconds(
        half, p.batch, p.out_c, p.in_c, machine.arena, machine.packed, machine.arena + a, a + c,
        a + c, machine.workspace,
        [&](const std::function<void(int)>& call) { return time_call(sets, call); });
    std::printf("    cublasLt %s %.1f us, ours is %.2f times as fast\n", half ? "fp16" : "int8",
                seconds * 1e6, seconds / ours);
  }
}

/// The best row's seconds; prints one line.
double run(const Machine& machine, const Problem& problem) {
  const Extents e(problem.conv);
  const double floor = std::max(
      static_cast<double>(e.traffic(problem.conv.residual)) / machine.copy,
      machine.multiply > 0 && problem.conv.groups == 1 ? e.operations / machine.multiply : 0.0);
  double best = 0;
  std::vector<std::pair<double, std::string>> all;
  for (const cuda::ConvKernel* kernel : cuda::conv_kernels()) {
    if (!kernel->refuse(*kernel, problem.conv, machine.device).empty()) continue;
    if (std::strcmp(kernel->name, "cuda.direct") == 0 && best > 0) continue;
    const double seconds = time_row(machine, *kernel, problem);
    const cudaError_t error = cudaDeviceSynchronize();
    if (error != cudaSuccess) {
      std::printf("%s: %s: %s\n", problem.name.c_str(), kernel->name, cudaGetErrorString(error));
      std::exit(1);
    }
    if (best == 0 || seconds < best) best = seconds;
    all.emplace_back(seconds, kernel->name + 5);
  }
  std::sort(all.begin(), all.end());
  std::string rows;
  for (const auto& [seconds, name] : all) {
    char text[64];
    std::snprintf(text, sizeof(text), " %s %.1f", name.c_str(), seconds * 1e6);
    rows += text;
  }
  std::printf("%-22s x%d %8.1f us %6.0f TOPS %5.2f TB/s floor %4.0f%% |%s\n", problem.name.c_str(),
              problem.count, best * 1e6, e.operations / best * 1e-12,
              static_cast<double>(e.traffic(problem.conv.residual)) / best * 1e-12,
              100 * floor / best, rows.c_str());
  if (problem.network == "gemm") print_peers(machine, problem, best);
  std::fflush(stdout);
  return best;
}

int main(int argc, char** argv) {
  Machine machine;
  fill(machine.arena, kArena);
  cudaMemset(machine.packed, 1, size_t{160} << 20);
  cudaMemset(machine.counters, 0, cuda::kConvCounters * 4);
  machine.copy =
      copy_bytes_per_second(machine.arena, machine.arena + (kArena / 2), size_t{1} << 30);
  machine.multiply = multiply_operations_per_second(machine.workspace);
  std::printf("copy %.2f TB/s, wgmma %.0f TOPS\n", machine.copy * 1e-12, machine.multiply * 1e-12);
  std::vector<Problem> problems;
  add_products(problems);
  add_resnet50(problems, 128), add_resnet50(problems, 1), add_mobilenetv2(problems, 128);
  std::map<std::string, double> sums;
  std::string network;
  for (const Problem& problem : problems) {
    const bool wanted = argc == 1 || std::any_of(argv + 1, argv + argc, [&](const char* argument) {
                          return problem.network == argument || problem.name == argument;
                        });
    if (!wanted) continue;
    if (problem.network != network) std::printf("== %s\n", problem.network.c_str());
    network = problem.network;
    sums[network] += problem.count * run(machine, problem);
  }
  for (const auto& [name, seconds] : sums) {
    if (name != "gemm") std::printf("%s: all convolutions %.3f ms\n", name.c_str(), seconds * 1e3);
  }
  return 0;
}

}  // namespace
}  // namespace octile::benchmark

int main(int argc, char** argv) { return octile::benchmark::main(argc, argv); }
