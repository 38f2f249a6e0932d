// See report.h.
#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/cpu.h"

namespace octile::bench {
namespace {

/// Under so many operations a byte a layer is bound by memory, and GB/s say more.
constexpr double kMemoryBound = 4.0;

double least(const std::vector<Row>& rows, const std::string& engine, const std::string& precision,
             const std::string& arithmetic) {
  double best = 0;
  for (const Row& row : rows) {
    const Candidate& c = row.candidate;
    if (c.engine != engine || c.precision != precision || c.arithmetic != arithmetic) continue;
    if (best == 0 || row.times.best_ms < best) best = row.times.best_ms;
  }
  return best;
}

std::string percent(double share) {
  return share == 0 ? "-" : fmt::format("{:.0f} %", 100 * share);
}

nlohmann::json known(double value) {
  return value == 0 ? nlohmann::json(nullptr) : nlohmann::json(value);
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

}  // namespace

void derive(std::vector<Row>& rows, const Machine& machine, const std::string& isa) {
  for (Row& row : rows) {
    Candidate& c = row.candidate;
    const bool bytes = c.precision == "int8";
    if (c.sequence.empty()) {
      c.sequence = bytes ? machine.byte_sequence(isa) : machine.float_sequence(isa);
    }
    const double ms = row.times.best_ms;
    row.gops = row.layer.operations() / ms * 1e-6;
    const bool widens = c.arithmetic == name_of(Activations::kDynamic);
    const double moved = row.layer.bytes(bytes ? 1 : 4) + (widens ? 3 * row.layer.outputs() : 0);
    if (row.layer.operations() < kMemoryBound * moved) row.gb_s = moved / ms * 1e-6;
    const double peak = machine.peak(c.sequence, row.threads);
    row.share_of_peak = peak > 0 ? row.gops / peak : 0;
    if (bytes) {
      row.share_of_bound = bound_ms(machine, row.layer, c.residual, c.sequence, row.threads) / ms;
    }
    const double peer = least(rows, "onednn", c.precision, bytes ? "affine" : "");
    if (peer > 0) row.over_onednn = ms / peer;
    row.chosen = c.engine == "octile" && ms == least(rows, c.engine, c.precision, c.arithmetic);
  }
}

void print_machine(const Machine& machine) {
  fmt::print("\n{}, {:.2f} GHz; the best seen of each sequence:\n", cpu_name(), machine.clock_ghz);
  for (const auto& [sequence, by_threads] : machine.peaks) {
    fmt::print("  {:<16}", sequence);
    for (const auto& [threads, gops] : by_threads) fmt::print("{:>9.0f} x{}", gops, threads);
    fmt::print(" GOP/s\n");
  }
}

void print_heading() {
  fmt::print("{:<22}{:>2}  {:<7}{:<10}{:<34}{:>9}{:>9}{:>8}{:>8}{:>8}{:>8}{:>8}\n", "layer", "T",
             "engine", "input", "variant", "best us", "median", "GOP/s", "peak", "bound", "GB/s",
             "/oneDNN");
}

void print(const Row& row) {
  const Candidate& c = row.candidate;
  fmt::print("{:<22}{:>2}  {:<7}{:<10}{:<34}{:>9.1f}{:>9.1f}{:>8.0f}{:>8}{:>8}{:>8}{:>8.2f}{}\n",
             row.layer.name() + (c.residual ? " +res" : ""), row.threads, c.engine,
             c.precision == "float" ? c.precision : c.arithmetic, c.variant.substr(0, 33),
             1e3 * row.times.best_ms, 1e3 * row.times.median_ms, row.gops,
             percent(row.share_of_peak), percent(row.share_of_bound),
             row.gb_s == 0 ? "-" : fmt::format("{:.0f}", row.gb_s), row.over_onednn,
             row.chosen ? " *" : "");
}

std::string to_json(const Machine& machine, const std::string& isa, const std::vector<Row>& rows) {
  nlohmann::json json = {{"machine", cpu_name()},
                         {"isa", isa},
                         {"date", today()},
                         {"clock_ghz", machine.clock_ghz},
                         {"peaks", nlohmann::json::object()},
                         {"layers", nlohmann::json::array()}};
  for (const auto& [sequence, by_threads] : machine.peaks) {
    for (const auto& [threads, gops] : by_threads) {
      json["peaks"][sequence][std::to_string(threads)] = gops;
    }
  }
  for (const Row& row : rows) {
    const Candidate& c = row.candidate;
    json["layers"].push_back({{"layer", row.layer.name()},
                              {"operations", row.layer.operations()},
                              {"residual", c.residual},
                              {"threads", row.threads},
                              {"engine", c.engine},
                              {"precision", c.precision},
                              {"input", c.arithmetic},
                              {"variant", c.variant},
                              {"sequence", c.sequence},
                              {"best_ms", row.times.best_ms},
                              {"median_ms", row.times.median_ms},
                              {"gops", row.gops},
                              {"share_of_peak", known(row.share_of_peak)},
                              {"share_of_bound", known(row.share_of_bound)},
                              {"gb_s", known(row.gb_s)},
                              {"over_onednn", known(row.over_onednn)},
                              {"chosen", row.chosen}});
  }
  return json.dump(1);
}

}  // namespace octile::bench
