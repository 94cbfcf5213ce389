# Linked PRIVATE into every target of ours; never exported.
add_library(stkit_sanitizers INTERFACE)
if(STKIT_SANITIZE)
  target_compile_options(stkit_sanitizers INTERFACE -fsanitize=${STKIT_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(stkit_sanitizers INTERFACE -fsanitize=${STKIT_SANITIZE})
endif()
if(STKIT_BUILD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "STKIT_BUILD_FUZZ needs clang; use: cmake --preset fuzz")
  endif()
  # The library reports its branches to libFuzzer.
  target_compile_options(stkit_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()
