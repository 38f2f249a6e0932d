// What NVIDIA's libraries offer for the same problem, ready to be timed beside ours.
#pragma once

#include <string>
#include <vector>

#include "machine.h"
#include "timing.h"

namespace octile::benchmark {

struct Peer {
  std::string engine, precision, variant;
  Replay replay;
};

/// cuBLASLt: rows · weights, both (…, k) row-major. Its first proposals each for int8 (with int32
/// outputs, and with int8 outputs by one scale; it has none a channel), fp16, tf32 and fp32.
std::vector<Peer> cublaslt_peers(const Machine& machine, int64_t rows, int64_t columns, int64_t k,
                                 bool fp32_alone);

/// cuDNN: int8 to int8 by one scale, with bias, ReLU and residual, in the layouts that its
/// cudnnConvolutionBiasActivationForward takes. Empty where it refuses the problem.
std::vector<Peer> cudnn_peers(const Machine& machine, const cuda::ConvProblem& problem);
/// "" or why there are none at all.
std::string cudnn_refusal();

}  // namespace octile::benchmark
