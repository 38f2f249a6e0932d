// What quantization does to each layer by itself: its inputs are the float network's, so errors of
// the layers before it do not show.
#pragma once

#include <string>
#include <vector>

#include "octile/builder.h"

namespace octile {

/// The error of one weighted layer's own output, before residual and activation, when its input
/// and weights are quantized.
struct LayerError {
  LayerId layer;
  std::vector<double> mean;  // by output channel: mean of quantized − float
  double signal = 0.0;       // mean of float²
  double noise = 0.0;        // mean of (quantized − float)²
  /// 10·log10(signal / noise); +infinity without noise.
  double sqnr_db() const;
};

/// The network as compile() quantizes it: requests of `options` applied, passes run.
Network prepared(const Network& network, const BuildOptions& options);

/// One entry a weighted layer that `options` and `table` put in int8, in running order. `network`
/// is a prepared() one. Runs every sample once.
std::vector<LayerError> layer_errors(const Network& network, const CalibrationTable* table,
                                     const BuildOptions& options, BatchSource& source,
                                     const CalibrationOptions& calibration);

}  // namespace octile
