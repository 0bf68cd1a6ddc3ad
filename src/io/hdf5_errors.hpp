// Errors of the HDF5 library as ours; for the files that call it.
#pragma once

#include <hdf5.h>

#include <string>

namespace lpl::h5 {

// Before the first call: no messages of the library's own, no foreign code as filters.
void prepare_library();

// Throws IoError: `what`, and the library's innermost reason.
[[noreturn]] void fail(const std::string& what);

template <class Id>
Id checked(Id id, const std::string& what) {
  if (id < 0) fail(what);
  return id;
}

}  // namespace lpl::h5
