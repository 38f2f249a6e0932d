// What this card can do at most, measured.
#pragma once

#include <cstddef>

namespace octile::benchmark {

/// Bytes read and written.
double copy_bytes_per_second(void* from, void* to, size_t bytes);
/// int8 multiplications and additions by the tensor cores; 0 where wgmma is not. scratch: 1 MiB.
double multiply_operations_per_second(void* scratch);

}  // namespace octile::benchmark
