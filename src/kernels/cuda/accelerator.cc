// See accelerator.h. Every call of the CUDA runtime is checked; what it says goes into the message.
#include "kernels/cuda/accelerator.h"

#include <cuda_runtime_api.h>

#include <mutex>

#include "base/error.h"
#include "kernels/cuda/launchers.h"

namespace octile::cuda {
namespace {

std::string text_of(cudaError_t error) {
  return fmt::format("{} ({})", cudaGetErrorString(error), cudaGetErrorName(error));
}

/// Also forgets the error where it is one that can be forgotten.
void require(cudaError_t error, const std::string& id, std::string_view doing) {
  if (error == cudaSuccess) [[likely]]
    return;
  (void)cudaGetLastError();
  if (error == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    (void)cudaMemGetInfo(&free, &total);
    fail(
        ErrorCode::kDevice,
        "{}: out of memory while {}: {} of {} MiB are free; use a smaller profile, fewer contexts, "
        "or --device cpu",
        id, doing, free >> 20, total >> 20);
  }
  fail(ErrorCode::kDevice, "{}: {} failed: {}", id, doing, text_of(error));
}

std::string refusal_of(cudaError_t error) {
  int driver = 0;
  (void)cudaDriverGetVersion(&driver);
  const auto version = [](int v) { return fmt::format("{}.{}", v / 1000, v % 1000 / 10); };
  switch (error) {
    case cudaErrorInsufficientDriver:
      if (driver == 0) {
        return "no NVIDIA driver is installed; install one (R580 or later), or use the CPU";
      }
      return fmt::format(
          "the NVIDIA driver is for CUDA {}, this build needs {}; update the driver, or use the "
          "CPU",
          version(driver), version(CUDART_VERSION));
    case cudaErrorNoDevice: return "no NVIDIA GPU is visible (CUDA_VISIBLE_DEVICES?); use the CPU";
    default:
      return fmt::format("the NVIDIA driver does not start: {}; use the CPU", text_of(error));
  }
}

Gpus find_gpus() {
  Gpus found;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    (void)cudaGetLastError();
    found.refusal = refusal_of(error != cudaSuccess ? error : cudaErrorNoDevice);
    return found;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    require(cudaGetDeviceProperties(&properties, i), fmt::format("cuda:{}", i),
            "asking what it is");
    found.list.push_back({properties.name, 10 * properties.major + properties.minor,
                          properties.multiProcessorCount, properties.totalGlobalMem,
                          static_cast<int>(properties.sharedMemPerBlockOptin)});
  }
  return found;
}

class CudaAccelerator final : public Accelerator {
 public:
  explicit CudaAccelerator(int ordinal)
      : ordinal_(ordinal),
        name_(gpus().list[static_cast<size_t>(ordinal)].name),
        id_(fmt::format("cuda:{}", ordinal)),
        multiprocessors_(gpus().list[static_cast<size_t>(ordinal)].multiprocessors) {}

  const std::string& name() const override { return name_; }
  const std::string& id() const override { return id_; }
  const GpuInfo& info() const { return gpus().list[static_cast<size_t>(ordinal_)]; }
  int multiprocessors() const override { return multiprocessors_; }

  void make_current() const override {
    ask(cudaSetDevice(ordinal_), "making it this thread's GPU");
  }

