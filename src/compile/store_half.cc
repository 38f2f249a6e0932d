// See store_half.h. Start reading at run(): one walk in running order, since a step's type follows
// from its inputs'.
#include "compile/store_half.h"

#include <algorithm>
#include <utility>

#include "base/half.h"
#include "octile/tensor.h"

namespace octile {
namespace {

enum class HalfPart : uint8_t {
  kNone,      // float32 alone
  kStarts,    // float16, whatever comes in
  kFollows,   // float16 if an input is
  kWrites,    // from 8 bits: floats of either type
  kReads,     // to 8 bits: from either type
  kConverts,  // a reorder: from either to either
};

bool moves_one_tensor(const Op& op) {
  if (std::holds_alternative<Slice>(op) || std::holds_alternative<Shuffle>(op)) return true;
  if (const auto* padding = std::get_if<Padding>(&op)) {
    return padding->kind != PaddingKind::kConstant || padding->value == 0.0f;  // the op's own rule
  }
  const auto* resize = std::get_if<Resize>(&op);
  return resize != nullptr && resize->kind == ResizeKind::kNearest && resize->roi.empty();
}

bool maps_floats(const Op& op) {
  const auto* unary = std::get_if<Unary>(&op);
  return unary != nullptr && unary->kind != UnaryKind::kNot && unary->kind != UnaryKind::kIsInf &&
         unary->kind != UnaryKind::kIsNan;
}

class HalfStorage {
 public:
  HalfStorage(PlanData& plan, const StepRequests& asked)
      : plan_(plan), asked_(asked), late_(late_tensors(plan)), copy_of_(plan.tensors.size(), -1) {
    readers_.resize(plan.tensors.size());
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (int32_t t : plan.steps[s].inputs) readers_[size_t(t)].push_back(s);
    }
    made_half_.assign(plan.tensors.size(), false);
    for (const PlanStep& step : plan.steps) {
      std::visit([&](const auto& s) { count_blobs(s); }, step.step);
    }
    for (const PlanTensor& t : plan.tensors) use(t.blob);
    is_output_.assign(plan.tensors.size(), false);
    for (int32_t t : plan.outputs) is_output_[size_t(t)] = true;
  }

  void run() {
    for (const PlanStep& step : plan_.steps) parts_.push_back(part_of(step));
    for (const PlanStep& step : plan_.steps) decide(step);
    for (PlanStep& step : std::exchange(plan_.steps, {})) rewrite(std::move(step));
    struct Both {
      std::shared_ptr<const void> before, made;
    };
    if (!made_->empty()) plan_.storage = std::make_shared<const Both>(Both{plan_.storage, made_});
  }

 private:
  PlanTensor& tensor(int32_t t) { return plan_.tensors[size_t(t)]; }
  /// A float that steps make or that comes in: no constant.
  bool is_variable_float(int32_t t) const {
    const PlanTensor& x = plan_.tensors[size_t(t)];
    return x.type == DataType::kFloat32 && x.blob < 0;
  }

  // --- which part a step takes ---

  Precision asked_of(const PlanStep& step) const {
    const auto found = asked_.find(step.name);
    return found != asked_.end() ? found->second : Precision::kAuto;
  }

  HalfPart part_of(const PlanStep& step) const {
    if (asked_of(step) == Precision::kFloat32) return HalfPart::kNone;
    const auto is_late = [&](int32_t t) { return bool(late_[size_t(t)]); };
    if (std::any_of(step.inputs.begin(), step.inputs.end(), is_late) ||
        std::any_of(step.outputs.begin(), step.outputs.end(), is_late)) {
      return HalfPart::kNone;  // they run on the host
    }
    const HalfPart part = std::visit([&](const auto& s) { return kind_of(s, step); }, step.step);
    const bool asked = asked_of(step) == Precision::kFloat16;
    return part == HalfPart::kFollows && asked ? HalfPart::kStarts : part;
  }

  bool from_floats(const PlanStep& step) const {
    return !is_8bit(plan_.tensors[size_t(step.inputs[0])]);
  }
  bool gives_float(const PlanStep& step) const { return is_variable_float(step.outputs[0]); }

