# Installs the library, its headers, the program and the package that find_package(stkit) reads.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# A static library needs its private dependencies when it is linked, so its package names them. One
# that was built from fetched sources has no package to name.
get_target_property(stkit_type stkit TYPE)
if(stkit_type STREQUAL "STATIC_LIBRARY")
  set(stkit_uninstallable ${stkit_fetched_link_deps})
else()
  set(stkit_uninstallable "")
endif()
if(PROJECT_IS_TOP_LEVEL AND NOT stkit_uninstallable)
  set(stkit_install_default ON)
else()
  set(stkit_install_default OFF)
endif()
option(STKIT_INSTALL "Install the library, the program and their CMake package" ${stkit_install_default})
if(NOT STKIT_INSTALL)
  return()
endif()
if(stkit_uninstallable)
  list(JOIN stkit_uninstallable ", " stkit_uninstallable)
  message(FATAL_ERROR "STKIT_INSTALL: a static stkit cannot be installed with fetched dependencies "
    "(${stkit_uninstallable}); install their packages, or build with BUILD_SHARED_LIBS=ON")
endif()

install(TARGETS stkit EXPORT stkit-targets FILE_SET HEADERS FILE_SET tables)
install(EXPORT stkit-targets NAMESPACE stkit::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/stkit)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/stkit-config.cmake.in ${PROJECT_BINARY_DIR}/stkit-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/stkit NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/stkit-config-version.cmake
                                 COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/stkit-config.cmake ${PROJECT_BINARY_DIR}/stkit-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/stkit)
if(TARGET stkit_tool)
  install(TARGETS stkit_tool)
  if(NOT CMAKE_CROSSCOMPILING)  # made by the program, which must run here for that
    install(DIRECTORY "${PROJECT_BINARY_DIR}/share/" DESTINATION ${CMAKE_INSTALL_DATAROOTDIR})
  endif()
endif()
