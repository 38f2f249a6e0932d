// See vendor.h.
#include "kernels/cuda/vendor.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <map>
#include <mutex>

#include "base/error.h"

namespace octile::cuda {
namespace {

/// The first of `names` that can be loaded; it stays loaded.
void* open_library(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

/// Fills pointers by name; the first name that is missing is told.
class Loader {
 public:
  Loader(void* library, std::string& refusal) : library_(library), refusal_(refusal) {}
  template <typename F>
  void operator()(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(library_, name));
    if (function == nullptr && refusal_.empty()) refusal_ = fmt::format("it lacks {}", name);
  }

 private:
  void* library_;
  std::string& refusal_;
};

Cudnn load_cudnn() {
  Cudnn c;
  void* library = open_library({"libcudnn.so.9", "libcudnn.so"});
  if (library == nullptr) {
    c.refusal = "cuDNN 9 is not installed (libcudnn.so.9)";
    return c;
  }
  Loader load(library, c.refusal);
  load(c.create, "cudnnCreate");
  load(c.destroy, "cudnnDestroy");
  load(c.set_stream, "cudnnSetStream");
  load(c.error_string, "cudnnGetErrorString");
  load(c.create_tensor, "cudnnCreateTensorDescriptor");
  load(c.destroy_tensor, "cudnnDestroyTensorDescriptor");
  load(c.set_tensor, "cudnnSetTensor4dDescriptor");
  load(c.create_filter, "cudnnCreateFilterDescriptor");
  load(c.destroy_filter, "cudnnDestroyFilterDescriptor");
  load(c.set_filter, "cudnnSetFilter4dDescriptor");
  load(c.create_convolution, "cudnnCreateConvolutionDescriptor");
  load(c.destroy_convolution, "cudnnDestroyConvolutionDescriptor");
  load(c.set_convolution, "cudnnSetConvolution2dDescriptor");
  load(c.set_math, "cudnnSetConvolutionMathType");
  load(c.set_groups, "cudnnSetConvolutionGroupCount");
  load(c.create_activation, "cudnnCreateActivationDescriptor");
  load(c.destroy_activation, "cudnnDestroyActivationDescriptor");
  load(c.set_activation, "cudnnSetActivationDescriptor");
  load(c.workspace_size, "cudnnGetConvolutionForwardWorkspaceSize");
  load(c.forward, "cudnnConvolutionBiasActivationForward");
  return c;
}

CublasLt load_cublas_lt() {
  CublasLt c;
  void* library = open_library({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"});
  if (library == nullptr) {
    c.refusal = "cuBLASLt is not installed (libcublasLt.so.13)";
    return c;
  }
  Loader load(library, c.refusal);
  load(c.create, "cublasLtCreate");
  load(c.create_product, "cublasLtMatmulDescCreate");
  load(c.destroy_product, "cublasLtMatmulDescDestroy");
  load(c.set_product, "cublasLtMatmulDescSetAttribute");
  load(c.create_layout, "cublasLtMatrixLayoutCreate");
  load(c.destroy_layout, "cublasLtMatrixLayoutDestroy");
  load(c.set_layout, "cublasLtMatrixLayoutSetAttribute");
  load(c.create_preference, "cublasLtMatmulPreferenceCreate");
  load(c.destroy_preference, "cublasLtMatmulPreferenceDestroy");
  load(c.set_preference, "cublasLtMatmulPreferenceSetAttribute");
  load(c.heuristic, "cublasLtMatmulAlgoGetHeuristic");
  load(c.product, "cublasLtMatmul");
  return c;
}

int current_gpu() {
  int ordinal = 0;
  (void)cudaGetDevice(&ordinal);
  return ordinal;
}

/// Handles of one thread, by GPU. They are not destroyed: at a thread's end the driver may be gone.
std::map<int, cudnnHandle_t>& thread_handles() {
  thread_local auto* handles = new std::map<int, cudnnHandle_t>();
  return *handles;
}

}  // namespace

const Cudnn& cudnn() {
  static const Cudnn loaded = load_cudnn();
  return loaded;
}

const CublasLt& cublas_lt() {
  static const CublasLt loaded = load_cublas_lt();
  return loaded;
}

void check_cudnn(cudnnStatus_t status, const char* doing) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  fail(ErrorCode::kDevice, "cuDNN: {} failed: {}", doing, cudnn().error_string(status));
}

void check_cublas(cublasStatus_t status, const char* doing) {
  if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  fail(ErrorCode::kDevice, "cuBLASLt: {} failed: status {}", doing, static_cast<int>(status));
}

cudnnHandle_t cudnn_handle() {
  cudnnHandle_t& handle = thread_handles()[current_gpu()];
  if (handle == nullptr) check_cudnn(cudnn().create(&handle), "making a handle");
  return handle;
}

cublasLtHandle_t cublas_lt_handle() {
  static std::mutex mutex;
  static auto* handles = new std::map<int, cublasLtHandle_t>();
  const std::scoped_lock lock(mutex);
  cublasLtHandle_t& handle = (*handles)[current_gpu()];
  if (handle == nullptr) check_cublas(cublas_lt().create(&handle), "making a handle");
  return handle;
}

}  // namespace octile::cuda
