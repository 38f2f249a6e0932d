// ONNX TensorProto → Tensor: all storage forms (raw bytes, typed fields, external files), every
// size checked before use. Octile computes in float32: other floats are converted here.
#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>

#include "octile/tensor.h"

namespace octile {

/// A larger extent is damage, not a shape.
inline constexpr int64_t kMostExtent = int64_t{1} << 31;

/// The type that a tensor of this ONNX type has in a network: float16, bfloat16 and double become
/// float32; uint16 becomes int32; uint32 and uint64 become int64. nullopt for what has no place in
/// a network (strings, complex numbers, 4-bit and 8-bit floats).
std::optional<DataType> network_type(int onnx_type);
/// "float16", "string", … for messages; the number when it is no type.
std::string onnx_type_name(int onnx_type);
/// Bits of an element in the file; 0 for a type that Octile lacks.
int onnx_type_bits(int onnx_type);

/// Reads the value. `folder` is where external data lies ("" when the model came from memory).
/// Throws kInvalidFile or kUnsupported; the caller names the model and the place.
Tensor read_tensor(const onnx::TensorProto& proto, const std::string& folder);

}  // namespace octile
