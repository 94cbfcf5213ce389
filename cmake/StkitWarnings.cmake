# Linked PRIVATE, so that nobody who uses the library inherits them.
add_library(stkit_warnings INTERFACE)
target_compile_options(stkit_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wimplicit-fallthrough
  # libstdc++ 12's stable algorithms call what it has itself deprecated, and clang tells of it in code
  # that only uses them. g++ does not, and still reports what we call.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  $<$<BOOL:${STKIT_WERROR}>:-Werror>)
