// oneDNN's candidates, through its C++ API: convolutions and products with what follows fused.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "candidate.h"
#include "kernels/onednn/onednn_compat.h"
#include "machine.h"

namespace octile::bench {
namespace {

using onednn::Desc;
using onednn::Dims;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

/// One primitive with memory of its own.
struct Primitive {
  dnnl::stream stream;
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> arguments;
  void run() { primitive.execute(stream, arguments); }
};

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// Memory whose bytes vary, small for floats.
dnnl::memory fill(const Desc& desc, Type type) {
  dnnl::memory memory(desc, engine());
  auto* bytes = static_cast<uint8_t*>(memory.get_data_handle());
  uint32_t state = 12345;
  const size_t size = desc.get_size();
  for (size_t i = 0; i < size; ++i) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = uint8_t(state >> 24);
  }
  if (type == Type::f32 || type == Type::s32) {
    for (size_t i = 0; i + 4 <= size; i += 4) {
      const float value = float(bytes[i]) * (2.0f / 255.0f) - 1.0f;
      const int32_t integer = bytes[i];
      if (type == Type::f32) std::memcpy(bytes + i, &value, 4);
      if (type == Type::s32) std::memcpy(bytes + i, &integer, 4);
    }
  }
  return memory;
}

dnnl::primitive_attr attributes(bool bytes, const Layer& layer, bool residual) {
  dnnl::primitive_attr attr;
  const int mask = 1 << 1;
#if DNNL_VERSION_MAJOR >= 3
  (void)layer;
  if (bytes) attr.set_scales_mask(DNNL_ARG_WEIGHTS, 0), (void)mask;
#else
  if (bytes) attr.set_output_scales(mask, std::vector<float>(size_t(layer.out), 0.001f));
#endif
  dnnl::post_ops ops;
  if (residual) ops.append_sum(0.7f);
  onednn::append_eltwise(ops, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attr.set_post_ops(ops);
  return attr;
}

template <typename Made, typename Operation>
std::shared_ptr<Primitive> bind(const Made& made, const Operation& operation, bool bytes) {
  auto p = std::make_shared<Primitive>();
  p->stream = dnnl::stream(engine());
  p->primitive = operation;
  const Type data = bytes ? Type::u8 : Type::f32;
  p->arguments = {{DNNL_ARG_SRC, fill(made.src_desc(), data)},
                  {DNNL_ARG_WEIGHTS, fill(made.weights_desc(), bytes ? Type::s8 : Type::f32)},
                  {DNNL_ARG_BIAS, fill(made.bias_desc(), bytes ? Type::s32 : Type::f32)},
                  {DNNL_ARG_DST, fill(made.dst_desc(), data)}};
#if DNNL_VERSION_MAJOR >= 3
  if (bytes) {
    const Desc one({1}, Type::f32, Tag::x);
    p->arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = fill(one, Type::f32);
  }
#endif
  return p;
}

std::shared_ptr<Primitive> convolution(const Layer& l, bool bytes, bool residual, bool any) {
  const Type data = bytes ? Type::u8 : Type::f32, weight = bytes ? Type::s8 : Type::f32;
  const Tag tag = any ? Tag::any : Tag::nhwc;
  const int64_t out = l.out_size(), k = l.kernel;
  const Dims w = l.groups == 1 ? Dims{l.out, l.in, k, k}
                               : Dims{l.groups, l.out / l.groups, l.in / l.groups, k, k};
  const Dims pad{l.padding(), l.padding()};
  const auto after = [&](int64_t before) { return (out - 1) * l.stride + k - l.size - before; };
  const onednn::Spatial spatial{{l.stride, l.stride}, {0, 0}, pad, {after(pad[0]), after(pad[1])}};
  const auto made = onednn::convolution(
      engine(), Desc({1, l.in, l.size, l.size}, data, tag), Desc(w, weight, Tag::any),
      Desc({l.out}, bytes ? Type::s32 : Type::f32, Tag::x), Desc({1, l.out, out, out}, data, tag),
      spatial, attributes(bytes, l, residual));
  return bind(made, dnnl::convolution_forward(made), bytes);
}

std::shared_ptr<Primitive> product(const Layer& l, bool bytes, bool any) {
  const Type data = bytes ? Type::u8 : Type::f32, weight = bytes ? Type::s8 : Type::f32;
  const Tag tag = any ? Tag::any : Tag::ab;
  const auto made = onednn::matmul(engine(), Desc({l.rows, l.in}, data, tag),
                                   Desc({l.in, l.out}, weight, Tag::any),
                                   Desc({1, l.out}, bytes ? Type::s32 : Type::f32, Tag::ab),
                                   Desc({l.rows, l.out}, data, tag), attributes(bytes, l, false));
  return bind(made, dnnl::matmul(made), bytes);
}

/// "brgconv:avx512_core_vnni", as oneDNN names what it chose.
std::string implementation(const Primitive& p) {
  const char* text = nullptr;
  dnnl_primitive_desc_query(p.primitive.get_primitive_desc(), dnnl_query_impl_info_str, 0, &text);
  return text != nullptr ? text : "";
}

}  // namespace

void limit_onednn(const std::string& isa) {
  if (isa.empty() || isa.find("amx") != std::string::npos) return;
  const dnnl::cpu_isa level = isa == "avx2"       ? dnnl::cpu_isa::avx2
                              : isa == "avxvnni"  ? dnnl::cpu_isa::avx2_vnni
                              : isa == "portable" ? dnnl::cpu_isa::sse41
                                                  : dnnl::cpu_isa::avx512_core_vnni;
  check(dnnl::set_max_cpu_isa(level) == dnnl::status::success, ErrorCode::kInternal,
        "oneDNN cannot be held to {}", isa);
}

std::vector<Candidate> onednn_candidates(const Layer& layer, bool residual) {
  std::vector<Candidate> candidates;
  for (const bool bytes : {true, false}) {
    for (const bool any : {false, true}) {
      std::shared_ptr<Primitive> p;
      try {
        p = layer.is_gemm() ? product(layer, bytes, any) : convolution(layer, bytes, residual, any);
      } catch (const dnnl::error&) {
        continue;  // it has no such primitive
      }
      const std::string name = implementation(*p);
      candidates.push_back({.engine = "onednn",
                            .precision = bytes ? "int8" : "float",
                            .arithmetic = bytes ? "affine" : "",
                            .variant = (any ? "any " : "plain ") + name,
                            .sequence = bytes ? sequence_of(name, "", Activations::kAffine) : "",
                            .residual = residual,
                            .run = [p] { p->run(); }});
    }
  }
  return candidates;
}

}  // namespace octile::bench
