// octile_bench_layers: the peaks of this CPU, then single layers and products, Octile's tactics
// beside oneDNN in one process and in turns. README.md says what the columns mean.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "base/error.h"
#include "base/parallel_for.h"
#include "candidate.h"
#include "machine.h"
#include "report.h"

namespace octile::bench {
namespace {

struct Flags {
  std::string filter, isa, json;
  int threads = 1;
  bool quick = false, chosen = false;
  Effort effort() const {
    return quick ? Effort{.budget_ms = 8, .sample_ms = 0.1, .least_rounds = 3} : Effort{};
  }
};

/// One layer with or without residual on so many threads: all engines and all peaks in turns.
/// `machine` gets the best peaks seen; shares are of those seen here.
std::vector<Row> measure(const Layer& layer, bool residual, const Device& device,
                         const Flags& flags, Machine& machine) {
  const ThreadCountScope scope(device.threads);
  std::vector<Candidate> candidates;
  const auto append = [&](std::vector<Candidate> more) {
    for (Candidate& c : more) candidates.push_back(std::move(c));
  };
  for (const auto a : {Activations::kSymmetric, Activations::kSigned, Activations::kAffine,
                       Activations::kDynamic}) {
    if (residual && a == Activations::kDynamic) continue;  // floats are added by a step of its own
    append(octile_candidates(layer, a, residual, device));
  }
  append(onednn_candidates(layer, residual));
  std::vector<std::function<void()>> work;
  for (const Candidate& c : candidates) work.push_back(c.run);
  const std::vector<Peak> peaks = peak_loops(device.threads);
  for (const Peak& peak : peaks) work.push_back(peak.run);
  const std::vector<Times> times = time_in_turns(work, flags.effort());
  std::vector<Row> rows;
  for (size_t i = 0; i < candidates.size(); ++i) {
    rows.push_back(
        {.layer = layer, .threads = device.threads, .candidate = candidates[i], .times = times[i]});
    rows.back().candidate.run = nullptr;
  }
  Machine here;
  for (size_t i = 0; i < peaks.size(); ++i) {
    note(here, peaks[i], device.threads, times[candidates.size() + i]);
    note(machine, peaks[i], device.threads, times[candidates.size() + i]);
  }
  derive(rows, here, std::string(name_of(device.isa)));
  return rows;
}

int run(const Flags& flags) {
  limit_onednn(flags.isa);
  std::optional<Isa> isa;
  if (!flags.isa.empty()) isa = isa_from_name(flags.isa);
  check(flags.threads >= 1, ErrorCode::kInvalidArgument, "--threads must be 1 or more");
  std::ofstream file;
  if (!flags.json.empty()) {
    file.open(flags.json);
    check(file.good(), ErrorCode::kIo, "cannot write '{}'", flags.json);
  }
  Machine machine;
  print_heading();
  std::vector<Row> all;
  std::string level;
  for (const Layer& layer : layer_table()) {
    if (layer.name().find(flags.filter) == std::string::npos) continue;
    for (const bool residual : {false, true}) {
      if (residual && !layer.with_residual) continue;
      for (int threads = 1; threads <= flags.threads; ++threads) {
        const Device device = cpu_backend().open(isa, threads);
        level = name_of(device.isa);
        const std::vector<Row> rows = measure(layer, residual, device, flags, machine);
        for (const Row& row : rows) {
          if (!flags.chosen || row.chosen || row.candidate.engine != "octile") print(row);
        }
        all.insert(all.end(), rows.begin(), rows.end());
      }
    }
  }
  check(!all.empty(), ErrorCode::kInvalidArgument, "no layer's name contains '{}'", flags.filter);
  print_machine(machine);
  if (file.is_open()) file << to_json(machine, level, all) << "\n";
  return 0;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
  CLI::App app("Single layers: Octile's tactics and oneDNN, held to the peaks of this CPU");
  octile::bench::Flags flags;
  app.add_option("--filter", flags.filter, "only layers whose name contains this");
  app.add_option("--isa", flags.isa, "hold both engines to avx2, avxvnni or avx512vnni");
  app.add_option("--threads", flags.threads, "measure on 1 to N threads");
  app.add_option("--json", flags.json, "write all figures to this file");
  app.add_flag("--quick", flags.quick, "fewer and shorter samples");
  app.add_flag("--chosen", flags.chosen, "print the quickest tactic alone");
  CLI11_PARSE(app, argc, argv);
  try {
    return octile::bench::run(flags);
  } catch (const std::exception& error) {
    fmt::print(stderr, "octile_bench_layers: {}\n", error.what());
    return 1;
  }
}
