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

// A file that is read. Its header is checked as a whole; of the tensors only those that are asked for are looked at.
// Every ConfigError names file, tensor and reason.
class SafetensorsFile {
 public:
  // Throws ConfigError where the file is damaged or of another kind.
  explicit SafetensorsFile(const std::string& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // In alphabetical order.
  std::vector<std::string> names() const;
  // Tensors of F16, BF16, F32, F64 and I64 (PyTorch's counters), converted to float32. Throws ConfigError where there
  // is none of this name, it is of another type, or holds values that are not finite as float32.
  StoredTensor read(const std::string& name) const;

 private:
  struct Entry {
    std::string type;
    std::vector<std::size_t> shape;
    std::size_t begin, end;  // of its bytes, from the end of the header
  };
  friend class SafetensorsHeader;

  std::string path_;
  std::size_t data_begin_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lpl
