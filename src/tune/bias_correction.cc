// Bias correction: quantized weights and clipped inputs shift a channel's mean; what calibration
// saw of that shift is taken off the bias, where it costs nothing.
#include <fmt/format.h>

#include "compile/free_name.h"
#include "compile/weighted.h"
#include "tune/layer_errors.h"
#include "tune/recipes.h"

namespace octile {
namespace {

/// The layer's bias minus `shift`, as a constant of its own.
Tensor corrected(const Network& network, LayerId layer, const std::vector<double>& shift) {
  const BiasSource bias = bias_source(network, layer);
  Tensor result(DataType::kFloat32, Shape{static_cast<int64_t>(shift.size())});
  for (size_t c = 0; c < shift.size(); ++c) {
    const double old = bias.value != nullptr ? double(bias.value->as<float>()[c]) : 0.0;
    result.as<float>()[c] = static_cast<float>(old - shift[c]);
  }
  return result;
}

}  // namespace

void correct_biases(RecipeInputs& inputs) {
  const std::vector<LayerError> errors = layer_errors(inputs.network, inputs.table, inputs.options,
                                                      *inputs.samples, inputs.calibration);
  for (const LayerError& error : errors) {
    if (inputs.options.log) {
      inputs.options.log(LogLevel::kDebug,
                         fmt::format("layer {}: {:.1f} dB by itself",
                                     inputs.network.name(error.layer), error.sqnr_db()));
    }
    Tensor bias = corrected(inputs.network, error.layer, error.mean);
    const TensorId constant = inputs.network.constant(
        std::move(bias), free_name(inputs.network, inputs.network.name(error.layer) + ".bias"));
    inputs.network.set_input(error.layer, 2, constant);
  }
}

}  // namespace octile
