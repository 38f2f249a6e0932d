// See runner.h.
#include "conformance/runner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/parallel_for.h"
#include "kernels/portable/tactics.h"

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

std::vector<std::vector<std::byte>> run_tactic(const Tactic& tactic, const Case& c, Isa isa,
                                               const RunOptions& options) {
  const StepView view = c.view();
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
      outputs.push_back(std::make_unique<GuardedBytes>(bytes_of(t), shift_of(t, options)));
      std::memset(outputs.back()->data(), 0x3c + round, bytes_of(t));
      out.push_back(outputs.back()->data());
    }
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      const PlanTensor& t = view.inputs[i];
      inputs.push_back(
          std::make_unique<ExactBytes>(c.inputs[i].data(), bytes_of(t), shift_of(t, options)));
      in.push_back(inputs.back()->data());
      if (options.in_place == static_cast<int>(i)) {
        std::memcpy(out[0], c.inputs[i].data(), bytes_of(t));
        in.back() = out[0];
      }
    }
    prepared->run({in.data(), out.data(), workspace.data()});
    EXPECT_TRUE(workspace.intact()) << tactic.name() << " wrote outside its workspace";
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      const size_t bytes = bytes_of(view.inputs[i]);
      EXPECT_TRUE(bytes == 0 || std::memcmp(inputs[i]->data(), c.inputs[i].data(), bytes) == 0)
          << tactic.name() << " changed input " << i;
    }
    std::vector<std::vector<std::byte>> made;
    for (size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_TRUE(outputs[i]->intact()) << tactic.name() << " wrote outside output " << i;
      made.emplace_back(outputs[i]->data(), outputs[i]->data() + outputs[i]->size());
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
      return fmt::format("output {} element {}: expected byte {}, got {}", i, at / size,
                         static_cast<int>(expected[i][at]), static_cast<int>(actual[i][at]));
    }
  }
  return "";
}

}  // namespace octile
