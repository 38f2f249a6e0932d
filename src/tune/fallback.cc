// Fallback: a layer whose own quantization error is too large stays float. One such layer near the
// input can ruin all that follow, and costs little.
#include <fmt/format.h>

#include "tune/layer_errors.h"
#include "tune/recipes.h"

namespace octile {
namespace {

constexpr double kLeastSqnrDb = 20.0;  // noise of a hundredth of the signal

}  // namespace

void keep_fragile_layers_float(RecipeInputs& inputs) {
  const std::vector<LayerError> errors = layer_errors(inputs.network, inputs.table, inputs.options,
                                                      *inputs.samples, inputs.calibration);
  for (const LayerError& error : errors) {
    const Precision wanted = inputs.network.precision(error.layer);
    if (error.sqnr_db() >= kLeastSqnrDb || wanted == Precision::kInt8) continue;
    inputs.network.set_precision(error.layer,
                                 inputs.options.fp16 ? Precision::kFloat16 : Precision::kFloat32);
    if (!inputs.options.log) continue;
    inputs.options.log(
        LogLevel::kInfo,
        fmt::format("layer '{}' stays float: quantized, its signal is {:.1f} dB above "
                    "its own error, less than {} dB",
                    inputs.network.name(error.layer), error.sqnr_db(), kLeastSqnrDb));
  }
}

}  // namespace octile
