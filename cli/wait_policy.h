// How long OpenMP's threads spin while they wait.
#pragma once

namespace octile::cli {

/// Unless the user chose (OMP_WAIT_POLICY or GOMP_SPINCOUNT), starts the program again with a short
/// spin: libgomp reads its environment when it is loaded, before main(). Call it first; it returns
/// when nothing is to be done or the program cannot be started again.
void choose_wait_policy(char** argv);

}  // namespace octile::cli
