// Times every row of the convolution table on every problem (problems.h), then the fastest beside
// cuBLASLt's and cuDNN's fastest, in turns. Times are of graph replays over operand sets that are
// together larger than the L2 cache.
//
//   octile_gpu_kernels [--quick] [--json FILE] [NETWORK | PROBLEM …]
//
// Networks: "gemm", "resnet50 b1", …; problems: "56 64>64 k3 s1", …; without any: the products,
// ResNet-50 and MobileNetV2; --quick: fewer rounds, of the networks ResNet-50 at batch 128 alone.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>

#include "octile_side.h"
#include "peers.h"
#include "report.h"

namespace octile::benchmark {
namespace {

struct Arguments {
  bool quick = false;
  std::string json;
  std::vector<std::string> wanted;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      arguments.quick = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      arguments.json = argv[++i];
    } else {
      arguments.wanted.emplace_back(argv[i]);
    }
  }
  if (arguments.wanted.empty()) {
    arguments.wanted = {"gemm", "resnet50 b128"};
    if (!arguments.quick) {
      arguments.wanted.insert(arguments.wanted.end(), {"resnet50 b1", "mobilenetv2 b128"});
    }
  }
  return arguments;
}

using Timed = std::vector<std::pair<double, const cuda::ConvKernel*>>;

/// Our rows that take the problem, fastest first. The plainest row is left out where others are.
Timed time_rows(const Machine& machine, const Problem& problem) {
  Timed timed;
  for (const cuda::ConvKernel* kernel : cuda::conv_kernels()) {
    if (!problem.row.empty() && problem.row != kernel->name) continue;
    if (!kernel->refuse(*kernel, problem.conv, machine.device).empty()) continue;
    if (std::strcmp(kernel->name, "cuda.direct") == 0 && !timed.empty()) continue;
    Replay replay = record_row(machine, *kernel, problem);
    if (replay) timed.emplace_back(time_shortly(replay), kernel);
    stop_on_fault(kernel->name);
  }
  std::sort(timed.begin(), timed.end());
  return timed;
}

/// The fastest of each engine and precision.
std::vector<Peer> choose_peers(std::vector<Peer> peers) {
  std::map<std::string, std::pair<double, Peer>> chosen;
  for (Peer& peer : peers) {
    const double seconds = time_shortly(peer.replay);
    auto& best = chosen[peer.engine + ' ' + peer.precision];
    if (!best.second.replay || seconds < best.first) best = {seconds, std::move(peer)};
  }
  std::vector<Peer> list;
  for (auto& [key, best] : chosen) list.push_back(std::move(best.second));
  return list;
}

std::vector<Peer> peers_of(const Machine& machine, const Problem& problem) {
  const cuda::ConvProblem& p = problem.conv;
  if (problem.network == "gemm") {
    return choose_peers(cublaslt_peers(machine, p.batch, p.out_c, p.in_c, !problem.row.empty()));
  }
  if (p.pools) return {};
  return choose_peers(cudnn_peers(machine, p));
}

/// Our median in seconds; prints and appends what was measured.
double measure(const Machine& machine, const Problem& problem, int rounds, std::vector<Row>& rows) {
  const Timed timed = time_rows(machine, problem);
  if (timed.empty()) return 0;
  std::vector<Peer> peers = peers_of(machine, problem);
  Replay ours = record_row(machine, *timed.front().second, problem);
  std::vector<Replay*> replays{&ours};
  for (Peer& peer : peers) replays.push_back(&peer.replay);
  const std::vector<Times> times = time_in_turns(replays, rounds);
  stop_on_fault(problem.name.c_str());

  const std::string workload = workload_of(problem);
  const double share = floor_seconds(machine, problem) / times.front().median;
  const auto short_name = [](const cuda::ConvKernel* kernel) { return kernel->name + 5; };  // cuda.
  std::vector<Row> measured{
      {workload, "octile", "int8", short_name(timed.front().second), times.front(), share}};
  for (size_t i = 0; i < peers.size(); ++i) {
    measured.push_back(
        {workload, peers[i].engine, peers[i].precision, peers[i].variant, times[i + 1]});
  }
  std::vector<std::pair<double, std::string>> all;
  for (const auto& [seconds, kernel] : timed) all.emplace_back(seconds, short_name(kernel));
  print_problem(machine, problem, all, measured);
  rows.insert(rows.end(), measured.begin(), measured.end());
  return times.front().median;
}

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const Machine machine;
  fmt::print("{}: copy {:.2f} TB/s, wgmma {:.0f} TOPS\n", machine.name, machine.copy * 1e-12,
             machine.multiply * 1e-12);
  if (const auto why = cudnn_refusal(); !why.empty()) fmt::print("no rows of cuDNN: {}\n", why);
  std::map<std::string, double> sums, floors;
  std::vector<Row> rows;
  std::string network;
  for (const Problem& problem : all_problems()) {
    if (problem.network != "gemm") {
      floors[problem.network] += problem.count * floor_seconds(machine, problem) * 1e3;
    }
    const bool wanted = std::any_of(
        arguments.wanted.begin(), arguments.wanted.end(),
        [&](const std::string& name) { return problem.network == name || problem.name == name; });
    if (!wanted) continue;
    if (problem.network != network) fmt::print("== {}\n", problem.network);
    network = problem.network;
    sums[network] +=
        problem.count * measure(machine, problem, arguments.quick ? 5 : 15, rows) * 1e3;
    if (!arguments.json.empty()) write_json(arguments.json, machine, rows, {});  // so far
  }
  for (const auto& [name, ms] : sums) {
    if (name == "gemm") continue;
    fmt::print("{}: all convolutions {:.3f} ms, floor {:.3f}\n", name, ms, floors[name]);
  }
  if (!arguments.json.empty()) write_json(arguments.json, machine, rows, floors);
  return 0;
}

}  // namespace
}  // namespace octile::benchmark

int main(int argc, char** argv) {
  try {
    return octile::benchmark::main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
