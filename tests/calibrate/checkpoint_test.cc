// An interrupted collection goes on from its checkpoint, with the bytes it would have had; a
// checkpoint of something else, or a damaged one, is told and begun anew.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.h"
#include "octile/calibration.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

constexpr int64_t kSamples = 40;

Network small_network(uint64_t seed = 1) {
  Random random(seed);
  Network network("small");
  const TensorId x = network.add_input("image", DataType::kFloat32, {-1, 2, 6, 6});
  Convolution convolution;
  convolution.window.kernel = {3, 3};
  const TensorId c = network.convolution(x, random_floats({4, 2, 3, 3}, random), std::nullopt,
                                         convolution, "conv");
  network.mark_output(network.activation(c, ActivationKind::kRelu, 0, 0, "relu"));
  return network;
}

Tensor samples(uint64_t seed = 5) {
  Random random(seed);
  return random_floats({kSamples, 2, 6, 6}, random, 3.0f);
}

/// Samples one by one; fails, as a full disk or a signal would end it, where it is told to.
class FailingSource : public BatchSource {
 public:
  explicit FailingSource(const Tensor& all, int pass = 0, int64_t sample = 0)
      : source_(memory_data({{"", all}}, 1)), pass_(pass), sample_(sample) {}
  std::optional<Batch> next() override {
    if (pass_ == passes_ && sample_ == at_) throw Error(ErrorCode::kIo, "interrupted");
    ++at_;
    ++delivered;
    return source_->next();
  }
  void rewind() override {
    ++passes_;
    at_ = 0;
    source_->rewind();
  }
  int64_t size() const override { return source_->size(); }
  std::string digest() override { return source_->digest(); }
  int64_t delivered = 0;

 private:
  std::unique_ptr<BatchSource> source_;
  int pass_, passes_ = 0;  // the first rewind() begins pass 1
  int64_t sample_, at_ = 0;
};

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : file_(testing::TempDir() + "octile_checkpoint" + std::to_string(getpid())) {
    std::filesystem::remove(file_);
    options_.threads = 1;
    options_.checkpoint = file_;
    options_.checkpoint_seconds = 0.0;
    options_.log = [this](LogLevel level, std::string_view text) {
      (level == LogLevel::kWarning ? warnings_ : told_) += std::string(text) + "\n";
    };
  }
  ~CheckpointTest() override { std::filesystem::remove(file_); }

  void interrupt(int pass, int64_t sample) {
    FailingSource source(samples(), pass, sample);
    EXPECT_TRUE(contains(message_of([&] { calibrate(network_, source, options_); }, ErrorCode::kIo),
                         "interrupted"));
    EXPECT_TRUE(std::filesystem::exists(file_));
  }
  std::string whole() {
    FailingSource source(samples());
    CalibrationOptions plain = options_;
    plain.checkpoint.clear();
    return calibrate(network_, source, plain).to_json();
  }
  std::string resumed() {
    FailingSource source(samples());
    return calibrate(network_, source, options_).to_json();
  }

  const Network network_ = small_network();
  const std::string file_;
  CalibrationOptions options_;
  std::string warnings_, told_;
};

TEST_F(CheckpointTest, GoesOnInEitherPass) {
  const std::string expected = whole();
  for (const int pass : {1, 2}) {
    for (const bool reproducible : {false, true}) {
      options_.reproducible = reproducible;
      const std::string own = reproducible ? whole() : expected;
      told_.clear();
      interrupt(pass, 21);
      EXPECT_EQ(resumed(), own);
      const std::string from = pass == 1 ? "resuming from sample 20 of the first pass"
                                         : "resuming from sample 20 of the second pass";
      EXPECT_TRUE(contains(told_, from));
      EXPECT_EQ(warnings_, "");
      EXPECT_FALSE(std::filesystem::exists(file_));
    }
  }
}

TEST_F(CheckpointTest, MayBeInterruptedAgainAndAgain) {
  const std::string expected = whole();
  for (const auto& [pass, sample] : {std::pair{1, 5}, {1, 13}, {1, 37}, {2, 6}}) {
    interrupt(pass, sample);
  }
  interrupt(1, 30);  // the second pass is the first that this run makes
  told_.clear();
  EXPECT_EQ(resumed(), expected);
  EXPECT_TRUE(contains(told_, "resuming from sample 28 of the second pass"));
}

TEST_F(CheckpointTest, ThreadsMayDiffer) {
  const std::string expected = whole();
  options_.threads = 3;
  interrupt(1, 30);
  options_.threads = 2;
  EXPECT_EQ(resumed(), expected);
}

TEST_F(CheckpointTest, OfSomethingElseIsToldAndNotUsed) {
  const auto refused = [&](const std::string& why, const auto& collect) {
    interrupt(1, 21);
    warnings_.clear();
    told_.clear();
    collect();
    EXPECT_TRUE(contains(warnings_, file_ + ": the checkpoint is not used: " + why));
    EXPECT_EQ(told_.find("resuming"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(file_));
  };
  refused("it was made for another model", [&] {
    FailingSource source(samples());
    calibrate(small_network(2), source, options_);
  });
  refused("it was made for other samples", [&] {
    FailingSource source(samples(6));
    calibrate(network_, source, options_);
  });
  refused("it was made for another preprocessing", [&] {
    CalibrationOptions other = options_;
    other.preprocess = "{\"scale\":2}";
    FailingSource source(samples());
    calibrate(network_, source, other);
  });
  refused("it was made for another float path", [&] {
    CalibrationOptions other = options_;
    other.reproducible = true;
    FailingSource source(samples());
    calibrate(network_, source, other);
  });
}

TEST_F(CheckpointTest, ThatIsDamagedIsToldAndNotUsed) {
  const std::string expected = whole();
  interrupt(2, 21);
  const std::string bytes = read_file(file_);
  for (const size_t at : {size_t{3}, size_t{25}, bytes.size() / 2, bytes.size() - 1}) {
    for (const bool cut : {false, true}) {
      std::string damaged = cut ? bytes.substr(0, at) : bytes;
      if (!cut) damaged[at] = static_cast<char>(damaged[at] ^ 1);
      write_file(file_, damaged);
      warnings_.clear();
      EXPECT_EQ(resumed(), expected);
      EXPECT_TRUE(contains(warnings_, "the checkpoint is not used"));
    }
  }
}

TEST_F(CheckpointTest, IsNotMadeUnlessAskedFor) {
  options_.checkpoint.clear();
  FailingSource source(samples(), 2, 21);
  EXPECT_THROW(calibrate(network_, source, options_), Error);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

}  // namespace
}  // namespace octile::test
