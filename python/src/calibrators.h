// Python objects as an octile::Calibrator: an iterable of batches, or an object with TensorRT-like
// methods. Both are called without the GIL, and must be destroyed with it.
#pragma once

#include <memory>
#include <string>

#include "batches.h"

namespace octile::python {

/// Batches of any iterable, each drawn once, and a cache file ("": none) that spares drawing them.
std::unique_ptr<Calibrator> iterable_calibrator(nb::handle batches, const Network& network,
                                                const CalibrationOptions& options,
                                                std::string cache_file, Calls& calls);
/// The same over a BatchSource, whose digest a cache is checked against.
std::unique_ptr<Calibrator> source_calibrator(BatchSource& source,
                                              const CalibrationOptions& options,
                                              std::string cache_file);
/// An object with the methods of octile.Calibrator.
std::unique_ptr<Calibrator> object_calibrator(nb::handle object, const Network& network,
                                              const CalibrationOptions& options, Calls& calls);

}  // namespace octile::python
