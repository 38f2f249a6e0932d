// What was measured, as a table for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include "candidate.h"
#include "machine.h"
#include "timing.h"

namespace octile::bench {

/// One candidate's times beside the layer's bounds. 0: not known.
struct Row {
  Layer layer;
  int threads = 1;
  Candidate candidate;  // without what it ran
  Times times;
  double gops = 0, share_of_peak = 0, share_of_bound = 0, gb_s = 0;
  double over_onednn = 0;  // best time over that of oneDNN's quickest of the precision
  bool chosen = false;     // the quickest of Octile for this arithmetic
};

/// Fills in everything but layer, threads, candidate and times. Rows: one layer, one residual, one
/// thread count; `machine` as measured in turns with them.
void derive(std::vector<Row>& rows, const Machine& machine, const std::string& isa);

void print_machine(const Machine& machine);
void print_heading();
void print(const Row& row);
/// docs: README.md beside this file.
std::string to_json(const Machine& machine, const std::string& isa, const std::vector<Row>& rows);

}  // namespace octile::bench
