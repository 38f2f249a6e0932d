// See collected.h.
#include "collected.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace octile::cli {
namespace {

bool fits(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape().rank() != b.shape().rank()) return false;
  for (int axis = 1; axis < a.shape().rank(); ++axis) {
    if (a.shape()[axis] != b.shape()[axis]) return false;
  }
  return a.shape().rank() > 0;
}

std::string described(const Tensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.type()), tensor.shape().to_string());
}

}  // namespace

Tensor with_rows(const Tensor& tensor, int64_t rows) {
  Shape shape = tensor.shape();
  const int64_t own = shape[0];
  shape[0] = rows;
  Tensor result(tensor.type(), shape);
  const size_t row = own > 0 ? tensor.bytes() / static_cast<size_t>(own) : 0;
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(result.as<std::byte>() + static_cast<size_t>(r) * row,
                tensor.as<std::byte>() + static_cast<size_t>(std::min(r, own - 1)) * row, row);
  }
  return result;
}

const std::vector<Tensor>& Collected::parts(const std::string& name) const {
  static const std::vector<Tensor> none;
  const auto found = parts_.find(name);
  return found == parts_.end() ? none : found->second;
}

std::string Collected::refusal(const std::string& name) const {
  const std::vector<Tensor>& list = parts(name);
  if (list.empty()) return fmt::format("output '{}': no samples were run", name);
  if (list.size() > 1 && apart_.contains(name)) {
    return fmt::format(
        "output '{}' has as many rows as its values ask for, not one a sample: its "
        "batches cannot be joined",
        name);
  }
  for (size_t i = 1; i < list.size(); ++i) {
    if (fits(list[0], list[i])) continue;
    return fmt::format(
        "output '{}' is {} in batch 0 and {} in batch {}: batches of different shapes cannot be "
        "joined; bring all samples to one size (--preprocess fit=…,size=HxW)",
        name, described(list[0]), described(list[i]), i);
  }
  return "";
}

Tensor Collected::joined(const std::string& name) const {
  const std::string problem = refusal(name);
  if (!problem.empty()) throw Error(ErrorCode::kInvalidArgument, problem);
  const std::vector<Tensor>& list = parts(name);
  if (list.size() == 1) return list[0];
  Shape shape = list[0].shape();
  shape[0] = 0;
  for (const Tensor& part : list) shape[0] += part.shape()[0];
  Tensor all(list[0].type(), shape);
  auto* to = static_cast<std::byte*>(all.data());
  for (const Tensor& part : list) {
    if (part.bytes() > 0) std::memcpy(to, part.data(), part.bytes());
    to += part.bytes();
  }
  return all;
}

std::map<std::string, Tensor> Collected::arrays() const {
  std::map<std::string, Tensor> arrays;
  const auto put = [&](const std::string& name, Tensor tensor) {
    if (arrays.emplace(name, std::move(tensor)).second) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("two arrays would be called '{}'; rename the model's output", name));
  };
  for (const auto& [name, list] : parts_) {
    if (refusal(name).empty()) {
      put(name, joined(name));
      continue;
    }
    for (size_t i = 0; i < list.size(); ++i) put(fmt::format("{}.{}", name, i), list[i]);
  }
  return arrays;
}

}  // namespace octile::cli
