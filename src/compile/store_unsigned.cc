// See store_unsigned.h. Tensors that steps pass on byte by byte change together or not at all.
#include "compile/store_unsigned.h"

#include <algorithm>
#include <numeric>

#include "octile/tensor.h"

namespace octile {
namespace {

constexpr int32_t kAdded = 128;
constexpr uint8_t kFlip = 0x80;

class UnsignedStorage {
 public:
  explicit UnsignedStorage(PlanData& plan) : plan_(plan), parent_(plan.tensors.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    stays_.assign(plan.tensors.size(), false);
    pays_.assign(plan.tensors.size(), false);
    blob_users_.assign(plan.blobs.size(), 0);
  }

  void run() {
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      if (plan_.tensors[t].blob >= 0 || plan_.tensors[t].type != DataType::kInt8) stay(int32_t(t));
    }
    for (int32_t t : plan_.inputs) stay(t);
    for (int32_t t : plan_.outputs) stay(t);
    for (const PlanStep& step : plan_.steps) {
      std::visit([&](const auto& s) { look(s, step); }, step.step);
    }
    settle();
    if (std::none_of(changes_.begin(), changes_.end(), [](bool b) { return b; })) return;
    for (PlanStep& step : plan_.steps) {
      std::visit([&](auto& s) { change(s, step); }, step.step);
    }
    for (size_t t = 0; t < plan_.tensors.size(); ++t) {
      if (!changes_[t]) continue;
      plan_.tensors[t].type = DataType::kUInt8;
      plan_.tensors[t].zero_point += kAdded;
    }
    annotate_minima(plan_);
    if (made_->empty()) return;
    struct Both {
      std::shared_ptr<const void> before, made;
    };
    plan_.storage = std::make_shared<const Both>(Both{plan_.storage, made_});
  }

 private:
  int32_t root(int32_t t) {
    while (parent_[size_t(t)] != t) t = parent_[size_t(t)] = parent_[size_t(parent_[size_t(t)])];
    return t;
  }
  void stay(int32_t t) { stays_[size_t(t)] = true; }
  void stay_all(const PlanStep& step) {
    for (const auto* list : {&step.inputs, &step.outputs}) {
      for (int32_t t : *list) stay(t);
    }
  }
  void together(const PlanStep& step) {
    for (int32_t t : step.inputs) parent_[size_t(root(t))] = root(step.outputs[0]);
  }
  void multiplied(int32_t t) {
    if (plan_.tensors[size_t(t)].q_min < 0) pays_[size_t(t)] = true;
  }

  // --- what a step allows ---

  void look(const ConvStep& s, const PlanStep& step) {
    if (s.dynamic) return stay_all(step);
    multiplied(step.inputs[0]);
    use(s.bias);
  }
  void look(const MatMulStep&, const PlanStep& step) {
    stay(step.inputs[1]);  // lies in [−127, 127]
    multiplied(step.inputs[0]);
  }
  void look(const PoolStep& s, const PlanStep& step) {
    if (s.kind == PoolingKind::kMax) together(step);
  }
  void look(const QuantizeStep& s, const PlanStep& step) {
    if (s.dynamic) stay_all(step);
  }
  void look(const DequantizeStep& s, const PlanStep& step) {
    if (s.dynamic) stay_all(step);
  }
  void look(const ConcatStep&, const PlanStep& step) { together(step); }
  void look(const ReorderStep&, const PlanStep& step) { together(step); }
  void look(const ViewStep&, const PlanStep& step) { together(step); }
  void look(const EltwiseStep&, const PlanStep&) {}
  void look(const LookupStep& s, const PlanStep&) { use(s.table); }
  void look(const SoftmaxStep&, const PlanStep&) {}
  void look(const GenericStep& s, const PlanStep& step) {
    const bool moves =
        std::holds_alternative<Slice>(s.op) || std::holds_alternative<Shuffle>(s.op) ||
        std::holds_alternative<Resize>(s.op) || std::holds_alternative<Padding>(s.op);
    moves&& step.inputs.size() == 1 ? together(step) : stay_all(step);
  }
  template <typename Other>
  void look(const Other&, const PlanStep& step) {
    stay_all(step);
  }
  void use(int32_t blob) {
    if (blob >= 0) ++blob_users_[size_t(blob)];
  }

