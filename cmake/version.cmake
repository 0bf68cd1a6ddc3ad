# Each build writes core/version.hpp anew: the version, the git revision and where models/ lies.
add_custom_target(lpl_version
  COMMAND ${CMAKE_COMMAND} -D SOURCE=${CMAKE_SOURCE_DIR} -D VERSION=${PROJECT_VERSION}
          -D HEADER=${CMAKE_BINARY_DIR}/generated/core/version.hpp -P ${CMAKE_CURRENT_LIST_DIR}/write_version.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/core/version.hpp
  COMMENT "Revision" VERBATIM)
