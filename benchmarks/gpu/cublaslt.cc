// cuBLASLt beside ours: see peers.h.
#include <cublasLt.h>

#include "peers.h"

namespace octile::benchmark {
namespace {

constexpr size_t kRoom = size_t{64} << 20;
constexpr int kMostProposals = 8;

struct Kind {
  const char *engine, *precision, *variant;
  cudaDataType_t in, out;
  int in_bytes, out_bytes;
  cublasComputeType_t compute;
  cudaDataType_t scale;
  int proposals;
};

constexpr Kind kKinds[] = {
    {"cublaslt", "int8", "int32 outputs", CUDA_R_8I, CUDA_R_32I, 1, 4, CUBLAS_COMPUTE_32I,
     CUDA_R_32I, 8},
    {"cublaslt.int8", "int8", "int8 outputs", CUDA_R_8I, CUDA_R_8I, 1, 1, CUBLAS_COMPUTE_32I,
     CUDA_R_32F, 8},
    {"cublaslt", "fp16", "", CUDA_R_16F, CUDA_R_16F, 2, 2, CUBLAS_COMPUTE_32F, CUDA_R_32F, 8},
    {"cublaslt", "tf32", "", CUDA_R_32F, CUDA_R_32F, 4, 4, CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F,
     3},
    {"cublaslt", "fp32", "", CUDA_R_32F, CUDA_R_32F, 4, 4, CUBLAS_COMPUTE_32F, CUDA_R_32F, 3},
};

cublasLtHandle_t handle() {
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t handle = nullptr;
    cublasLtCreate(&handle);
    return handle;
  }();
  return made;
}

/// One product's descriptors and what the library proposes for it.
class Product {
 public:
  Product(const Kind& kind, int64_t m, int64_t n, int64_t k) {
    const auto u = [](int64_t extent) { return static_cast<uint64_t>(extent); };
    cublasLtMatmulDescCreate(&product_, kind.compute, kind.scale);
    const cublasOperation_t turned = CUBLAS_OP_T;  // row-major (n, k) is column-major (k, n)
    cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof(turned));
    cublasLtMatrixLayoutCreate(&weights_, kind.in, u(k), u(n), k);
    cublasLtMatrixLayoutCreate(&x_, kind.in, u(k), u(m), k);
    cublasLtMatrixLayoutCreate(&y_, kind.out, u(n), u(m), n);
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulPreferenceCreate(&preference);
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                         &kRoom, sizeof(kRoom));
    cublasLtMatmulAlgoGetHeuristic(handle(), product_, weights_, x_, y_, y_, preference,
                                   kind.proposals, proposals_, &count_);
    cublasLtMatmulPreferenceDestroy(preference);
    whole_ = kind.scale == CUDA_R_32I;
  }
  ~Product() {
    for (auto layout : {weights_, x_, y_}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(product_);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  int count() const { return count_; }

  bool run(int proposal, const void* weights, const void* x, void* y, void* workspace,
           cudaStream_t stream) const {
    const float one = 0.0001f, zero = 0.0f;  // int8 outputs do not all saturate
    const int32_t one_whole = 1, zero_whole = 0;
    const void* alpha = whole_ ? static_cast<const void*>(&one_whole) : &one;
    const void* beta = whole_ ? static_cast<const void*>(&zero_whole) : &zero;
    return cublasLtMatmul(handle(), product_, alpha, weights, weights_, x, x_, beta, y, y_, y, y_,
                          &proposals_[proposal].algo, workspace, kRoom,
                          stream) == CUBLAS_STATUS_SUCCESS;
  }

 private:
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t weights_ = nullptr, x_ = nullptr, y_ = nullptr;
  cublasLtMatmulHeuristicResult_t proposals_[kMostProposals];
  int count_ = 0;
  bool whole_ = false;
};

}  // namespace

std::vector<Peer> cublaslt_peers(const Machine& machine, int64_t rows, int64_t columns, int64_t k,
                                 bool fp32_alone) {
  std::vector<Peer> peers;
  for (const Kind& kind : kKinds) {
    if (fp32_alone && kind.compute != CUBLAS_COMPUTE_32F) continue;
    if (fp32_alone && kind.in != CUDA_R_32F) continue;
    const int64_t x = aligned(rows * k * kind.in_bytes);
    const int64_t step = x + aligned(rows * columns * kind.out_bytes);
    const Product product(kind, rows, columns, k);
    for (int i = 0; i < product.count(); ++i) {
      Replay replay(operand_sets(step), [&](int set, cudaStream_t stream) {
        uint8_t* at = machine.arena + set * step;
        return product.run(i, machine.weights, at, at + x, machine.workspace, stream);
      });
      if (replay) peers.push_back({kind.engine, kind.precision, kind.variant, std::move(replay)});
    }
  }
  return peers;
}

}  // namespace octile::benchmark