  HalfPart kind_of(const ConvStep& s, const PlanStep& step) const {
    if (!gives_float(step) || s.dynamic) return HalfPart::kNone;
    return from_floats(step) ? HalfPart::kStarts : HalfPart::kWrites;
  }
  HalfPart kind_of(const DeconvStep&, const PlanStep&) const { return HalfPart::kStarts; }
  HalfPart kind_of(const MatMulStep&, const PlanStep& step) const {
    if (!gives_float(step)) return HalfPart::kNone;
    return from_floats(step) ? HalfPart::kStarts : HalfPart::kWrites;
  }
  HalfPart kind_of(const SoftmaxStep&, const PlanStep& step) const {
    return from_floats(step) ? HalfPart::kFollows : HalfPart::kWrites;
  }
  HalfPart kind_of(const QuantizeStep&, const PlanStep&) const { return HalfPart::kReads; }
  HalfPart kind_of(const DequantizeStep&, const PlanStep&) const { return HalfPart::kWrites; }
  HalfPart kind_of(const ReorderStep&, const PlanStep& step) const {
    return gives_float(step) ? HalfPart::kConverts : HalfPart::kNone;
  }
  HalfPart kind_of(const LookupStep&, const PlanStep&) const { return HalfPart::kNone; }
  HalfPart kind_of(const GenericStep& s, const PlanStep& step) const {
    const bool takes_it = step.inputs.size() == 1 && (moves_one_tensor(s.op) || maps_floats(s.op));
    return takes_it && gives_float(step) ? HalfPart::kFollows : HalfPart::kNone;
  }
  HalfPart kind_of(const EltwiseStep& s, const PlanStep& step) const {
    return s.kind <= ElementwiseKind::kMod && gives_float(step) ? HalfPart::kFollows
                                                                : HalfPart::kNone;
  }
  template <typename Other>
  HalfPart kind_of(const Other&, const PlanStep& step) const {
    return gives_float(step) ? HalfPart::kFollows : HalfPart::kNone;
  }

  // --- decisions: the type of what each step writes ---

  /// Somebody computes in float16 with it. `follows` counts: it would, if the tensor were.
  bool is_wanted(int32_t t, bool follows) const {
    const auto& readers = readers_[size_t(t)];
    return std::any_of(readers.begin(), readers.end(), [&](size_t reader) {
      const HalfPart part = parts_[reader];
      return part == HalfPart::kStarts || (follows && part == HalfPart::kFollows);
    });
  }

  void decide(const PlanStep& step) {
    const HalfPart part = parts_[halves_.size()];
    const auto reads_half = [&](int32_t t) { return bool(made_half_[size_t(t)]); };
    const bool from_half = std::any_of(step.inputs.begin(), step.inputs.end(), reads_half);
    bool half = false;
    switch (part) {
      case HalfPart::kStarts: half = true; break;
      case HalfPart::kFollows: half = from_half; break;
      case HalfPart::kWrites:  // an output of the plan keeps all its bits
        half = !is_output_[size_t(step.outputs[0])] && is_wanted(step.outputs[0], true);
        break;
      case HalfPart::kConverts:
        half = !is_output_[size_t(step.outputs[0])] &&
               (from_half || is_wanted(step.outputs[0], false));
        break;
      case HalfPart::kReads:
      case HalfPart::kNone: break;
    }
    halves_.push_back(half);
    if (half) made_half_[size_t(step.outputs[0])] = true;
  }

  // --- the change ---

  void rewrite(PlanStep step) {
    const HalfPart part = parts_[at_];
    const bool half = halves_[at_++];
    const bool reads_either = part == HalfPart::kReads || part == HalfPart::kConverts;
    for (int32_t& t : step.inputs) {
      if (reads_either || part == HalfPart::kWrites) continue;
      t = half ? as_half(t, step.name) : as_float(t, step.name);
    }
    int32_t output = -1;  // of the plan, which keeps its type
    if (half && is_output_[size_t(step.outputs[0])]) {
      output = step.outputs[0];
      step.outputs[0] = twin(output, DataType::kFloat16);
      copy_of_[size_t(output)] = step.outputs[0];
    } else if (half) {
      tensor(step.outputs[0]).type = DataType::kFloat16;
    }
    if (half) std::visit([&](auto& s) { round_weights(s); }, step.step);
    const std::string name = step.name;
    const int32_t made = step.outputs[0];
    plan_.steps.push_back(std::move(step));
    if (output >= 0) convert(made, output, name);
  }

