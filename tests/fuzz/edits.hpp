// Edits of bytes that are valid: what a fuzzer can find behind the first check.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace lpl::fuzz {

inline std::string edited(std::string bytes, FuzzedDataProvider& input) {
  constexpr std::uint64_t kNumbers[] = {0,          1,          2,          0x7F,       0xFF, 0xFFFF,
                                        0x7FFFFFFF, 0xFFFFFFFF, 1ULL << 40, 1ULL << 63, ~0ULL};
  while (input.remaining_bytes() > 0 && !bytes.empty()) {
    const auto at = input.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1);
    switch (input.ConsumeIntegralInRange(0, 4)) {
      case 0:
        bytes[at] = input.ConsumeIntegral<char>();
        break;
      case 1: {
        const std::uint64_t number = input.PickValueInArray(kNumbers);
        std::memcpy(bytes.data() + at, &number, std::min(sizeof number, bytes.size() - at));
        break;
      }
      case 2:
        bytes.erase(at, input.ConsumeIntegralInRange<std::size_t>(1, 16));
        break;
      case 3:
        bytes.insert(at, input.ConsumeRandomLengthString(16));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace lpl::fuzz
