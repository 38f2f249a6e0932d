// Engine: bindings and profiles, which tactics run, what is told about changes, packed weights.
#include <algorithm>

#include "base/cpu.h"
#include "runtime/run_steps.h"

namespace octile::test {
namespace {

struct Logged {
  std::vector<std::pair<LogLevel, std::string>> lines;
  EngineOptions options() {
    EngineOptions o;
    o.threads = 1;
    o.log = [this](LogLevel level, std::string_view text) { lines.emplace_back(level, text); };
    return o;
  }
};

TEST(Engine, TellsItsBindingsAndProfiles) {
  PlanData data = two_input_plan();
  PlanProfile second = data.profiles[0];
  for (auto& bounds : second.inputs) bounds.opt = {2, 4};
  data.profiles.push_back(second);
  const Engine engine = Engine::load(portable_plan(data));
  ASSERT_EQ(engine.bindings().size(), 3u);
  EXPECT_EQ(engine.bindings()[0].name, "a");
  EXPECT_EQ(engine.bindings()[1].name, "b");
  EXPECT_EQ(engine.bindings()[2].name, "y");
  EXPECT_TRUE(engine.bindings()[1].is_input);
  EXPECT_FALSE(engine.bindings()[2].is_input);
  EXPECT_EQ(engine.bindings()[2].shape, (Shape{kDynamic, 4}));
  EXPECT_EQ(engine.profile_count(), 2);
  EXPECT_EQ(engine.min_shape("b", 1), (Shape{1, 4}));
  EXPECT_EQ(engine.opt_shape("b", 1), (Shape{2, 4}));
  EXPECT_EQ(engine.max_shape("b", 1), (Shape{4, 4}));
  EXPECT_TRUE(contains(message_of([&] { engine.min_shape("y", 0); }), "no input 'y'"));
  EXPECT_TRUE(contains(message_of([&] { engine.min_shape("a", 2); }), "no profile 2"));
  EXPECT_TRUE(contains(message_of([&] { engine.create_context(-1); }), "no profile -1"));
  EXPECT_TRUE(contains(message_of([&] { engine.tactics(7); }), "no profile 7"));
}

TEST(Engine, RunsThePreferredTactics) {
  Logged logged;
  const Plan plan = portable_plan(every_step_plan());
  const Engine engine = Engine::load(plan, logged.options());
  const auto tactics = engine.tactics();
  ASSERT_EQ(tactics.size(), plan.data().steps.size());
  for (size_t s = 0; s < tactics.size(); ++s) {
    EXPECT_EQ(tactics[s], plan.data().steps[s].tactics[0]) << plan.data().steps[s].name;
  }
  EXPECT_TRUE(logged.lines.empty()) << logged.lines[0].second;
}

TEST(Engine, TellsOnceWhatRunsInstead) {
  PlanData data = small_plan();
  data.profiles.push_back(data.profiles[0]);
  data.built_on = "a machine of the future, timed";
  prefer_portable(data);
  data.steps[0].tactics = {"quantum.relu", "quantum.relu"};
  Logged logged;
  const Engine engine = Engine::load(checked(data), logged.options());
  EXPECT_NE(engine.tactics()[0], "quantum.relu");
  EXPECT_EQ(engine.tactics(1)[0], engine.tactics()[0]);
  EXPECT_EQ(engine.tactics()[1], data.steps[1].tactics[0]);
  ASSERT_EQ(logged.lines.size(), 2u);
  EXPECT_EQ(logged.lines[0].first, LogLevel::kDebug);
  EXPECT_TRUE(contains(logged.lines[0].second, "step 0"));
  EXPECT_TRUE(contains(logged.lines[0].second, "quantum.relu"));
  EXPECT_TRUE(contains(logged.lines[0].second, engine.tactics()[0]));
  EXPECT_EQ(logged.lines[1].first, LogLevel::kWarning);
  EXPECT_TRUE(contains(logged.lines[1].second, "a machine of the future"));
  EXPECT_TRUE(contains(logged.lines[1].second, "1 of 2"));
}

/// A tactic of a stronger ISA than the engine's is no choice, and the reason says which it needs.
TEST(Engine, TacticsOfAStrongerIsaAreReplaced) {
  PlanData data = every_step_plan();
  prefer_portable(data);
  const StepView view =
      make_view(data, data.steps[2], infer_all_shapes(data, std::vector{Shape{3, 4, 6, 6}}));
  const Tactic* strong = nullptr;
  for (const Tactic* tactic : cpu_backend().tactics()) {
    if (tactic->isa() > Isa::kPortable &&
        tactic->refuse(view, Device{compiled_isas()[0], 1}).empty()) {
      strong = tactic;
    }
  }
  if (strong == nullptr) GTEST_SKIP() << "no tactic for a convolution above the portable level";
  data.steps[2].tactics = {std::string(strong->name())};
  Logged logged;
  EngineOptions options = logged.options();
  options.isa = Isa::kPortable;
  const Engine engine = Engine::load(checked(data), options);
  EXPECT_EQ(engine.isa(), "portable");
  EXPECT_NE(engine.tactics()[2], strong->name());
  ASSERT_FALSE(logged.lines.empty());
  EXPECT_TRUE(contains(logged.lines[0].second, "needs " + std::string(name_of(strong->isa()))));
}

TEST(Engine, AStepThatNothingRunsIsAnError) {
  PlanData data = small_plan();
  std::get<EltwiseStep>(data.steps[1].step).kind = ElementwiseKind::kEqual;
  const Plan plan = checked(data);
  const std::string message = message_of([&] { Engine::load(plan); }, ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(message, "step 1"));
  EXPECT_TRUE(contains(message, "portable.eltwise.float"));
}

/// Two profiles that run one tactic share its packed weights.
TEST(Engine, PacksWeightsOnce) {
  PlanData one = every_step_plan();
  one.steps[2].tactics = {""};  // the best here, which may pack
  PlanData two = one;
  two.profiles.push_back(two.profiles[0]);
  for (PlanStep& step : two.steps) step.tactics.resize(2, step.tactics[0]);
  const Engine engine_one = Engine::load(checked(one)), engine_two = Engine::load(checked(two));
  EXPECT_EQ(engine_one.tactics(), engine_two.tactics(1));
  EXPECT_EQ(engine_one.packed_bytes(), engine_two.packed_bytes());
  if (cpu_supports(Isa::kAvx2)) {
    EXPECT_GT(engine_one.packed_bytes(), 0u) << engine_one.tactics()[2];
  }
  EXPECT_GE(engine_one.arena_bytes(0), size_t(one.profiles[0].arena_bytes));
}

TEST(Engine, IsasThatTheMachineLacksAreRefused) {
  for (Isa isa :
       {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx, Isa::kNeon, Isa::kNeonDot}) {
    if (cpu_supports(isa)) continue;
    const Plan plan = portable_plan(small_plan());
    const EngineOptions options{.isa = isa, .threads = 1, .log = {}};
    EXPECT_TRUE(contains(message_of([&] { Engine::load(plan, options); }, ErrorCode::kUnsupported),
                         name_of(isa).data()));
  }
  const EngineOptions negative{.isa = {}, .threads = -1, .log = {}};
  message_of([&] { Engine::load(portable_plan(small_plan()), negative); });
}

TEST(Engine, ContextsSurviveMovingTheEngine) {
  Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  const Engine moved = std::move(engine);
  const auto y = context.run({Tensor::floats({1, 4}, {-1, 0, 1, 2})});
  EXPECT_EQ(y[0], Tensor::floats({1, 4}, {-1, -1, 0, 1}));
  EXPECT_EQ(moved.plan().name(), "small");
}

TEST(Engine, LoadsFiles) {
  const std::string path = testing::TempDir() + "octile_engine_test.plan";
  portable_plan(small_plan()).save(path);
  const Engine engine = Engine::load(path);
  std::remove(path.c_str());
  ExecutionContext context = engine.create_context();
  EXPECT_EQ(context.run({Tensor::floats({1, 4}, {5, 6, 7, 8})})[0],
            Tensor::floats({1, 4}, {4, 5, 6, 7}));
}

TEST(Devices, TheCpuIsTheFirst) {
  const auto list = devices();
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list[0].id, "cpu");
  for (size_t i = 1; i < list.size(); ++i) {
    EXPECT_EQ(list[i].backend, "cuda");
    EXPECT_EQ(list[i].id.empty(), list[i].usable.empty()) << "what is of no use says why";
    EXPECT_EQ(list[i].id.empty(), list[i].memory_bytes == 0);
    if (list[i].id.empty()) {
      EXPECT_FALSE(list[i].refused.empty());
    }
  }
  EXPECT_EQ(list[0].backend, "cpu");
  EXPECT_GE(list[0].cores, 1);
  EXPECT_EQ(list[0].compiled.size(), list[0].usable.size() + list[0].refused.size());
  EXPECT_NE(std::find(list[0].usable.begin(), list[0].usable.end(), "portable"),
            list[0].usable.end());
}

}  // namespace
}  // namespace octile::test
