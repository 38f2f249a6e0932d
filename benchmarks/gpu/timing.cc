// See timing.h.
#include "timing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace octile::benchmark {
namespace {

constexpr double kSampleSeconds = 1e-3;

}  // namespace

void stop_on_fault(const char* what) {
  const cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

Replay::Replay(int sets, const Call& call) : sets_(sets) {
  cudaStream_t stream = nullptr;
  cudaStreamCreate(&stream);
  bool accepted = call(0, stream);  // libraries load their kernels now, not while recording
  stop_on_fault("a first call");
  if (accepted) {
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    for (int set = 0; set < sets; ++set) accepted = call(set, stream) && accepted;
    accepted = cudaStreamEndCapture(stream, &graph) == cudaSuccess && accepted;
    if (accepted) cudaGraphInstantiate(&graph_, graph, 0);
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
  cudaStreamDestroy(stream);
  cudaGetLastError();
  if (graph_ == nullptr) return;
  cudaEventCreate(&begin_);
  cudaEventCreate(&end_);
  sample(1);
  const double once = sample(1) * sets_;
  launches_ = static_cast<int>(std::clamp(std::ceil(kSampleSeconds / once), 1.0, 100.0));
}

Replay::~Replay() {
  if (graph_ == nullptr) return;
  cudaGraphExecDestroy(graph_);
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
}

Replay::Replay(Replay&& other) noexcept { *this = std::move(other); }

Replay& Replay::operator=(Replay&& other) noexcept {
  std::swap(sets_, other.sets_);
  std::swap(launches_, other.launches_);
  std::swap(graph_, other.graph_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  return *this;
}

double Replay::sample(int launches) {
  cudaEventRecord(begin_);
  for (int i = 0; i < launches; ++i) cudaGraphLaunch(graph_, nullptr);
  cudaEventRecord(end_);
  cudaEventSynchronize(end_);
  float ms = 0;
  cudaEventElapsedTime(&ms, begin_, end_);
  return ms * 1e-3 / launches / sets_;
}

std::vector<Times> time_in_turns(const std::vector<Replay*>& replays, int rounds) {
  std::vector<std::vector<double>> samples(replays.size());
  for (int round = 0; round <= rounds; ++round) {
    for (size_t i = 0; i < replays.size(); ++i) {
      const double seconds = replays[i]->sample();
      if (round > 0) samples[i].push_back(seconds);
    }
  }
  std::vector<Times> times;
  for (std::vector<double>& s : samples) {
    std::sort(s.begin(), s.end());
    times.push_back({s[s.size() / 2], s.front()});
  }
  return times;
}

double time_shortly(Replay& replay) { return time_in_turns({&replay}, 3).front().median; }

}  // namespace octile::benchmark
