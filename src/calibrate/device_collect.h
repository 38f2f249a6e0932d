// Collection on a GPU: the float network runs there and the histograms stay there until the end.
#pragma once

#include <memory>

#include "calibrate/passes.h"
#include "octile/calibration.h"

namespace octile {

/// collect() on options.device, a GPU. Recorded as path "cuda": its float arithmetic is not the
/// CPU's. There are no checkpoints.
CalibrationData collect_on_device(const Network& network, BatchSource& source,
                                  const CalibrationOptions& options);

/// Both passes on options.device. What they are given must outlive them.
std::unique_ptr<Passes> make_device_passes(const Network& network,
                                           const CalibrationOptions& options);

}  // namespace octile