  void* allocate(size_t bytes) const override {
    make_current();
    void* data = nullptr;
    const cudaError_t error = cudaMalloc(&data, bytes);
    if (error != cudaSuccess) ask(error, fmt::format("allocating {} bytes", bytes));
    return data;
  }
  void release(void* device) const noexcept override {
    (void)cudaSetDevice(ordinal_);
    (void)cudaFree(device);
  }
  void* allocate_pinned(size_t bytes) const override {
    make_current();
    void* data = nullptr;
    const cudaError_t error = cudaMallocHost(&data, bytes);
    if (error != cudaSuccess) ask(error, fmt::format("pinning {} bytes of host memory", bytes));
    return data;
  }
  void release_pinned(void* host) const noexcept override {
    (void)cudaSetDevice(ordinal_);
    (void)cudaFreeHost(host);
  }
  bool is_device_memory(const void* address) const override {
    make_current();
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, address) != cudaSuccess) {
      (void)cudaGetLastError();
      return false;
    }
    const bool here =
        attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
    check(!here || attributes.device == ordinal_ || attributes.type == cudaMemoryTypeManaged,
          ErrorCode::kInvalidArgument, "{}: the address is memory of cuda:{}; bind this GPU's", id_,
          attributes.device);
    return here;
  }
  void copy(void* to, const void* from, size_t bytes, octile::Stream stream) const override {
    make_current();
    ask(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)), "copying");
  }
  void fill(void* to, int byte, size_t bytes, octile::Stream stream) const override {
    make_current();
    ask(cudaMemsetAsync(to, byte, bytes, stream_of(stream)), "filling memory");
  }

  octile::Stream make_stream() const override {
    make_current();
    cudaStream_t stream = nullptr;
    ask(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    return stream;
  }
  void release_stream(octile::Stream stream) const noexcept override {
    (void)cudaStreamDestroy(stream_of(stream));
  }
  std::string wait(octile::Stream stream) const override {
    make_current();
    const cudaError_t error = cudaStreamSynchronize(stream_of(stream));
    if (error == cudaSuccess) return "";
    (void)cudaGetLastError();
    return text_of(error);
  }
  std::string launch_failure() const override {
    const cudaError_t error = cudaGetLastError();
    return error == cudaSuccess ? "" : text_of(error);
  }

  DeviceEvent make_event() const override {
    make_current();
    cudaEvent_t event = nullptr;
    ask(cudaEventCreate(&event), "making an event");
    return event;
  }
  void release_event(DeviceEvent event) const noexcept override {
    (void)cudaEventDestroy(static_cast<cudaEvent_t>(event));
  }
  void record(DeviceEvent event, octile::Stream stream) const override {
    ask(cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(stream)), "recording an event");
  }
  void wait_event(octile::Stream stream, DeviceEvent event) const override {
    ask(cudaStreamWaitEvent(stream_of(stream), static_cast<cudaEvent_t>(event), 0),
        "waiting for an event");
  }
  std::string wait_for(DeviceEvent event) const override {
    make_current();
    const cudaError_t error = cudaEventSynchronize(static_cast<cudaEvent_t>(event));
    if (error == cudaSuccess) return "";
    (void)cudaGetLastError();
    return text_of(error);
  }
  double nanoseconds(DeviceEvent begin, DeviceEvent end) const override {
    float ms = 0.0f;
    ask(cudaEventElapsedTime(&ms, static_cast<cudaEvent_t>(begin), static_cast<cudaEvent_t>(end)),
        "reading a time");
    return static_cast<double>(ms) * 1e6;
  }

  void begin_capture(octile::Stream stream) const override {
    make_current();
    ask(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
        "recording a graph");
  }
  DeviceGraph end_capture(octile::Stream stream) const override {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    cudaError_t error = cudaStreamEndCapture(stream_of(stream), &graph);
    if (error == cudaSuccess) error = cudaGraphInstantiate(&executable, graph, 0);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
    return error == cudaSuccess ? executable : nullptr;
  }
  void launch(DeviceGraph graph, octile::Stream stream) const override {
    ask(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)),
        "launching a graph");
  }
  void release_graph(DeviceGraph graph) const noexcept override {
    (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
  }

  void add_to_range(const float* values, size_t count, DeviceRange* range,
                    octile::Stream stream) const override {
    make_current();
    if (count > 0) launch_range(values, count, range, stream);
    ask(cudaGetLastError(), "looking for a range");
  }
  void add_to_bins(const float* values, size_t count, float prescale, float bins_per_unit,
                   DeviceBins* bins, octile::Stream stream) const override {
    make_current();
    if (count > 0) launch_bins(values, count, prescale, bins_per_unit, bins, stream);
    ask(cudaGetLastError(), "counting values");
  }

  void call_on_host(octile::Stream stream, void (*function)(void*), void* argument) const override {
    ask(cudaLaunchHostFunc(stream_of(stream), function, argument), "calling the host");
  }

 private:
  static cudaStream_t stream_of(octile::Stream stream) { return static_cast<cudaStream_t>(stream); }
  void ask(cudaError_t error, std::string_view doing) const {
    if (error != cudaSuccess) [[unlikely]]
      require(error, id_, doing);
  }

  int ordinal_;
  std::string name_, id_;
  int multiprocessors_;
};

}  // namespace

const Gpus& gpus() {
  static const Gpus found = find_gpus();
  return found;
}

std::string code_refusal(int ordinal) {
  if (const cudaError_t error = cudaSetDevice(ordinal); error != cudaSuccess) {
    (void)cudaGetLastError();
    return text_of(error);
  }
  const auto error = static_cast<cudaError_t>(probe_current_device());
  (void)cudaGetLastError();
  if (error == cudaSuccess) return "";
  const int level = gpus().list[static_cast<size_t>(ordinal)].level;
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
      error == cudaErrorUnsupportedPtxVersion) {
    return fmt::format(
        "this build has no code for compute capability {}.{}; build with "
        "-DOCTILE_CUDA_ARCHITECTURES={}, or use the CPU",
        level / 10, level % 10, level);
  }
  return text_of(error);
}

const GpuInfo& gpu_info(const Accelerator& accelerator) {
  return static_cast<const CudaAccelerator&>(accelerator).info();
}

const Accelerator& accelerator(int ordinal) {
  static std::mutex mutex;
  static std::vector<std::unique_ptr<CudaAccelerator>>* made =
      new std::vector<std::unique_ptr<CudaAccelerator>>();  // outlives static engines of users
  const std::scoped_lock lock(mutex);
  made->resize(gpus().list.size());
  auto& slot = (*made)[static_cast<size_t>(ordinal)];
  if (slot == nullptr) slot = std::make_unique<CudaAccelerator>(ordinal);
  return *slot;
}

}  // namespace octile::cuda
