// What the program says: lines of text, and the JSON file that benchmarks/gpu/gpu.py merges.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "machine.h"
#include "problems.h"
#include "timing.h"

namespace octile::benchmark {

struct Row {
  std::string workload, engine, precision;
  std::string variant;  // which row of ours, which layout or output of a peer
  Times times;
  double share = 0;  // of the ceilings, by the median; 0: not told
};

/// The least time that the card's copy and, for what tensor cores can do, its wgmma rate allow.
double floor_seconds(const Machine& machine, const Problem& problem);

/// "gemm 8192x8192x8192", "conv 56 64>64 k3 s1 b128".
std::string workload_of(const Problem& problem);

/// Ours, with what each of our rows took at first (seconds, name), then the peers.
void print_problem(const Machine& machine, const Problem& problem,
                   const std::vector<std::pair<double, std::string>>& rows,
                   const std::vector<Row>& measured);

/// floors: milliseconds of a network's convolutions and products by its name.
void write_json(const std::string& file, const Machine& machine, const std::vector<Row>& rows,
                const std::map<std::string, double>& floors);

}  // namespace octile::benchmark
