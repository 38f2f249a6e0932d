// See fast_runner.h. The engine is compiled for the chunk's very shapes, with one thread, first
// tactics and every tensor at a place of its own, so that its bits repeat.
#include "calibrate/fast_runner.h"

#include <optional>
#include <unordered_set>

#include "backend/backend.h"
#include "compile/compile.h"
#include "runtime/tensor_access.h"

namespace octile {
namespace {

class FastRunner : public FloatRunner {
 public:
  explicit FastRunner(const Network& network) : network_(network) {}

  void run(const std::map<std::string, Tensor>& inputs, const ValueObserver& observer) override {
    if (!fits(inputs)) make_engine(inputs);
    for (const auto& [name, value] : inputs) context_->set_input(name, value);
    context_->run();
    TensorAccess::visit(*context_, [&](int32_t tensor, const Shape& shape, const void* data) {
      const PlanTensor& info = engine_->plan().data().tensors[static_cast<size_t>(tensor)];
      if (!shown_[static_cast<size_t>(tensor)]) return;
      // Channels-last bytes: the same values in another order, which no histogram sees.
      observer(info.name, {info.type, shape, data});
    });
  }

 private:
  bool fits(const std::map<std::string, Tensor>& inputs) const {
    if (!engine_) return false;
    for (const auto& [name, value] : inputs) {
      if (engine_->max_shape(name, 0) != value.shape()) return false;
    }
    return true;
  }

  void make_engine(const std::map<std::string, Tensor>& inputs) {
    context_.reset();
    engine_.emplace(load_keeping(network_, inputs, "cpu"));
    context_.emplace(engine_->create_context());
    shown_ = shown_once(engine_->plan().data());
  }

  const Network& network_;
  std::optional<Engine> engine_;
  std::optional<ExecutionContext> context_;
  std::vector<bool> shown_;
};

}  // namespace

Engine load_keeping(const Network& network, const std::map<std::string, Tensor>& inputs,
                    const std::string& device) {
  CompileOptions options;
  options.keep_tensors = true;
  options.build.device = device;
  options.build.threads = 1;
  options.build.tactics = BuildOptions::Tactics::kFirst;
  Profile profile;
  for (const auto& [name, value] : inputs) {
    profile[name] = {value.shape(), value.shape(), value.shape()};
  }
  options.build.profiles = {profile};
  return Engine::load(Plan(compile(network, nullptr, options)),
                      EngineOptions{.device = device, .threads = 1});
}

std::vector<bool> shown_once(const PlanData& plan) {
  std::unordered_set<std::string> seen;
  std::vector<bool> shown(plan.tensors.size(), false);
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (plan.tensors[t].blob < 0) shown[t] = seen.insert(plan.tensors[t].name).second;
  }
  return shown;
}

std::unique_ptr<FloatRunner> make_fast_runner(const Network& network) {
  if (find_tactic(cpu_backend(), "onednn.conv") == nullptr) return nullptr;
  return std::make_unique<FastRunner>(network);
}

}  // namespace octile
