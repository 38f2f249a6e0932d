// See report.h.
#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace octile::benchmark {

double floor_seconds(const Machine& machine, const Problem& problem) {
  const Extents e(problem.conv);
  const double moving = static_cast<double>(e.traffic(problem.conv.residual)) / machine.copy;
  const bool dense = problem.conv.groups == 1 && problem.row.empty() && machine.multiply > 0;
  return dense ? std::max(moving, e.operations / machine.multiply) : moving;
}

std::string workload_of(const Problem& problem) {
  if (problem.network == "gemm") return "gemm " + problem.name;
  return "conv " + problem.name + problem.network.substr(problem.network.rfind(' '));
}

void print_problem(const Machine& machine, const Problem& problem,
                   const std::vector<std::pair<double, std::string>>& rows,
                   const std::vector<Row>& measured) {
  const Extents e(problem.conv);
  const double ours = measured.front().times.median;
  fmt::print("{:22} x{} {:8.1f} us {:6.0f} TOPS {:5.2f} TB/s floor {:4.0f}% |", problem.name,
             problem.count, ours * 1e6, e.operations / ours * 1e-12,
             static_cast<double>(e.traffic(problem.conv.residual)) / ours * 1e-12,
             100 * floor_seconds(machine, problem) / ours);
  for (const auto& [seconds, name] : rows) fmt::print(" {} {:.1f}", name, seconds * 1e6);
  fmt::print("\n");
  for (const Row& row : measured) {
    if (row.engine == "octile") continue;
    fmt::print("    {} {} {} {:.1f} us, ours is {:.2f} times as fast\n", row.engine, row.precision,
               row.variant, row.times.median * 1e6, row.times.median / ours);
  }
  std::fflush(stdout);
}

void write_json(const std::string& file, const Machine& machine, const std::vector<Row>& rows,
                const std::map<std::string, double>& floors) {
  nlohmann::json list = nlohmann::json::array();
  for (const Row& row : rows) {
    list.push_back({{"workload", row.workload},
                    {"engine", row.engine},
                    {"precision", row.precision},
                    {"median_ms", row.times.median * 1e3},
                    {"best_ms", row.times.best * 1e3},
                    {"variant", row.variant}});
    if (row.share > 0) list.back()["share"] = row.share;
  }
  const nlohmann::json all = {{"device", machine.name},
                              {"copy_bytes_per_s", machine.copy},
                              {"int8_operations_per_s", machine.multiply},
                              {"rows", list},
                              {"floor_ms", floors}};
  std::ofstream stream(file);
  stream << all.dump(1) << "\n";
  if (!stream.flush()) fmt::print(stderr, "cannot write {}\n", file);
}

}  // namespace octile::benchmark
