# Every dependency, in one place: the system's package first, else the pinned source release.
# STKIT_FETCH_DEPS=OFF forbids the second. To move a pin, change its version, URL and hash together.
include(FetchContent)

# Sources that a release is unpacked from are as trusted as system headers: no warnings from them.
# SYSTEM stays in front of the other arguments: CMake 3.25 takes it for the value of the one before it.
set(stkit_fetch_system)
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.25)
  set(stkit_fetch_system SYSTEM)
endif()

# What the static library needs at link time and what had to be fetched of it (see STKIT_INSTALL).
set(stkit_fetched_link_deps)

# stkit_dependency(<package> <target> <url> <sha256> [find_package arguments])
# A macro, so that what find_package sets reaches this scope.
macro(stkit_dependency package target url sha256)
  if(STKIT_FETCH_DEPS)
    FetchContent_Declare(${package} ${stkit_fetch_system} URL ${url} URL_HASH SHA256=${sha256}
                         DOWNLOAD_EXTRACT_TIMESTAMP OFF FIND_PACKAGE_ARGS ${ARGN})
    FetchContent_MakeAvailable(${package})
  else()
    find_package(${package} ${ARGN} REQUIRED)
  endif()
  if(NOT TARGET ${target})  # Highway's own build names its target without the namespace
    add_library(${target} ALIAS ${package})
  endif()
  get_target_property(stkit_imported ${target} IMPORTED)
  if(NOT stkit_imported)
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" ${package}_VERSION ${url})
    message(STATUS "${package}: no system package; built from ${url}")
    if("${target}" MATCHES "^(fmt|simdjson|hwy)::")
      list(APPEND stkit_fetched_link_deps ${package})
    endif()
  endif()
endmacro()

# Options of the fetched projects: the library alone, and nothing of theirs installed with stkit.
# Cache entries, since Highway declares its own with set(CACHE) and option() gives way to both.
foreach(option FMT_INSTALL HWY_ENABLE_CONTRIB HWY_ENABLE_EXAMPLES HWY_ENABLE_INSTALL HWY_ENABLE_TESTS
               CLI11_INSTALL SPDLOG_INSTALL INSTALL_GTEST BENCHMARK_ENABLE_INSTALL
               BENCHMARK_ENABLE_TESTING BENCHMARK_ENABLE_WERROR)
  set(${option} OFF CACHE INTERNAL "")
endforeach()
set(SPDLOG_FMT_EXTERNAL ON CACHE INTERNAL "one fmt in the program")
if(BUILD_SHARED_LIBS)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
# From the system only: they get security updates there.
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(ZLIB 1.2.11 REQUIRED)
find_package(CURL 7.74 REQUIRED)

stkit_dependency(fmt fmt::fmt
  https://github.com/fmtlib/fmt/releases/download/11.1.4/fmt-11.1.4.zip
  49b039601196e1a765e81c5c9a05a61ed3d33f23b3961323d7322e4fe213d3e6)
stkit_dependency(simdjson simdjson::simdjson
  https://github.com/simdjson/simdjson/archive/refs/tags/v3.12.3.tar.gz
  d0af071f2f4187d8b26b556e83ef832b634bd5feb4e2f537b9dabbd334d4e334)
stkit_dependency(hwy hwy::hwy
  https://github.com/google/highway/archive/refs/tags/1.2.0.tar.gz
  7e0be78b8318e8bdbf6fa545d2ecb4c90f947df03f7aadc42c1967f019e63343)

if(STKIT_BUILD_TOOLS)
  stkit_dependency(CLI11 CLI11::CLI11
    https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.6.2.tar.gz
    c6ea6b2e5608b3ea8617999bd5f47420c71b2ebdb8dc4767c1034d1da5785711)
  stkit_dependency(spdlog spdlog::spdlog
    https://github.com/gabime/spdlog/archive/refs/tags/v1.15.2.tar.gz
    7a80896357f3e8e920e85e92633b14ba0f229c506e6f978578bdc35ba09e9a5d)
endif()
if(STKIT_BUILD_TESTS)
  stkit_dependency(GTest GTest::gtest_main
    https://github.com/google/googletest/releases/download/v1.15.2/googletest-1.15.2.tar.gz
    7b42b4d6ed48810c5362c265a17faebe90dc2373c885e5216439d37927f02926)
  find_package(Python3 3.8 COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    message(WARNING "no Python 3: the tests that are scripts (layering, README, data) are left out")
  endif()
endif()
if(STKIT_BUILD_BENCH)
  stkit_dependency(benchmark benchmark::benchmark
    https://github.com/google/benchmark/archive/refs/tags/v1.9.1.tar.gz
    32131c08ee31eeff2c8968d7e874f3cb648034377dfc32a4c377fa8796d84981)
endif()
