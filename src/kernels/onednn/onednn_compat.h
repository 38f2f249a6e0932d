// The one file that knows oneDNN's versions: 2.6 (Debian 12) and 3.x (Ubuntu 24.04) differ in how
// primitive descriptors are made. Everything else in this room is the same source for both.
#pragma once

#include <oneapi/dnnl/dnnl_version.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace octile::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;

#if DNNL_VERSION_MAJOR >= 3
using PoolingForward = dnnl::pooling_forward;
#else
using PoolingForward = dnnl::pooling_v2_forward;
#endif

inline constexpr auto kInference = dnnl::prop_kind::forward_inference;

/// Spatial lists of a window in oneDNN's sense: dilation 0 means dense.
struct Spatial {
  Dims strides, dilations, pad_before, pad_after;
};

#if DNNL_VERSION_MAJOR >= 3

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm kind, float alpha, float beta) {
  ops.append_eltwise(kind, alpha, beta);
}

inline auto convolution(const dnnl::engine& engine, const Desc& x, const Desc& w, const Desc& b,
                        const Desc& y, const Spatial& s, const dnnl::primitive_attr& attr) {
  return dnnl::convolution_forward::primitive_desc(
      engine, kInference, dnnl::algorithm::convolution_direct, x, w, b, y, s.strides, s.dilations,
      s.pad_before, s.pad_after, attr);
}

inline auto deconvolution(const dnnl::engine& engine, const Desc& x, const Desc& w, const Desc& b,
                          const Desc& y, const Spatial& s, const dnnl::primitive_attr& attr) {
  return dnnl::deconvolution_forward::primitive_desc(
      engine, kInference, dnnl::algorithm::deconvolution_direct, x, w, b, y, s.strides, s.dilations,
      s.pad_before, s.pad_after, attr);
}

inline auto pooling(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& x, const Desc& y,
                    const Dims& kernel, const Spatial& s, const dnnl::primitive_attr& attr) {
  return dnnl::pooling_forward::primitive_desc(engine, kInference, kind, x, y, s.strides, kernel,
                                               s.dilations, s.pad_before, s.pad_after, attr);
}

inline auto matmul(const dnnl::engine& engine, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& y, const dnnl::primitive_attr& attr) {
  return dnnl::matmul::primitive_desc(engine, a, b, bias, y, attr);
}

inline auto eltwise(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& x, float alpha,
                    float beta, const dnnl::primitive_attr& attr) {
  return dnnl::eltwise_forward::primitive_desc(engine, kInference, kind, x, x, alpha, beta, attr);
}

inline auto binary(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& a, const Desc& b,
                   const Desc& y, const dnnl::primitive_attr& attr) {
  return dnnl::binary::primitive_desc(engine, kind, a, b, y, attr);
}

inline auto softmax(const dnnl::engine& engine, const Desc& x, int axis,
                    const dnnl::primitive_attr& attr) {
  return dnnl::softmax_forward::primitive_desc(engine, kInference,
                                               dnnl::algorithm::softmax_accurate, x, x, axis, attr);
}

#else

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm kind, float alpha, float beta) {
  ops.append_eltwise(1.0f, kind, alpha, beta);
}

inline auto convolution(const dnnl::engine& engine, const Desc& x, const Desc& w, const Desc& b,
                        const Desc& y, const Spatial& s, const dnnl::primitive_attr& attr) {
  using Op = dnnl::convolution_forward;
  return Op::primitive_desc(Op::desc(kInference, dnnl::algorithm::convolution_direct, x, w, b, y,
                                     s.strides, s.dilations, s.pad_before, s.pad_after),
                            attr, engine);
}

inline auto deconvolution(const dnnl::engine& engine, const Desc& x, const Desc& w, const Desc& b,
                          const Desc& y, const Spatial& s, const dnnl::primitive_attr& attr) {
  using Op = dnnl::deconvolution_forward;
  return Op::primitive_desc(Op::desc(kInference, dnnl::algorithm::deconvolution_direct, x, w, b, y,
                                     s.strides, s.dilations, s.pad_before, s.pad_after),
                            attr, engine);
}

inline auto pooling(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& x, const Desc& y,
                    const Dims& kernel, const Spatial& s, const dnnl::primitive_attr& attr) {
  using Op = dnnl::pooling_v2_forward;
  return Op::primitive_desc(
      Op::desc(kInference, kind, x, y, s.strides, kernel, s.dilations, s.pad_before, s.pad_after),
      attr, engine);
}

inline auto matmul(const dnnl::engine& engine, const Desc& a, const Desc& b, const Desc& bias,
                   const Desc& y, const dnnl::primitive_attr& attr) {
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, y), attr, engine);
}

inline auto eltwise(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& x, float alpha,
                    float beta, const dnnl::primitive_attr& attr) {
  using Op = dnnl::eltwise_forward;
  return Op::primitive_desc(Op::desc(kInference, kind, x, alpha, beta), attr, engine);
}

inline auto binary(const dnnl::engine& engine, dnnl::algorithm kind, const Desc& a, const Desc& b,
                   const Desc& y, const dnnl::primitive_attr& attr) {
  return dnnl::binary::primitive_desc(dnnl::binary::desc(kind, a, b, y), attr, engine);
}

inline auto softmax(const dnnl::engine& engine, const Desc& x, int axis,
                    const dnnl::primitive_attr& attr) {
  using Op = dnnl::softmax_forward;
  return Op::primitive_desc(Op::desc(kInference, x, axis), attr, engine);
}

#endif

}  // namespace octile::onednn
