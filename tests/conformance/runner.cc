// See runner.h.
#include "conformance/runner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/half.h"
#include "base/parallel_for.h"
#include "kernels/half_tactic.h"
#include "kernels/portable/tactics.h"
#include "kernels/step_forms.h"
#include "plan/places.h"

namespace octile {
namespace {

constexpr size_t kGuard = 256;  // bytes before and after
constexpr auto kPattern = std::byte{0xa5};

/// `bytes` of memory between two guards, `shift` bytes off a 64-byte boundary.
class GuardedBytes {
 public:
  GuardedBytes(size_t bytes, size_t shift) : bytes_(bytes) {
    void* p = nullptr;
    EXPECT_EQ(posix_memalign(&p, 64, kGuard + shift + bytes + kGuard), 0);
    base_ = static_cast<std::byte*>(p);
    total_ = kGuard + shift + bytes + kGuard;
    std::memset(base_, static_cast<int>(kPattern), total_);
    data_ = base_ + kGuard + shift;
  }
  ~GuardedBytes() { std::free(base_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  std::byte* data() { return data_; }
  size_t size() const { return bytes_; }
  bool intact() const {
    for (size_t i = 0; i < total_; ++i) {
      const bool inside = base_ + i >= data_ && base_ + i < data_ + bytes_;
      if (!inside && base_[i] != kPattern) return false;
    }
    return true;
  }

 private:
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0, total_ = 0;
};

/// A copy that ends exactly where its memory ends, so that the address sanitizer sees overreads.
class ExactBytes {
 public:
  ExactBytes(const void* from, size_t bytes, size_t shift) {
    void* p = nullptr;
    EXPECT_EQ(posix_memalign(&p, 64, std::max<size_t>(1, shift + bytes)), 0);
    base_ = static_cast<std::byte*>(p);
    data_ = base_ + shift;
    if (bytes > 0) std::memcpy(data_, from, bytes);
  }
  ~ExactBytes() { std::free(base_); }
  ExactBytes(const ExactBytes&) = delete;
  ExactBytes& operator=(const ExactBytes&) = delete;
  std::byte* data() { return data_; }

 private:
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
};

/// From the first byte of the first row to the last of the last.
size_t span_of(const PlanTensor& t) {
  const auto bytes = static_cast<int64_t>(bytes_of(t));
  if (t.row_stride == 0 || bytes == 0) return bytes_of(t);
  return static_cast<size_t>((bytes / row_bytes(t) - 1) * t.row_stride + row_bytes(t));
}

/// Brings rows that lie close together to where they lie in `to`, and back.
void spread(const PlanTensor& t, const void* from, std::byte* to) {
  const auto* bytes = static_cast<const std::byte*>(from);
  const size_t row = static_cast<size_t>(row_bytes(t)), step = static_cast<size_t>(row_step(t));
  if (row == 0 && bytes_of(t) > 0) std::memcpy(to, from, bytes_of(t));
  for (size_t at = 0; row > 0 && at < bytes_of(t); at += row, to += step) {
    std::memcpy(to, bytes + at, row);
  }
}
std::vector<std::byte> gather(const PlanTensor& t, const std::byte* from) {
  std::vector<std::byte> bytes(bytes_of(t));
  if (row_bytes(t) == 0) return {from, from + bytes.size()};
  const size_t row = static_cast<size_t>(row_bytes(t)), step = static_cast<size_t>(row_step(t));
  for (size_t at = 0; at < bytes.size(); at += row, from += step) {
    std::memcpy(&bytes[at], from, row);
  }
  return bytes;
}
/// True when all bytes between rows are `value`.
bool gaps_hold(const PlanTensor& t, const std::byte* data, std::byte value) {
  for (size_t i = 0; t.row_stride > 0 && i < span_of(t); ++i) {
    if (static_cast<int64_t>(i) % row_step(t) >= row_bytes(t) && data[i] != value) return false;
  }
  return true;
}

size_t shift_of(const PlanTensor& t, const RunOptions& options) {
  return options.aligned ? 0 : size_of(t.type);
}

}  // namespace

size_t bytes_of(const PlanTensor& t) {
  return static_cast<size_t>(t.shape.volume()) * size_of(t.type);
}

StepView largest(const StepView& view, int64_t factor) {
  StepView result = view;
  const int64_t batch = view.outputs[0].shape[0];
  for (auto* list : {&result.inputs, &result.outputs}) {
    for (PlanTensor& t : *list) {
      if (factor > 1 && t.shape[0] == batch) t.shape[0] *= factor;
    }
  }
  return result;
}

const Tactic* portable_row(const StepView& view) {
  if (refusal(half_tactic(), view, {Isa::kPortable, 1}).empty()) return &half_tactic();
  for (const Tactic* tactic : portable_tactics()) {
    if (refusal(*tactic, view, {Isa::kPortable, 1}).empty()) return tactic;
  }
  return nullptr;
}

bool may_share(const StepView& view, size_t input) {
  const auto* conv = view.as<ConvStep>();
  const bool floats = view.inputs[input].type == DataType::kFloat32;
  const bool adds = conv != nullptr && conv->residual && input == 1;
  const bool residual = adds && (floats ? !conv->rows : conv->groups == 1);
  const bool elementwise = view.as<EltwiseStep>() != nullptr || view.as<LookupStep>() != nullptr ||
                           view.as<ActivationStep>() != nullptr;
  const PlanTensor &x = view.inputs[input], &y = view.outputs[0];
  return (elementwise || residual) && x.shape == y.shape && x.layout == y.layout &&
         size_of(x.type) == size_of(y.type);
}

StepView with_gaps(const Case& c, const RunOptions& options) {
  StepView view = c.view();
  const auto set = [](PlanTensor& t, int64_t gap) {
    if (gap > 0 && row_bytes(t) > 0) t.row_stride = row_bytes(t) + gap * int64_t(size_of(t.type));
  };
  for (PlanTensor& t : view.inputs) set(t, options.in_gap);
  set(view.outputs[0], options.out_gap);
  return view;
}

std::vector<std::vector<std::byte>> run_tactic(const Tactic& tactic, const Case& c, Isa isa,
                                               const RunOptions& options) {
  const StepView view = with_gaps(c, options);
  const Device device{isa, options.threads};
  ThreadCountScope threads(options.threads);
  const StepView max = largest(view, options.profile);
  EXPECT_EQ(tactic.refuse(max, device), "") << tactic.name();
  const auto packed = tactic.pack(max, device);
  const auto prepared = tactic.prepare(view, packed.get(), device);
  GuardedBytes workspace(tactic.workspace_bytes(max, device), 0);
  std::vector<std::vector<std::byte>> result;
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<ExactBytes>> inputs;
    std::vector<std::unique_ptr<GuardedBytes>> outputs;
    std::vector<const void*> in;
    std::vector<void*> out;
    for (const PlanTensor& t : view.outputs) {
      outputs.push_back(std::make_unique<GuardedBytes>(span_of(t), shift_of(t, options)));
      std::memset(outputs.back()->data(), 0x3c + round, span_of(t));
      out.push_back(outputs.back()->data());
    }
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      const PlanTensor& t = view.inputs[i];
      std::vector<std::byte> lying(span_of(t), std::byte{0x5a});
      spread(t, c.inputs[i].data(), lying.data());
      inputs.push_back(
          std::make_unique<ExactBytes>(lying.data(), lying.size(), shift_of(t, options)));
      in.push_back(inputs.back()->data());
      if (options.in_place == static_cast<int>(i)) {
        std::memcpy(out[0], c.inputs[i].data(), bytes_of(t));
        in.back() = out[0];
      }
    }
    prepared->run({in.data(), out.data(), workspace.data()});
    EXPECT_TRUE(workspace.intact()) << tactic.name() << " wrote outside its workspace";
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      const PlanTensor& t = view.inputs[i];
      const size_t bytes = bytes_of(t);
      const auto left = gather(t, inputs[i]->data());
      EXPECT_TRUE(bytes == 0 || std::memcmp(left.data(), c.inputs[i].data(), bytes) == 0)
          << tactic.name() << " changed input " << i;
    }
    std::vector<std::vector<std::byte>> made;
    for (size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_TRUE(outputs[i]->intact()) << tactic.name() << " wrote outside output " << i;
      EXPECT_TRUE(
          gaps_hold(view.outputs[i], outputs[i]->data(), static_cast<std::byte>(0x3c + round)))
          << tactic.name() << " wrote between rows of output " << i;
      made.push_back(gather(view.outputs[i], outputs[i]->data()));
    }
    if (round > 0) {
      EXPECT_EQ(difference(c, result, made), "") << tactic.name() << ", second run";
    }
    result = std::move(made);
  }
  return result;
}

