// What the CPU can do at most: measured ceilings, and the bound of a layer that follows from them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "layers.h"
#include "timing.h"

namespace octile::bench {

/// GOP/s of each sequence that the CPU has, by thread count.
struct Machine {
  std::map<std::string, std::map<int, double>> peaks;
  double clock_ghz = 0;  // of one core, from a chain of multiplications

  /// 0 where the CPU lacks the sequence.
  double peak(const std::string& sequence, int threads) const;
  /// The strongest sequence for floats, and for bytes at a level ("" : the machine's).
  std::string float_sequence(std::string_view isa) const;
  std::string byte_sequence(std::string_view isa) const;
};

/// A loop to be timed in turns with what is held to it.
struct Peak {
  std::string sequence;  // "": the clock
  double operations;     // of one run on one thread; of the clock: cycles
  std::function<void()> run;
};
/// All that the CPU has. REQUIRES: run under as many threads.
std::vector<Peak> peak_loops(int threads);
/// Keeps the best seen.
void note(Machine& machine, const Peak& peak, int threads, const Times& times);

/// The sequence that a tactic (or oneDNN's implementation) of that name is made of, "" if unknown.
std::string sequence_of(std::string_view tactic, std::string_view isa, Activations activations);

/// Least milliseconds that the layer takes with that sequence: the dot product's cycles, and for
/// each vector of outputs five more operations (nine with a residual) on two ports, which AMX
/// overlaps with the products (cpu-ceilings.md, section 4). 0: no bound is known (depthwise).
double bound_ms(const Machine& machine, const Layer& layer, bool residual,
                const std::string& sequence, int threads);

}  // namespace octile::bench
