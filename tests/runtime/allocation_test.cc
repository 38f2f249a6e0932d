// run() allocates nothing: malloc and its kin are replaced in this program and counted in all
// threads. (libstdc++'s operator new ends in malloc.) What oneDNN allocates is not ours to judge:
// plans here prefer tactics of our own.
#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "backend/backend.h"
#include "base/cpu.h"
#include "runtime/networks.h"
#include "runtime/run_steps.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OCTILE_COUNTS_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OCTILE_COUNTS_MALLOC 0
#endif
#endif
#ifndef OCTILE_COUNTS_MALLOC
#define OCTILE_COUNTS_MALLOC 1
#endif

namespace {
std::atomic<int64_t> g_allocations{0};
}  // namespace

#if OCTILE_COUNTS_MALLOC
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* p, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* p, size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(p, size);
}
void* memalign(size_t alignment, size_t size) {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** result, size_t alignment, size_t size) {
  *result = memalign(alignment, size);
  return *result != nullptr ? 0 : ENOMEM;
}
}
#endif

namespace octile::test {
namespace {

/// The plan with our own tactics in the place of oneDNN's.
Plan without_vendor(const Plan& plan, Isa isa) {
  auto data = std::make_shared<PlanData>(plan.data());
  const Device device{isa, 1};
  for (size_t p = 0; p < data->profiles.size(); ++p) {
    std::vector<Shape> max;
    for (const auto& bounds : data->profiles[p].inputs) max.push_back(bounds.max);
    const auto shapes = infer_all_shapes(*data, max);
    for (PlanStep& step : data->steps) {
      for (const Tactic* row : accepting(cpu_backend(), make_view(*data, step, shapes), device)) {
        if (row->name().rfind("onednn", 0) == 0) continue;
        step.tactics[p] = row->name();
        break;
      }
    }
  }
  return Plan(data);
}

/// Allocations of runs after two warm-up runs, at two shapes in turn.
int64_t allocations(const Plan& plan, Isa isa, int threads) {
  const Engine engine = Engine::load(without_vendor(plan, isa), {.isa = isa, .threads = threads});
  for (const std::string& tactic : engine.tactics()) EXPECT_NE(tactic.rfind("onednn", 0), 0u);
  ExecutionContext context = engine.create_context();
  Random random(4);
  const Tensor x = random_floats({4, 3, 12, 12}, random, 3.0f);
  Tensor y(DataType::kFloat32, {4, 10});
  context.bind_input("x", x.data());
  context.bind_output("y", y.data());
  int64_t counted = 0;
  for (const int64_t batch : {4, 1, 4}) {
    context.set_input_shape("x", {batch, 3, 12, 12});
    context.run();
    context.run();
    const int64_t before = g_allocations;
    for (int round = 0; round < 5; ++round) {
      context.bind_input("x", x.data());  // memory may change without a cost
      context.bind_output("y", y.data());
      context.run();
    }
    counted += g_allocations - before;
  }
  return counted;
}

TEST(Allocation, TheCounterCounts) {
  if (OCTILE_COUNTS_MALLOC == 0) GTEST_SKIP() << "the sanitizer owns malloc";
  const int64_t before = g_allocations;
  const auto list = std::make_unique<std::vector<int>>(1000);
  const Tensor tensor(DataType::kFloat32, {100, list->empty() ? 1 : 2});
  EXPECT_GE(g_allocations - before, 3);
}

/// Portable tactics, not oneDNN's, whose own allocations are not ours.
TEST(Allocation, RunsAllocateNothing) {
  if (OCTILE_COUNTS_MALLOC == 0) GTEST_SKIP() << "the sanitizer owns malloc";
  const Network network = small_cnn();
  for (const Isa isa : isas_upto(default_isa())) {
    for (const int threads : {1, 2}) {
      for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine,
                                  Scheme::kDynamicSymmetric, Scheme::kDynamicAffine}) {
        const Plan plan = plan_of(network, {.scheme = scheme, .isa = isa});
        EXPECT_EQ(allocations(plan, isa, threads), 0) << name_of(isa) << " " << name_of(scheme);
      }
      const Plan plan = plan_of(network, {.int8 = false, .isa = isa});
      EXPECT_EQ(allocations(plan, isa, threads), 0) << name_of(isa) << " float";
    }
  }
}

}  // namespace
}  // namespace octile::test
