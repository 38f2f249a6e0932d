// Builds without cudnn.h: see peers.h.
#include "peers.h"

namespace octile::benchmark {

std::vector<Peer> cudnn_peers(const Machine&, const cuda::ConvProblem&) { return {}; }
std::string cudnn_refusal() { return "cudnn.h was missing when this was built"; }

}  // namespace octile::benchmark
