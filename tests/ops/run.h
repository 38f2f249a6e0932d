// Running one op in a test.
#pragma once

#include <limits>

#include "ops/ops.h"
#include "support/tensors.h"

namespace octile::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

inline Window window(std::vector<int64_t> kernel) {
  Window w;
  w.kernel = std::move(kernel);
  return w;
}

inline std::vector<Tensor> run_all(const Op& op, const std::vector<Tensor>& inputs) {
  std::vector<TensorView> views;
  for (const Tensor& t : inputs) views.push_back(t.view());
  return evaluate(op, views);
}

inline Tensor run(const Op& op, const std::vector<Tensor>& inputs) {
  return run_all(op, inputs).at(0);
}

inline std::vector<TensorInfo> infer_of(const Op& op, const std::vector<TensorInfo>& inputs) {
  return infer(op, inputs);
}

/// The output shape for float inputs of these shapes.
inline Shape shape_of(const Op& op, const std::vector<Shape>& inputs) {
  std::vector<TensorInfo> infos;
  for (const Shape& shape : inputs) infos.push_back({DataType::kFloat32, shape, nullptr});
  return infer(op, infos).at(0).shape;
}

inline std::string refusal(const Op& op, const std::vector<Shape>& inputs,
                           DataType type = DataType::kFloat32) {
  std::vector<TensorInfo> infos;
  for (const Shape& shape : inputs) infos.push_back({type, shape, nullptr});
  return message_of([&] { infer(op, infos); });
}

}  // namespace octile::test
