// The parameters that a network starts with, of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rate/encoder.hpp"

namespace lpl::rate {

// Compares the tensors of file `path` with the parameters that the network has, all by PyTorch's names. Throws
// ConfigError where one of the network is missing, with what the file has in its place, or where the file has more in a
// part of the network (a block, a projector, a classifier) than the network, or more such parts: it is of another
// network then. Returns the names of those tensors that belong to no part of it; PyTorch's counters of steps are not
// counted.
std::vector<std::string> unused_tensors(const std::string& path, const std::vector<std::string>& tensors,
                                        const std::vector<std::string>& parameters);

// `values` in PyTorch's order, of `file`. Throws ConfigError where they do not fit.
void set_array(NamedArray& array, const std::string& file, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values, Backend& backend);

// Sets all arrays of a network to those of a safetensors file. Returns a warning of what of it is not used, or "".
// Throws ConfigError where the file does not fit.
std::string load_parameters(const std::string& path, const std::vector<NamedArray*>& network, Backend& backend);

}  // namespace lpl::rate
