# Writes the source of `function`, the list of all entries of a kind: of each NAME the `type` NAME_suffix that its file
# defines. Returns the path in `result`.
function(lpl_catalogue result function type suffix header)
  list(TRANSFORM ARGN APPEND _${suffix} OUTPUT_VARIABLE entries)
  list(JOIN entries ", " entries)
  set(${result} ${CMAKE_CURRENT_BINARY_DIR}/generated/spiking/${function}.cpp)
  file(CONFIGURE OUTPUT ${${result}} @ONLY CONTENT [[
#include "@header@"

namespace lpl::spiking {

extern const @type@ @entries@;

std::span<const @type@> @function@() {
  static const @type@ entries[] = {@entries@};
  return entries;
}

}  // namespace lpl::spiking
]])
  set(${result} ${${result}} PARENT_SCOPE)
endfunction()

# Writes the source of text_of_kernel(): the texts NAME.cell at these paths.
function(lpl_kernel_texts result)
  set(texts "")
  foreach(path ${ARGN})
    get_filename_component(name ${path} NAME_WE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    file(READ ${path} text)
    string(APPEND texts "  if (type == \"${name}\") return R\"cell(${text})cell\";\n")
  endforeach()
  set(${result} ${CMAKE_CURRENT_BINARY_DIR}/generated/spiking/kernel_texts.cpp)
  file(CONFIGURE OUTPUT ${${result}} @ONLY CONTENT [[
#include "spiking/model/kernel.hpp"

namespace lpl::spiking {

std::string_view text_of_kernel(std::string_view type) {
@texts@  return {};
}

}  // namespace lpl::spiking
]])
  set(${result} ${${result}} PARENT_SCOPE)
endfunction()
