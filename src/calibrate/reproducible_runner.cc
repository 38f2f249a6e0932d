// The reproducible float path: the interpreter of graph/, whose bits are the same everywhere.
#include "calibrate/float_runner.h"
#include "graph/interpreter.h"

namespace octile {
namespace {

class ReproducibleRunner : public FloatRunner {
 public:
  explicit ReproducibleRunner(const Network& network) : network_(network) {}

  void run(const std::map<std::string, Tensor>& inputs, const ValueObserver& observer) override {
    std::vector<Tensor> ordered;
    for (const TensorId id : network_.inputs()) ordered.push_back(inputs.at(network_.name(id)));
    interpret(network_, ordered,
              [&](TensorId id, const Tensor& value) { observer(network_.name(id), value.view()); });
  }

 private:
  const Network& network_;
};

}  // namespace

std::unique_ptr<FloatRunner> make_reproducible_runner(const Network& network) {
  return std::make_unique<ReproducibleRunner>(network);
}

}  // namespace octile
