// Builds a small network, runs it, and expects the right answer.
#include <octile/builder.h>
#include <octile/engine.h>

#include <cstdio>

int main() {
  octile::Network network;
  const octile::TensorId x = network.add_input("x", octile::DataType::kFloat32, {1, 2});
  network.mark_output(
      network.fully_connected(x, octile::Tensor::floats({2, 1}, {2.0f, 3.0f}), std::nullopt), "y");
  const octile::Engine engine = octile::Engine::load(octile::build(network, nullptr, {}));
  const auto y = engine.create_context().run({octile::Tensor::floats({1, 2}, {1.0f, 1.0f})});
  std::printf("octile %s: 2 + 3 = %g\n", std::string(octile::version()).c_str(),
              static_cast<double>(y[0].as<float>()[0]));
  return y[0].as<float>()[0] == 5.0f ? 0 : 1;
}
