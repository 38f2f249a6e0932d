// See fast_runner.h. The engine is compiled for the chunk's very shapes, with one thread, first
// tactics and every tensor at a place of its own, so that its bits repeat.
#include "calibrate/fast_runner.h"

#include <unordered_set>

#include "backend/backend.h"
#include "compile/compile.h"
#include "runtime/tensor_access.h"

namespace octile {
namespace {

class FastRunner : public FloatRunner {
 public:
  explicit FastRunner(const Network& network) : engine_(network, "cpu") {}

  void run(const std::map<std::string, Tensor>& inputs, const ValueObserver& observer) override {
    engine_.run(inputs);
    TensorAccess::visit(engine_.context(), [&](int32_t t, const Shape& shape, const void* data) {
      if (!engine_.shows(t)) return;
      // Channels-last bytes: the same values in another order, which no histogram sees.
      observer(engine_.tensor(t).name, {engine_.tensor(t).type, shape, data});
    });
  }

 private:
  KeepingEngine engine_;
};

}  // namespace

void KeepingEngine::run(const std::map<std::string, Tensor>& inputs) {
  if (!fits(inputs)) load(inputs);
  for (const auto& [name, value] : inputs) context_->set_input(name, value);
  context_->run();
}

bool KeepingEngine::fits(const std::map<std::string, Tensor>& inputs) const {
  if (!engine_) return false;
  for (const auto& [name, value] : inputs) {
    if (engine_->max_shape(name, 0) != value.shape()) return false;
  }
  return true;
}

void KeepingEngine::load(const std::map<std::string, Tensor>& inputs) {
  CompileOptions options;
  options.keep_tensors = true;
  options.build.device = device_;
  options.build.threads = 1;
  options.build.tactics = BuildOptions::Tactics::kFirst;
  Profile profile;
  for (const auto& [name, value] : inputs) {
    profile[name] = {value.shape(), value.shape(), value.shape()};
  }
  options.build.profiles = {profile};
  context_.reset();
  engine_.emplace(Engine::load(Plan(compile(network_, nullptr, options)),
                               EngineOptions{.device = device_, .threads = 1}));
  context_.emplace(engine_->create_context());
  std::unordered_set<std::string> seen;
  const std::vector<PlanTensor>& tensors = engine_->plan().data().tensors;
  shown_.assign(tensors.size(), false);
  for (size_t t = 0; t < tensors.size(); ++t) {
    if (tensors[t].blob < 0) shown_[t] = seen.insert(tensors[t].name).second;
  }
}

std::unique_ptr<FloatRunner> make_fast_runner(const Network& network) {
  if (find_tactic(cpu_backend(), "onednn.conv") == nullptr) return nullptr;
  return std::make_unique<FastRunner>(network);
}

}  // namespace octile
