# Writes HEADER from src/core/version.hpp.in; leaves it alone where nothing has changed.
get_filename_component(outside ${SOURCE} DIRECTORY)
set(ENV{GIT_CEILING_DIRECTORIES} ${outside}) # the revision of a project that this one lies in is none of ours
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty
                OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(REVISION unknown)
endif()
set(MODELS_DIRECTORY ${SOURCE}/models)
configure_file(${SOURCE}/src/core/version.hpp.in ${HEADER} @ONLY)