  /// The tensor in float16: itself, a rounded constant, or the one copy that all readers share.
  int32_t as_half(int32_t t, const std::string& name) {
    if (tensor(t).type != DataType::kFloat32) return t;
    if (copy_of_[size_t(t)] >= 0) return copy_of_[size_t(t)];
    const int32_t made = twin(t, DataType::kFloat16);
    copy_of_[size_t(t)] = made;
    if (tensor(t).blob >= 0) {
      tensor(made).blob = rounded(tensor(t).blob);
    } else {
      convert(t, made, name);
    }
    return made;
  }
  int32_t as_float(int32_t t, const std::string& name) {
    if (tensor(t).type != DataType::kFloat16 || !made_half_[size_t(t)])
      return t;  // or a model's own
    if (copy_of_[size_t(t)] >= 0) return copy_of_[size_t(t)];
    const int32_t made = twin(t, DataType::kFloat32);
    copy_of_[size_t(t)] = made;
    convert(t, made, name);
    return made;
  }

  int32_t twin(int32_t t, DataType type) {
    PlanTensor copy = tensor(t);
    copy.type = type;
    copy.blob = -1;
    plan_.tensors.push_back(std::move(copy));
    copy_of_.push_back(-1);
    return int32_t(plan_.tensors.size()) - 1;
  }
  void convert(int32_t from, int32_t to, const std::string& name) {
    plan_.steps.push_back({.name = name, .step = ReorderStep{}, .inputs = {from}, .outputs = {to}});
  }
  int32_t rounded(int32_t blob) {
    const Blob floats = plan_.blobs[size_t(blob)];
    Tensor halves(DataType::kFloat16, floats.shape);
    for (int64_t i = 0; i < halves.volume(); ++i) {
      halves.as<uint16_t>()[i] = float_to_half(floats.as<float>()[i]);
    }
    plan_.blobs.push_back(keep(std::move(halves)));
    return int32_t(plan_.blobs.size()) - 1;
  }
  Blob keep(Tensor values) {
    made_->push_back(std::move(values));
    const Tensor& kept = made_->back();  // heap bytes stay put when the vector grows
    return {kept.type(), kept.shape(), {static_cast<const std::byte*>(kept.data()), kept.bytes()}};
  }

  // --- weights: float32 as ever, but values that float16 has: all rows compute alike ---

  void use(int32_t blob) {
    if (blob < 0) return;
    blob_users_.resize(plan_.blobs.size());
    ++blob_users_[size_t(blob)];
  }
  void count_blobs(const ConvStep& s) {
    for (const int32_t blob : {s.weights, s.bias, s.multiplier}) use(blob);
  }
  void count_blobs(const DeconvStep& s) {
    for (const int32_t blob : {s.weights, s.bias}) use(blob);
  }
  void count_blobs(const NormalizeStep& s) {
    for (const int32_t blob : {s.scale, s.shift}) use(blob);
  }
  template <typename Other>
  void count_blobs(const Other&) {}  // no blobs of floats

  void round_weights(ConvStep& s) {
    if (s.multiplier >= 0) return;  // of 8 bits
    round_floats(s.weights);
    round_floats(s.bias);
  }
  void round_weights(DeconvStep& s) {
    round_floats(s.weights);
    round_floats(s.bias);
  }
  template <typename Other>
  void round_weights(Other&) {}

  /// In the blob's place, or beside it where others read it too.
  void round_floats(int32_t& blob) {
    if (blob < 0) return;
    const Blob before = plan_.blobs[size_t(blob)];
    Tensor values(DataType::kFloat32, before.shape);
    for (int64_t i = 0; i < values.volume(); ++i) {
      values.as<float>()[i] = half_to_float(float_to_half(before.as<float>()[i]));
    }
    if (--blob_users_[size_t(blob)] == 0) {
      plan_.blobs[size_t(blob)] = keep(std::move(values));
      return;
    }
    plan_.blobs.push_back(keep(std::move(values)));
    blob = int32_t(plan_.blobs.size()) - 1;
  }

  PlanData& plan_;
  const StepRequests& asked_;
  std::vector<bool> late_, is_output_;
  std::vector<std::vector<size_t>> readers_;  // by tensor: steps
  std::vector<HalfPart> parts_;               // by step
  std::vector<bool> halves_;                  // by step: whether it writes float16
  size_t at_ = 0;                             // the step that is rewritten next
  std::vector<bool> made_half_;               // by tensor, of those that were there at first
  std::vector<int> blob_users_;
  std::vector<int32_t> copy_of_;  // by tensor: the same values in the other type, or −1
  std::shared_ptr<std::vector<Tensor>> made_ = std::make_shared<std::vector<Tensor>>();
};

}  // namespace

void store_half(PlanData& plan, const StepRequests& asked) { HalfStorage(plan, asked).run(); }

}  // namespace octile
