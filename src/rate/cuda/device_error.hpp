// Errors of a device. No lpl::Error: only one rank may know, and the others may wait for its device, so the program
// ends at once.
#pragma once

#include <cudnn.h>

#include <stdexcept>
#include <string>

namespace lpl::rate::cuda {

class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class OutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

// Of a call of cuDNN that failed last.
inline std::string text_of(cudnnStatus_t status) {
  char detail[512] = {};
  cudnnGetLastErrorString(detail, sizeof detail);
  return std::string(cudnnGetErrorString(status)) + " " + detail;
}

}  // namespace lpl::rate::cuda
