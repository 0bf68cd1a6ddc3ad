// Arrays of whole numbers in the packages of the field: idx (the MNIST family), NumPy's .npy and .npz, and gzip around
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lpl {

struct NumberArray {
  std::string name;  // of a member of an .npz
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;    // where the numbers are uint8
  std::vector<std::int32_t> numbers;  // of any other whole numbers; each fits

  std::int64_t operator[](std::size_t i) const { return bytes.empty() ? numbers[i] : bytes[i]; }
};

// A file's bytes, unpacked where gzip packed them. Throws ConfigError.
std::string unpacked_file(const std::string& path);

// The arrays of an idx, .npy or .npz file, packed by gzip or not: an .npz holds several. `bytes` are the unpacked ones
// of `path`. Throws ConfigError where it is none of these, or arrays are of other numbers or broken.
bool is_array_file(const std::string& bytes);
std::vector<NumberArray> read_arrays(const std::string& path, const std::string& bytes);

}  // namespace lpl
