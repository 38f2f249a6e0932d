// cuBLASLt beside ours: see peers.h.
#include "peers.h"

#include <cublasLt.h>

#include <cstdio>

namespace octile::benchmark {

double cublaslt_seconds(bool half, int64_t m, int64_t n, int64_t k, const uint8_t* a,
                        const uint8_t* b, uint8_t* c, int64_t a_step, int64_t c_step,
                        void* workspace, const Timer& timer) {
  cublasLtHandle_t handle;
  if (cublasLtCreate(&handle) != CUBLAS_STATUS_SUCCESS) return 0;
  const cudaDataType_t in = half ? CUDA_R_16F : CUDA_R_8I, out = half ? CUDA_R_16F : CUDA_R_32I;
  cublasLtMatmulDesc_t product;
  cublasLtMatmulDescCreate(&product, half ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32I,
                           half ? CUDA_R_32F : CUDA_R_32I);
  const cublasOperation_t transposed = CUBLAS_OP_T;  // row-major (n, k) is column-major (k, n)
  cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                 sizeof(transposed));
  cublasLtMatrixLayout_t weights, x, y;
  cublasLtMatrixLayoutCreate(&weights, in, static_cast<uint64_t>(k), static_cast<uint64_t>(n), k);
  cublasLtMatrixLayoutCreate(&x, in, static_cast<uint64_t>(k), static_cast<uint64_t>(m), k);
  cublasLtMatrixLayoutCreate(&y, out, static_cast<uint64_t>(n), static_cast<uint64_t>(m), n);
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulPreferenceCreate(&preference);
  const size_t room = 64u << 20;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                       sizeof(room));
  cublasLtMatmulHeuristicResult_t found[6];
  int count = 0;
  cublasLtMatmulAlgoGetHeuristic(handle, product, weights, x, y, y, preference, 6, found, &count);
  const int32_t one_int = 1, zero_int = 0;
  const float one = 1.0f, zero = 0.0f;
  double best = 0;
  for (int i = 0; i < count; ++i) {
    bool failed = false;
    const double seconds = timer([&](int set) {
      failed |= cublasLtMatmul(handle, product, half ? static_cast<const void*>(&one) : &one_int, b,
                               weights, a + set * a_step, x,
                               half ? static_cast<const void*>(&zero) : &zero_int, c + set * c_step,
                               y, c + set * c_step, y, &found[i].algo, workspace, room,
                               nullptr) != CUBLAS_STATUS_SUCCESS;
    });
    if (!failed && (best == 0 || seconds < best)) best = seconds;
  }
  cublasLtMatmulPreferenceDestroy(preference);
  for (auto layout : {weights, x, y}) cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(product);
  cublasLtDestroy(handle);
  return best;
}

}  // namespace octile::benchmark
