// A Case is one step with concrete tensors and input data: what conformance tests run tactics on.
// CaseBuilder makes one by hand or at random; the same seed gives the same case everywhere.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "octile/tensor.h"

namespace octile {

inline constexpr DataType kS8 = DataType::kInt8, kU8 = DataType::kUInt8, kF32 = DataType::kFloat32;
inline constexpr Layout kPlain = Layout::kPlain, kLast = Layout::kChannelsLast;

/// The thread sanitizer makes everything some 20 times slower: it gets fewer of the large cases.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

/// How integers are drawn: over the whole range, only its two ends, all at one end. Weights also as
/// trained ones lie, most of them small, or of one sign and of sizes whose sums come close to where
/// int16 ends.
enum class Fill { kUniform, kEnds, kLow, kHigh, kBell, kPositive, kNegative };

struct Case {
  std::string name;
  PlanData plan;  // one step
  std::vector<Shape> shapes;
  std::vector<Tensor> inputs;  // one a step input, bytes as stored
  bool exact = true;           // outputs are compared bit for bit; else within a tolerance
  StepView view() const { return make_view(plan, plan.steps[0], shapes); }
};

class CaseBuilder {
 public:
  CaseBuilder(std::string name, uint32_t seed);

  /// Adds a step input or output. Scale and zero point as in the plan.
  int32_t input(DataType type, Layout layout, const Shape& shape, float scale = 0.0f,
                int32_t zero_point = 0);
  int32_t output(DataType type, Layout layout, const Shape& shape, float scale = 0.0f,
                 int32_t zero_point = 0);
  /// Says of tensor `index` that its values are never below `q_min`.
  void set_minimum(int32_t index, int32_t q_min);
  /// The data of input `index`, to be filled.
  Tensor& data(size_t index) { return case_.inputs[index]; }
  template <typename T>
  int32_t blob(DataType type, const Shape& shape, const std::vector<T>& values);

  void fill_integers(size_t index, Fill fill, int32_t lo, int32_t hi);
  void fill_floats(size_t index, float lo, float hi);
  std::vector<int8_t> weights(int64_t count, Fill fill);
  float uniform(float lo, float hi);
  int64_t integer(int64_t lo, int64_t hi);  // inclusive
  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[integer(0, static_cast<int64_t>(choices.size()) - 1)];
  }

  Case build(Step step, bool exact = true);

 private:
  int32_t add(DataType type, Layout layout, const Shape& shape, float scale, int32_t zero_point);
  int32_t add_blob(DataType type, const Shape& shape, std::span<const std::byte> bytes);

  Case case_;
  PlanStep step_;
  std::shared_ptr<std::vector<Tensor>> storage_ = std::make_shared<std::vector<Tensor>>();
  std::mt19937 random_;
};

template <typename T>
int32_t CaseBuilder::blob(DataType type, const Shape& shape, const std::vector<T>& values) {
  return add_blob(type, shape, std::as_bytes(std::span(values)));
}

/// Tables of cases, one a family.
std::vector<Case> convolution_cases();
std::vector<Case> integer_cases();
std::vector<Case> float_cases();
/// Those of `others` that have floats, in float16, and more.
std::vector<Case> half_cases(const std::vector<Case>& others);
/// All of them.
const std::vector<Case>& all_cases();

}  // namespace octile
