// A Tactic made of plain functions, so that a table of tactics is a table of constants; and a
// Prepared made of anything that can be called with Buffers.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backend/backend.h"
#include "plan/places.h"

namespace octile {

/// What a row does; see Tactic for the contracts. all but the first two may be null.
struct TacticFunctions {
  std::string (*refuse)(const StepView& view);
  std::unique_ptr<Prepared> (*prepare)(const StepView& view, const PackedWeights* packed);
  std::unique_ptr<PackedWeights> (*pack)(const StepView& view) = nullptr;
  size_t (*workspace)(const StepView& view) = nullptr;
  bool (*rows_apart)(const StepView& view) = nullptr;
};

/// For tactics that take any addresses, but no gaps between rows.
inline bool takes_rows_close(const StepView& view) {
  return std::none_of(view.inputs.begin(), view.inputs.end(), has_rows_apart) &&
         std::none_of(view.outputs.begin(), view.outputs.end(), has_rows_apart);
}

class FunctionTactic final : public Tactic {
 public:
  constexpr FunctionTactic(std::string_view name, Isa isa, TacticFunctions functions)
      : name_(name), isa_(isa), functions_(functions) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return isa_; }
  std::string refuse(const StepView& view, const Device&) const override {
    return functions_.refuse(view);
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device&) const override {
    return functions_.pack != nullptr ? functions_.pack(view) : nullptr;
  }
  size_t workspace_bytes(const StepView& view, const Device&) const override {
    return functions_.workspace != nullptr ? functions_.workspace(view) : 0;
  }
  bool takes_rows_apart(const StepView& view) const override {
    return functions_.rows_apart != nullptr && functions_.rows_apart(view);
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device&) const override {
    return functions_.prepare(view, packed);
  }

 private:
  std::string_view name_;
  Isa isa_;
  TacticFunctions functions_;
};

template <typename Function>
class PreparedFunction final : public Prepared {
 public:
  explicit PreparedFunction(Function function) : function_(std::move(function)) {}
  void run(const Buffers& buffers) override { function_(buffers); }

 private:
  Function function_;
};

/// `function` is called with the Buffers of each run; it must not allocate.
template <typename Function>
std::unique_ptr<Prepared> make_prepared(Function function) {
  return std::make_unique<PreparedFunction<Function>>(std::move(function));
}

}  // namespace octile
