# Writes core/version.hpp with the version, the git revision and where models/ lies.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty
                OUTPUT_VARIABLE LPL_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT LPL_REVISION)
  set(LPL_REVISION unknown)
endif()
set(LPL_MODELS_DIRECTORY ${CMAKE_SOURCE_DIR}/models)
configure_file(${CMAKE_SOURCE_DIR}/src/core/version.hpp.in ${CMAKE_BINARY_DIR}/generated/core/version.hpp @ONLY)
