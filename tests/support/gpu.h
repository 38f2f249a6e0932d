// What tests of GPUs ask first. Sanitized builds have one made of threads (kernels/simulated).
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "backend/backend.h"

namespace octile::test {

/// The first GPU, or null and why.
struct Gpu {
  const Accelerator* accelerator = nullptr;
  std::string refusal;
  Gpu() {
    try {
      const DeviceName where = device_from_name("cuda:0");
      accelerator = where.backend->open(std::nullopt, 1, where.ordinal).accelerator;
    } catch (const Error& error) {
      refusal = error.what();
      EXPECT_EQ(error.code(), ErrorCode::kDevice) << refusal;
    }
  }
  /// Of threads: every step is the host's.
  bool is_simulated() const {
    return accelerator != nullptr && accelerator->name() == "simulated GPU";
  }
};

}  // namespace octile::test

/// Where there is none, the test is skipped and says why.
#define OCTILE_NEED_GPU(gpu)   \
  const octile::test::Gpu gpu; \
  if ((gpu).accelerator == nullptr) GTEST_SKIP() << "no run on a GPU: " << (gpu).refusal