  /// Groups of tensors that change: nobody in them stays, and somebody gains.
  void settle() {
    std::vector<bool> stays(parent_.size()), pays(parent_.size());
    for (size_t t = 0; t < parent_.size(); ++t) {
      const auto r = size_t(root(int32_t(t)));
      stays[r] = stays[r] || stays_[t];
      pays[r] = pays[r] || pays_[t];
    }
    changes_.resize(parent_.size());
    for (size_t t = 0; t < parent_.size(); ++t) {
      const auto r = size_t(root(int32_t(t)));
      changes_[t] = pays[r] && !stays[r];
    }
  }

  // --- the change ---

  bool changes(int32_t t) const { return changes_[size_t(t)]; }
  static void raise(Clamp& clamp) {
    clamp.q_lo += kAdded;
    clamp.q_hi += kAdded;
  }

  void change(ConvStep& s, const PlanStep& step) {
    if (changes(step.outputs[0])) raise(s.clamp);
    if (!changes(step.inputs[0])) return;
    const Blob weights = plan_.blobs[size_t(s.weights)], bias = plan_.blobs[size_t(s.bias)];
    Tensor values(bias.type, bias.shape);
    const int64_t k = weights.shape.volume() / std::max<int64_t>(1, s.out_channels);
    for (int64_t m = 0; m < s.out_channels; ++m) {
      const auto* w = weights.as<int8_t>() + m * k;
      const int64_t sum = std::accumulate(w, w + k, int64_t{0});
      values.as<int32_t>()[m] = int32_t(uint32_t(int64_t(bias.as<int32_t>()[m]) - kAdded * sum));
    }
    s.bias = keep(s.bias, std::move(values));
  }
  void change(LookupStep& s, const PlanStep& step) {
    const uint8_t in = changes(step.inputs[0]) ? kFlip : 0;
    const uint8_t out = changes(step.outputs[0]) ? kFlip : 0;
    if (in == 0 && out == 0) return;
    const Blob before = plan_.blobs[size_t(s.table)];
    const auto* table = reinterpret_cast<const uint8_t*>(before.bytes.data());
    Tensor values(out != 0 ? DataType::kUInt8 : before.type, before.shape);
    auto* bytes = static_cast<uint8_t*>(values.data());
    for (int i = 0; i < 256; ++i) bytes[i] = uint8_t(table[i ^ in] ^ out);
    s.table = keep(s.table, std::move(values));
  }
  void change(EltwiseStep& s, const PlanStep& step) {
    if (changes(step.outputs[0])) raise(s.clamp);
  }
  void change(MatMulStep& s, const PlanStep& step) {
    if (changes(step.outputs[0])) raise(s.clamp);
  }
  void change(QuantizeStep& s, const PlanStep& step) {
    if (!changes(step.outputs[0])) return;
    s.q_lo += kAdded;
    s.q_hi += kAdded;
  }
  void change(GenericStep& s, const PlanStep& step) {
    auto* padding = std::get_if<Padding>(&s.op);
    if (padding != nullptr && changes(step.outputs[0])) padding->value += float(kAdded);
  }
  template <typename Other>
  void change(Other&, const PlanStep&) {}

  /// Puts values in a blob's place, or beside it where other steps read it too.
  int32_t keep(int32_t blob, Tensor values) {
    made_->push_back(std::move(values));
    const Tensor& kept = made_->back();  // heap bytes stay put when the vector grows
    const Blob made{
        kept.type(), kept.shape(), {static_cast<const std::byte*>(kept.data()), kept.bytes()}};
    if (blob_users_[size_t(blob)] == 1) {
      plan_.blobs[size_t(blob)] = made;
      return blob;
    }
    --blob_users_[size_t(blob)];
    plan_.blobs.push_back(made);
    blob_users_.push_back(1);
    return int32_t(plan_.blobs.size()) - 1;
  }

  PlanData& plan_;
  std::vector<int32_t> parent_;
  std::vector<bool> stays_, pays_, changes_;
  std::vector<int> blob_users_;
  std::shared_ptr<std::vector<Tensor>> made_ = std::make_shared<std::vector<Tensor>>();
};

}  // namespace

void store_unsigned(PlanData& plan) { UnsignedStorage(plan).run(); }

}  // namespace octile
