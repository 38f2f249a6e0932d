// infer() and evaluate(): one visit over the variant each, and the checks that families share.
#include "ops/families.h"

namespace octile {
namespace {

struct NeedsValue {
  size_t input;
  bool operator()(const NonZero&) const { return true; }
  bool operator()(const Unique&) const { return true; }
  bool operator()(const NonMaxSuppression&) const { return true; }
  bool operator()(const Counting&) const { return true; }
  bool operator()(const Compress&) const { return input == 1; }
  bool operator()(const Expand&) const { return input == 1; }
  bool operator()(const ReshapeTo&) const { return input == 1; }
  bool operator()(const TopKOf&) const { return input == 1; }
  bool operator()(const SliceBetween&) const { return input >= 1; }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

}  // namespace

std::vector<TensorInfo> infer(const Op& op, std::span<const TensorInfo> inputs) {
  return std::visit([&](const auto& o) { return infer_op(o, inputs); }, op);
}

bool shape_needs_value(const Op& op, size_t input) { return std::visit(NeedsValue{input}, op); }

void evaluate(const Op& op, std::span<const TensorView> inputs,
              std::span<const MutableTensorView> outputs) {
  std::visit([&](const auto& o) { evaluate_op(o, inputs, outputs); }, op);
}

std::vector<Tensor> evaluate(const Op& op, std::span<const TensorView> inputs) {
  std::vector<TensorInfo> infos;
  for (const TensorView& view : inputs) {
    infos.push_back({view.type, view.shape, KnownBytes::at(view.data)});
  }
  std::vector<Tensor> results;
  std::vector<MutableTensorView> views;
  for (const TensorInfo& info : infer(op, infos)) results.emplace_back(info.type, info.shape);
  for (Tensor& tensor : results) views.push_back({tensor.type(), tensor.shape(), tensor.data()});
  evaluate(op, inputs, views);
  return results;
}

void require_inputs(Infos in, std::initializer_list<std::string_view> inputs, int optional) {
  const size_t least = inputs.size() - static_cast<size_t>(optional);
  if (in.size() >= least && in.size() <= inputs.size()) return;
  std::string list;
  size_t index = 0;
  for (std::string_view name : inputs) {
    list += index == 0 ? "" : ", ";
    list += index >= least ? fmt::format("[{}]", name) : std::string(name);
    ++index;
  }
  fail(ErrorCode::kInvalidArgument, "got {} input{}, but needs: {}", in.size(),
       in.size() == 1 ? "" : "s", list);
}

void require_type(Infos in, int index, std::initializer_list<DataType> types) {
  const DataType type = in[static_cast<size_t>(index)].type;
  std::string list;
  for (DataType allowed : types) {
    if (allowed == type) return;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", name_of(allowed));
  }
  fail(ErrorCode::kInvalidArgument, "input {} has type {}, but it must be {}; cast it first", index,
       name_of(type), list);
}

void require_same_types(Infos in) {
  for (size_t i = 1; i < in.size(); ++i) {
    check(in[i].type == in[0].type, ErrorCode::kInvalidArgument,
          "input 0 has type {} but input {} has type {}; cast one of them", name_of(in[0].type), i,
          name_of(in[i].type));
  }
}

std::vector<int64_t> integers_of(const TensorView& view) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < view.shape.volume(); ++i) {
    values.push_back(view.type == DataType::kInt64 ? view.as<int64_t>()[i] : view.as<int32_t>()[i]);
  }
  return values;
}

std::string listed(const std::vector<int64_t>& values) {
  std::string text;
  for (int64_t value : values) text += fmt::format("{}{}", text.empty() ? "" : ", ", value);
  return text;
}

int64_t resolve_axis(int64_t axis, int rank, std::string_view what) {
  check(axis >= -rank && axis < rank, ErrorCode::kInvalidArgument,
        "{} {} is not an axis of a tensor of rank {}", what, axis, rank);
  return axis < 0 ? axis + rank : axis;
}

std::array<bool, kMaxRank> axis_flags(const std::vector<int64_t>& axes, int rank,
                                      std::string_view what) {
  std::array<bool, kMaxRank> flags{};
  for (int axis = 0; axis < rank && axes.empty(); ++axis) flags[static_cast<size_t>(axis)] = true;
  for (int64_t axis : axes) {
    bool& flag = flags[static_cast<size_t>(resolve_axis(axis, rank, what))];
    check(!flag, ErrorCode::kInvalidArgument, "{} {} is listed twice", what, axis);
    flag = true;
  }
  return flags;
}

}  // namespace octile
