// See device_runner.h.
#include "conformance/device_runner.h"

#include <gtest/gtest.h>

#include <cstring>

namespace octile {
namespace {

constexpr size_t kDeviceGuard = 256;
constexpr int kDevicePattern = 0xa5;

/// Device memory between two guards.
class GuardedMemory {
 public:
  GuardedMemory(const Device& device, size_t bytes)
      : device_(*device.accelerator),
        bytes_(bytes),
        memory_(device.accelerator, bytes + 2 * kDeviceGuard) {
    device_.fill(memory_.data(), kDevicePattern, memory_.bytes(), nullptr);
  }
  std::byte* data() const { return memory_.data() + kDeviceGuard; }
  size_t size() const { return bytes_; }
  void fill(int byte) const {
    if (bytes_ > 0) device_.fill(data(), byte, bytes_, nullptr);
  }
  void set(const void* from) const {
    if (bytes_ > 0) device_.copy(data(), from, bytes_, nullptr);
  }
  /// What is inside; fails the test when a guard is not intact.
  std::vector<std::byte> read(const std::string& what) const {
    std::vector<std::byte> all(memory_.bytes());
    device_.copy(all.data(), memory_.data(), all.size(), nullptr);
    EXPECT_EQ(device_.wait(nullptr), "") << what;
    bool intact = true;
    for (size_t i = 0; i < kDeviceGuard; ++i) {
      intact = intact && all[i] == std::byte{kDevicePattern} &&
               all[kDeviceGuard + bytes_ + i] == std::byte{kDevicePattern};
    }
    EXPECT_TRUE(intact) << what << ": written outside";
    return {all.begin() + kDeviceGuard, all.begin() + ptrdiff_t(kDeviceGuard + bytes_)};
  }

 private:
  const Accelerator& device_;
  size_t bytes_;
  Memory memory_;
};

void enqueue(const Accelerator& gpu, Prepared& prepared, const Buffers& buffers, bool as_graph) {
  if (!as_graph) return prepared.run(buffers);
  gpu.begin_capture(buffers.stream);
  prepared.run(buffers);
  const DeviceGraph graph = gpu.end_capture(buffers.stream);
  ASSERT_NE(graph, nullptr) << "the step cannot be recorded";
  gpu.launch(graph, buffers.stream);
  EXPECT_EQ(gpu.wait(buffers.stream), "");
  gpu.release_graph(graph);
}

}  // namespace

std::vector<std::vector<std::byte>> run_tactic_on(const Device& device, const Tactic& tactic,
                                                  const Case& c, const RunOptions& options) {
  const StepView view = c.view(), max = largest(view, options.profile);
  const Accelerator& gpu = *device.accelerator;
  const std::string what = std::string(tactic.name()) + " on " + c.name;
  EXPECT_EQ(tactic.refuse(max, device), "") << what;
  const auto packed = tactic.pack(max, device);
  const auto prepared = tactic.prepare(view, packed.get(), device);
  const GuardedMemory workspace(device, tactic.workspace_bytes(max, device));
  const OwnedStream stream(gpu);
  std::vector<std::vector<std::byte>> result;
  for (int round = 0; round < 2; ++round) {
    std::vector<GuardedMemory> inputs, outputs;
    std::vector<const void*> in;
    std::vector<void*> out;
    for (const PlanTensor& t : view.outputs) {
      outputs.emplace_back(device, bytes_of(t)).fill(0x3c + round);
      out.push_back(outputs.back().data());
    }
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      inputs.emplace_back(device, bytes_of(view.inputs[i])).set(c.inputs[i].data());
      in.push_back(inputs.back().data());
      if (options.in_place != static_cast<int>(i)) continue;
      outputs[0].set(c.inputs[i].data());
      in.back() = out[0];
    }
    EXPECT_EQ(gpu.wait(nullptr), "");
    enqueue(gpu, *prepared, {in.data(), out.data(), workspace.data(), stream.get()}, round > 0);
    EXPECT_EQ(gpu.launch_failure(), "") << what;
    EXPECT_EQ(gpu.wait(stream.get()), "") << what;
    (void)workspace.read(what + ", workspace");
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      const auto bytes = inputs[i].read(fmt::format("{}, input {}", what, i));
      EXPECT_TRUE(bytes.empty() || std::memcmp(bytes.data(), c.inputs[i].data(), bytes.size()) == 0)
          << what << " changed input " << i;
    }
    std::vector<std::vector<std::byte>> made;
    for (size_t i = 0; i < outputs.size(); ++i) {
      made.push_back(outputs[i].read(fmt::format("{}, output {}", what, i)));
    }
    if (round > 0) {
      EXPECT_EQ(difference(c, result, made), "") << what << ", replayed";
    }
    result = std::move(made);
  }
  return result;
}

}  // namespace octile
