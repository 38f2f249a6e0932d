// Models that are nearly right: changes that keep the protobuf readable, so that they reach the
// operators' rules instead of failing at the door.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace octile::fuzz {

using Generator = std::mt19937_64;

/// One to four changes to the model's nodes, attributes, types and shapes; bytes that are no model
/// come back changed as bytes.
std::string mutate_model(const std::string& bytes, Generator& random);
/// A few bytes changed, removed, repeated.
std::string mutate_bytes(std::string bytes, Generator& random);
/// The nodes of `other` behind those of `bytes`, which may read each other's tensors.
std::string cross(const std::string& bytes, const std::string& other, Generator& random);

}  // namespace octile::fuzz
