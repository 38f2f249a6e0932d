// evaluate() runs inside engines, so the common ops must not allocate. Counts operator new on one
// thread (the thread pool's own start-up is not evaluate()'s).
#include <cstdlib>
#include <new>

#include "base/parallel_for.h"
#include "ops/run.h"

namespace {
thread_local int64_t t_allocations = 0;

void* counted(size_t size) {
  ++t_allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(size_t size) { return counted(size); }
void* operator new[](size_t size) { return counted(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++t_allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
// GCC sees free() through an inlined delete, but not malloc() through the new that belongs to it.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }

namespace octile::test {
namespace {

int64_t allocations_of(const Op& op, const std::vector<Tensor>& inputs) {
  const ThreadCountScope one(1);
  std::vector<TensorView> views;
  for (const Tensor& t : inputs) views.push_back(t.view());
  std::vector<Tensor> results = evaluate(op, views);
  std::vector<MutableTensorView> outputs;
  for (Tensor& t : results) outputs.push_back({t.type(), t.shape(), t.data()});
  const int64_t before = t_allocations;
  evaluate(op, views, outputs);
  return t_allocations - before;
}

TEST(Allocation, TheCounterCounts) {
  const int64_t before = t_allocations;
  const std::vector<int> v(100);
  EXPECT_GE(t_allocations - before, v.empty() ? 0 : 1);
}

TEST(Allocation, EvaluateDoesNotAllocate) {
  const Tensor x = counting<float>({1, 2, 4, 4});
  Window window;
  window.kernel = {2, 2};
  Shuffle transpose;
  transpose.first = {0, 2, 3, 1};
  Resize resize;
  resize.scales = {1, 1, 2, 2};
  Resize linear = resize;
  linear.kind = ResizeKind::kLinear;
  Quantize dynamic;
  dynamic.dynamic = true;
  Quantize fixed;
  fixed.scale = {1.0f};
  Tensor condition(DataType::kBool, {4});
  const std::pair<Op, std::vector<Tensor>> cases[] = {
      {Convolution{window, 1}, {x, counting<float>({3, 2, 2, 2}), counting<float>({3})}},
      {Deconvolution{window, 1, {}}, {x, counting<float>({2, 3, 2, 2})}},
      {Activation{ActivationKind::kGeluErf}, {x}},
      {Pooling{PoolingKind::kMax, window, false, false}, {x}},
      {Pooling{PoolingKind::kAverage, {}, true, false}, {x}},
      {Scale{1, true, false, false}, {x, counting<float>({2})}},
      {Elementwise{}, {x, counting<float>({4})}},
      {Unary{UnaryKind::kExp}, {x}},
      {Reduce{ReduceKind::kMean, {2, 3}, true}, {x}},
      {MatrixMultiply{}, {x, counting<float>({4, 5})}},
      {transpose, {x}},
      {Concatenation{1}, {x, x}},
      {Slice{{2}, {-1}, {-1}, {-1}}, {x}},
      {Padding{PaddingKind::kReflect, {0, 0, 1, 1}, {0, 0, 1, 1}, 0}, {x}},
      {Softmax{{1}}, {x}},
      {TopK{2, 3, true}, {x}},
      {Gather{2}, {x, Tensor::int64s({1, 0})}},
      {resize, {x}},
      {linear, {x}},
      {Select{}, {condition, x, x}},
      {Cast{DataType::kInt8}, {x}},
      {Identity{}, {x}},
      {fixed, {x}},
      {dynamic, {x}},
      {Dequantize{{1.0f}, 0, -1, false}, {counting<int8_t>({2, 2})}},
  };
  for (const auto& [op, inputs] : cases) {
    EXPECT_EQ(allocations_of(op, inputs), 0) << to_string(op);
  }
}

}  // namespace
}  // namespace octile::test
