add_library(stkit_sanitizers INTERFACE)
if(STKIT_SANITIZE)
  target_compile_options(stkit_sanitizers INTERFACE -fsanitize=${STKIT_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(stkit_sanitizers INTERFACE -fsanitize=${STKIT_SANITIZE})
endif()
