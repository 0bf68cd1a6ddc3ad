// Which device lpl_rate computes on.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"

namespace lpl {

// What lpl_rate can compute with, for --version.
std::string device_kinds();

// Collective. The backend that --device asks for: "cpu"; "cuda", where the ranks of a machine take its devices in turn;
// "cuda:K" for device K of every machine; or "" for CUDA where every rank has a device of its own, else the CPU. Throws
// ConfigError for anything else, for a device that is not there, and where two ranks would share one; Error where the
// driver of devices fails.
std::unique_ptr<rate::Backend> make_backend(const std::string& device, Communicator& comm);

}  // namespace lpl
