# Writes the source of `function`, the list of all entries of a kind: of each NAME the `type` NAME_suffix that its file
# defines. Returns the path in `result`.
function(lpl_catalogue result function type suffix header)
  list(TRANSFORM ARGN APPEND _${suffix} OUTPUT_VARIABLE entries)
  list(JOIN entries ", " entries)
  set(${result} ${CMAKE_BINARY_DIR}/generated/spiking/${function}.cpp)
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
