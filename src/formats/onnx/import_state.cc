// See import_state.h.
#include "formats/onnx/import_state.h"

#include <algorithm>

#include "base/error.h"

namespace octile {

TensorId ImportState::computed(Value& value, const std::string& name) {
  if (value.tensor) return *value.tensor;
  check(value.maker != nullptr, ErrorCode::kUnsupported,
        "'{}' is computed from extents that are not known at import; give the model's inputs fixed "
        "shapes",
        name);
  value.tensor = (*value.maker)(*this);
  return *value.tensor;
}

void ImportState::grow_budget(const Tensor& given) {
  if (scope.depth > 0) return;  // the same one every time
  const auto bytes = static_cast<int64_t>(given.bytes());
  budget.made_bytes += 4 * bytes;
  budget.work += 256 * bytes;
}

void ImportState::spend(int64_t ImportBudget::*part, int64_t amount) {
  int64_t& left = budget.*part;
  check(amount <= left, ErrorCode::kUnsupported,
        "the model takes too much work or memory at import: loops of many iterations, functions "
        "called again and again, or large constants computed from small ones");
  left -= amount;
}

void ImportState::spend_work(double operations) {
  constexpr double kMost = 1e18;
  spend(&ImportBudget::work, static_cast<int64_t>(std::min(operations, kMost)));
}

std::string ImportState::free_layer_name(const std::string& name) const {
  if (!network.find_layer(name)) return name;
  int& copy = layer_copies_.try_emplace(name, 2).first->second;
  for (;; ++copy) {
    std::string free = fmt::format("{}#{}", name, copy);
    if (!network.find_layer(free)) return free;
  }
}

void ImportState::name_tensor(TensorId tensor, const std::string& name) {
  if (const auto taken = network.find_tensor(name); taken && !(*taken == tensor)) {
    int& copy = tensor_copies_.try_emplace(name, 2).first->second;
    std::string aside = fmt::format("{}#{}", name, copy);
    while (network.find_tensor(aside)) aside = fmt::format("{}#{}", name, ++copy);
    network.rename(*taken, aside);
  }
  network.rename(tensor, name);
}

}  // namespace octile
