// Whether a file of parameters is one of this network, by the names of its tensors.
#pragma once

#include <string>
#include <vector>

namespace lpl::rate {

// Compares the tensors of file `path` with the parameters that the network has, all by PyTorch's names. Throws
// ConfigError where one of the network is missing, with what the file has in its place, or where the file has more in a
// part of the network (a block, a projector, a classifier) than the network, or more such parts: it is of another
// network then. Returns the names of those tensors that belong to no part of it; PyTorch's counters of steps are not
// counted.
std::vector<std::string> unused_tensors(const std::string& path, const std::vector<std::string>& tensors,
                                        const std::vector<std::string>& parameters);

}  // namespace lpl::rate
