// Models of quantized ONNX operators for the tests of their import.
#pragma once

#include "formats/onnx_models.h"

namespace octile::test {

inline constexpr int kU8 = onnx::TensorProto::UINT8, kI8 = onnx::TensorProto::INT8,
                     kI32 = onnx::TensorProto::INT32;
inline constexpr const char* kMicrosoft = "com.microsoft";

/// A model whose quantization parameters are initializers named by their values.
class QuantizedModel : public Model {
 public:
  QuantizedModel() : Model(13) {
    auto* domain = proto.add_opset_import();
    domain->set_domain(kMicrosoft);
    domain->set_version(1);
  }
  std::string scale(float value) {
    const std::string name = "scale" + std::to_string(count_++);
    floats(name, {}, {value});
    return name;
  }
  std::string zero(int32_t value, int type = kU8) {
    const std::string name = "zero" + std::to_string(count_++);
    int32s(name, {}, {value}, type);
    return name;
  }

 private:
  int count_ = 0;
};

/// Random bytes.
inline Tensor bytes_of(const Shape& shape, uint64_t seed) {
  Random random(seed);
  return random_bits(DataType::kUInt8, shape, random);
}

}  // namespace octile::test
