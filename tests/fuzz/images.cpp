// CIFAR-10, STL-10 with its labels, and digits as text; the first byte chooses.
#include "fuzz/harness.hpp"
#include "io/image_files.hpp"
#include "rate/data/toys.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using lpl::fuzz::folder;
  if (size == 0) return 0;
  const std::uint8_t kind = data[0] % 3;
  const std::string_view bytes = lpl::fuzz::text_of(data + 1, size - 1);
  lpl::fuzz::refusable([&] {
    if (kind == 0) lpl::read_cifar10({folder().write("a.bin", bytes)});
    if (kind == 1) {
      const std::size_t labels = bytes.size() / 27649;  // a byte for each image
      lpl::read_stl10(folder().write("X.bin", bytes.substr(labels)), folder().write("y.bin", bytes.substr(0, labels)));
    }
    if (kind == 2) lpl::rate::read_digits(folder().write("digits.txt", bytes));
  });
  return 0;
}
