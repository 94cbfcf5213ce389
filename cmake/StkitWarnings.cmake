# Linked PRIVATE, so that nobody who uses the library inherits them.
add_library(stkit_warnings INTERFACE)
target_compile_options(stkit_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wimplicit-fallthrough
  $<$<BOOL:${STKIT_WERROR}>:-Werror>)
