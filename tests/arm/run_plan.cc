// Runs a plan on raw float32 samples: `octile run` for builds that have the runtime alone. Prints
// the instruction set and the tactic of every step; tools/test_arm.py reads them.
//
//   octile_run_plan PLAN SAMPLES OUTPUT     a plan of one input and one output, both float32
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "octile/engine.h"

namespace {

std::vector<char> bytes_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string(path) + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const char* plan, const char* samples, const char* output) {
  const octile::Engine engine = octile::Engine::load(plan);
  std::printf("isa %s\n", std::string(engine.isa()).c_str());
  for (const std::string& tactic : engine.tactics()) std::printf("tactic %s\n", tactic.c_str());
  octile::ExecutionContext context = engine.create_context();
  octile::Shape shape = engine.max_shape(engine.bindings()[0].name, 0);
  const std::vector<char> data = bytes_of(samples);
  const int64_t largest = shape[0];
  const auto sample = static_cast<int64_t>(sizeof(float)) * shape.volume() / largest;
  std::ofstream file(output, std::ios::binary);
  for (int64_t at = 0; at < static_cast<int64_t>(data.size()); at += shape[0] * sample) {
    shape[0] = std::min(largest, (static_cast<int64_t>(data.size()) - at) / sample);
    if (shape[0] == 0) throw std::runtime_error("the samples end amid one");
    octile::Tensor x(octile::DataType::kFloat32, shape);
    std::copy_n(data.data() + at, x.bytes(), static_cast<char*>(x.data()));
    const octile::Tensor y = context.run({x})[0];
    file.write(static_cast<const char*>(y.data()), static_cast<std::streamsize>(y.bytes()));
  }
  if (!file.flush()) throw std::runtime_error(std::string(output) + ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: octile_run_plan PLAN SAMPLES OUTPUT\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
  return 0;
}
