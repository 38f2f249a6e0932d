# What a cross build takes from the build machine: headers that are the same for every processor, linked
# into a folder of their own (all of /usr/include would hide the other machine's C library), and
# GoogleTest's sources. Nothing here needs packages of the other architecture.
set(octile_cross_headers ${CMAKE_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${octile_cross_headers})
foreach(library fmt flatbuffers)
  find_path(octile_${library} ${library} PATHS /usr/local/include /usr/include
            NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
  if(octile_${library})
    file(CREATE_LINK ${octile_${library}}/${library} ${octile_cross_headers}/${library} SYMBOLIC)
  endif()
endforeach()

set(OCTILE_FLATBUFFERS_INCLUDE ${octile_flatbuffers})
if(octile_flatbuffers)
  set(OCTILE_FLATBUFFERS_INCLUDE ${octile_cross_headers})
endif()
set(fmt_FOUND ${octile_fmt})
if(octile_fmt)
  add_library(octile_fmt STATIC cmake/cross_fmt.cc)
  target_include_directories(octile_fmt SYSTEM PUBLIC $<BUILD_INTERFACE:${octile_cross_headers}>)
  install(TARGETS octile_fmt EXPORT octileTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  add_library(fmt::fmt ALIAS octile_fmt)
endif()

if(OCTILE_RUNTIME_TESTS)
  set(octile_googletest /usr/src/googletest/googletest)
  if(EXISTS ${octile_googletest}/src/gtest-all.cc)
    add_library(octile_gtest STATIC ${octile_googletest}/src/gtest-all.cc
                                    ${octile_googletest}/src/gtest_main.cc)
    target_include_directories(octile_gtest SYSTEM PUBLIC ${octile_googletest}/include
                               PRIVATE ${octile_googletest})
    add_library(GTest::gtest ALIAS octile_gtest)
    add_library(GTest::gtest_main ALIAS octile_gtest)
  else()
    list(APPEND octile_missing googletest)
  endif()
endif()
