// Passes: small rewrites of the float network, one visible table, each timed and verifiable.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "octile/builder.h"
#include "octile/network.h"

namespace octile {

/// A pass rewrites the network and returns how many places it changed.
struct Pass {
  std::string_view name;
  std::string_view what;  // one line for people
  int (*run)(Network& network);
};

/// In running order. The driver repeats the list until nothing changes (at most 8 rounds).
std::span<const Pass> passes();

/// Throws kInvalidArgument for a name that is no pass's.
void check_pass_names(const std::vector<std::string>& names);

/// Runs all but the disabled ones (throws kInvalidArgument for unknown names), validates after
/// each that changed something, and logs counts and times at kDebug.
void run_passes(Network& network, const std::vector<std::string>& disabled, const LogCallback& log);

// The passes, one file a family.
int fold_constants(Network& network);         // pass_fold.cc
int remove_identities(Network& network);      // pass_fold.cc
int remove_dead_layers(Network& network);     // pass_fold.cc
int fold_bias(Network& network);              // pass_affine.cc: x·w + constant → bias
int fold_scale(Network& network);             // pass_affine.cc: batch norm into weights
int merge_equal(Network& network);            // pass_merge.cc: common subexpressions
int merge_movement(Network& network);         // pass_movement.cc: chains of reshapes, slices …
int sink_transposes(Network& network);        // pass_transpose.cc
int raise_transposes(Network& network);       // pass_raise.cc
int recognize_activations(Network& network);  // pass_activation.cc: x · sigmoid(x) → Swish …
int fold_padding(Network& network);           // pass_window.cc
int fold_focus(Network& network);             // pass_window.cc
int canonicalize_reduce(Network& network);    // pass_fold.cc: spatial mean → global pooling
int float_movement(Network& network);      // pass_quantize.cc: integers that move → DQ, move, Q
int absorb_clamps(Network& network);       // pass_quantize.cc
int move_quantization(Network& network);   // pass_quantize.cc
int merge_quantization(Network& network);  // pass_quantize.cc

}  // namespace octile
