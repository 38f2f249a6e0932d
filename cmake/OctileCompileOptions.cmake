# Flags shared by every target, through the interface library octile_options.
# -ffp-contract=off is part of the arithmetic (docs/arithmetic.md): an FMA changes bits.
find_program(OCTILE_CCACHE ccache)
if(OCTILE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${OCTILE_CCACHE})
endif()

add_library(octile_options INTERFACE)
target_compile_options(octile_options INTERFACE -Wall -Wextra -Wshadow
  -Wno-missing-field-initializers  # designated initializers name the fields that matter
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC 12 is wrong about std::string (bug 105651)
  # GCC 13 is wrong about arrays of Shape::kMaxRank that are filled up to a rank.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds>
  -ffp-contract=off)
if(OCTILE_WERROR)
  target_compile_options(octile_options INTERFACE -Werror)
endif()
if(OCTILE_ASSERTIONS)
  target_compile_options(octile_options INTERFACE -UNDEBUG)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  # -g1: line numbers for sanitizers and profilers at a fraction of the link time.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
endif()
if(OCTILE_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")  # a quarter less to compile
  target_compile_options(octile_options INTERFACE -fsanitize=${OCTILE_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(octile_options INTERFACE -fsanitize=${OCTILE_SANITIZE})
endif()
target_include_directories(octile_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
if(OCTILE_THREADS STREQUAL "openmp")
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(octile_options INTERFACE OpenMP::OpenMP_CXX)
  target_compile_definitions(octile_options INTERFACE OCTILE_THREADS_OPENMP=1)
else()
  find_package(Threads REQUIRED)
  target_link_libraries(octile_options INTERFACE Threads::Threads)
  target_compile_definitions(octile_options INTERFACE OCTILE_THREADS_STD=1)
endif()
