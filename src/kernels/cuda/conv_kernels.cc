// The table of convolution kernels, most wanted first.
#include "kernels/cuda/conv_kernel.h"

namespace octile::cuda {

extern const ConvKernel kConvCluster;
extern const ConvKernel kConvWgmma256, kConvWgmma128, kConvWgmma64;
extern const ConvKernel kConvWgmmaKept128, kConvWgmmaKept64, kConvJoined128, kConvJoined64,
    kConvWgmmaPatch;
extern const ConvKernel kConvMma128x128, kConvMma128x64, kConvMma64x64, kConvMma64x64Split,
    kConvMma128x64Split;
extern const ConvKernel kConvDepthwise, kConvDirect, kConvDp4a, kConvStem, kConvStemMma;

std::span<const ConvKernel* const> conv_kernels() {
  static const ConvKernel* const kernels[] = {
      &kConvStemMma,        &kConvStem,       &kConvCluster,      &kConvWgmma256,
      &kConvWgmma128,       &kConvWgmma64,    &kConvWgmmaKept128, &kConvWgmmaKept64,
      &kConvJoined128,      &kConvJoined64,   &kConvWgmmaPatch,   &kConvMma64x64Split,
      &kConvMma128x64Split, &kConvMma128x128, &kConvMma128x64,    &kConvMma64x64,
      &kConvDepthwise,      &kConvDp4a,       &kConvDirect,
  };
  return kernels;
}

}  // namespace octile::cuda
