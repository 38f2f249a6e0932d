// The table of passes and its driver.
#include "compile/passes.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "graph/validate.h"

namespace octile {
namespace {

constexpr Pass kPasses[] = {
    {"fold-constants", "layers over constants are computed at build", fold_constants},
    {"remove-identities", "Identity, no-op Cast and no-op Shuffle layers go", remove_identities},
    {"merge-equal", "layers that compute the same become one", merge_equal},
    {"sink-transposes", "transposes move down to where they meet and cancel", sink_transposes},
    {"raise-transposes", "a transpose behind joined, flattened images moves up to each of them",
     raise_transposes},
    {"merge-movement", "chains of reshapes, transposes, slices and picks become one or none",
     merge_movement},
    {"recognize-activations", "spelled-out Swish, HardSwish, Mish and GELU become activations",
     recognize_activations},
    {"canonicalize-reduce", "a mean over the image becomes a global pooling", canonicalize_reduce},
    {"fold-padding", "zeros around an image go into the window that reads it", fold_padding},
    {"fold-focus", "a convolution over an image's phases becomes one over the image", fold_focus},
    {"float-movement", "8-bit values move as floats between Dequantize and Quantize",
     float_movement},
    {"absorb-clamps", "a ReLU or Clip that a Quantize does anyway goes", absorb_clamps},
    {"move-quantization", "Quantize up and Dequantize down through layers that move values",
     move_quantization},
    {"merge-quantization", "equal and cancelling Quantize and Dequantize layers merge",
     merge_quantization},
    {"fold-bias", "a constant added to a product becomes its bias", fold_bias},
    {"fold-scale", "batch normalization moves into the weights before or behind it", fold_scale},
    {"remove-dead-layers", "what no output needs goes", remove_dead_layers},
};

constexpr int kMaxRounds = 8;

/// All but constants.
int count_layers(const Network& network) {
  const auto layers = network.layers();
  return static_cast<int>(std::count_if(layers.begin(), layers.end(), [&](LayerId layer) {
    return !std::holds_alternative<Constant>(network.op(layer));
  }));
}

}  // namespace

void check_pass_names(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::string known;
    for (const Pass& pass : kPasses) known += fmt::format(" {}", pass.name);
    check(std::any_of(std::begin(kPasses), std::end(kPasses),
                      [&](const Pass& pass) { return pass.name == name; }),
          ErrorCode::kInvalidArgument, "no pass is called '{}'; the passes are:{}", name, known);
  }
}

std::span<const Pass> passes() { return kPasses; }

void run_passes(Network& network, const std::vector<std::string>& disabled,
                const LogCallback& log) {
  check_pass_names(disabled);
  const int before = count_layers(network);
  for (int round = 0; round < kMaxRounds; ++round) {
    int changed = 0;
    for (const Pass& pass : kPasses) {
      if (std::find(disabled.begin(), disabled.end(), pass.name) != disabled.end()) continue;
      const auto start = std::chrono::steady_clock::now();
      const int places = pass.run(network);
      if (places == 0) continue;
      validate(network);
      changed += places;
      if (log) {
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        log(LogLevel::kDebug,
            fmt::format("pass {}: {} places, {:.2f} ms", pass.name, places, took.count()));
      }
    }
    if (changed == 0) break;
  }
  if (!log) return;
  log(LogLevel::kDebug,
      fmt::format("passes: {} layers before, {} behind them", before, count_layers(network)));
}

}  // namespace octile