std::string difference(const Case& c, const std::vector<std::vector<std::byte>>& expected,
                       const std::vector<std::vector<std::byte>>& actual) {
  const StepView view = c.view();
  for (size_t i = 0; i < expected.size(); ++i) {
    const PlanTensor& t = view.outputs[i];
    if (expected[i].size() != actual[i].size()) return fmt::format("output {} differs in size", i);
    const size_t size = size_of(t.type);
    for (size_t at = 0; at < expected[i].size(); at += size) {
      if (std::memcmp(&expected[i][at], &actual[i][at], size) == 0) continue;
      if (t.type == DataType::kFloat32) {
        float e = 0.0f, a = 0.0f;
        std::memcpy(&e, &expected[i][at], sizeof(e));
        std::memcpy(&a, &actual[i][at], sizeof(a));
        if (!c.exact && std::fabs(e - a) <= 1e-4f * (1.0f + std::fabs(e))) continue;
        return fmt::format("output {} element {}: expected {:a} ({}), got {:a} ({})", i, at / size,
                           e, e, a, a);
      }
      if (t.type == DataType::kFloat16) {
        uint16_t e = 0, a = 0;
        std::memcpy(&e, &expected[i][at], sizeof(e));
        std::memcpy(&a, &actual[i][at], sizeof(a));
        const float wanted = half_to_float(e), got = half_to_float(a);
        // Two units in the last place: sums in another order, rounded once.
        if (!c.exact && std::fabs(wanted - got) <= 2e-3f * (1.0f + std::fabs(wanted))) continue;
        return fmt::format("output {} element {}: expected {}, got {}", i, at / size, wanted, got);
      }
      return fmt::format("output {} element {}: expected byte {}, got {}", i, at / size,
                         static_cast<int>(expected[i][at]), static_cast<int>(actual[i][at]));
    }
  }
  return "";
}

}  // namespace octile
