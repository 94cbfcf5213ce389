# generated/version_config.h: what --version says. Made anew at build time, so that the commit is the
# one that is built, and touched only when it says something new.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "")
  execute_process(COMMAND git describe --always --dirty --abbrev=9 --exclude=*
                  WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE commit
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  # A release unpacked inside somebody else's repository is not at that repository's commit.
  if(failed OR NOT EXISTS "${SOURCE_DIR}/.git")
    set(commit "")
  endif()
  set(STKIT_COMMIT "${commit}")
  configure_file("${TEMPLATE}" "${HEADER}" @ONLY)
  return()
endif()

# "name=version" for each library that the build found; a fetched one tells its version by its pin.
set(STKIT_LIBRARIES "")
foreach(library fmt simdjson hwy OpenSSL ZLIB CURL CLI11 spdlog)
  string(TOUPPER ${library} upper)
  foreach(variable ${library}_VERSION ${upper}_VERSION ${upper}_VERSION_STRING)
    if(${variable} AND NOT STKIT_LIBRARIES MATCHES "\"${library}\"")
      string(APPEND STKIT_LIBRARIES "{\"${library}\", \"${${variable}}\"}, ")
    endif()
  endforeach()
endforeach()

set(stkit_version_header "${PROJECT_BINARY_DIR}/generated/version_config.h")
set(stkit_version_command ${CMAKE_COMMAND}
  -D "SOURCE_DIR=${PROJECT_SOURCE_DIR}" -D "HEADER=${stkit_version_header}"
  -D "TEMPLATE=${CMAKE_CURRENT_LIST_DIR}/version_config.h.in"
  -D "PROJECT_VERSION=${PROJECT_VERSION}" -D "STKIT_LIBRARIES=${STKIT_LIBRARIES}"
  -D "COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
  -P "${CMAKE_CURRENT_LIST_FILE}")
add_custom_target(stkit_version_config COMMAND ${stkit_version_command}
                  BYPRODUCTS "${stkit_version_header}" VERBATIM
                  COMMENT "Reading the commit for --version")
