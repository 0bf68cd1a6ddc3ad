// safetensors files (github.com/huggingface/safetensors): uint64 length of the header, header (JSON), bytes of all
// tensors, row-major, little endian, without gaps.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace lpl {

struct StoredTensor {
  std::vector<std::size_t> shape;  // empty for a single number
  std::vector<float> values;       // row-major
};

struct TensorFile {
  std::map<std::string, StoredTensor> tensors;  // by name
  std::map<std::string, std::string> metadata;  // free text by key
};

// Writes all tensors as F32, in the order of their names. The file appears complete or not at all. Throws IoError
// where it cannot be written.
void write_safetensors(const std::string& path, const TensorFile& file);

// Reads tensors of F16, BF16, F32, F64 and I64 (PyTorch's counters), converted to float32. Throws ConfigError, naming
// file, tensor and reason, where the file is damaged in any way, holds other types, or values that are not finite as
// float32.
TensorFile read_safetensors(const std::string& path);

}  // namespace lpl
