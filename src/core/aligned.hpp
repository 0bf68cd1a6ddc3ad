// Vectors aligned to a cache line, for arrays that vector kernels load; large ones lie on huge pages, where the system
// has them, for arrays that are read here and there: each place would cost a walk through the page tables.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace lpl {

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) {
    void* const place = ::operator new(n * sizeof(T), alignment(n));
    if (alignment(n) == kHugePage) ::madvise(place, n * sizeof(T), MADV_HUGEPAGE);  // a hint: it may fail
    return static_cast<T*>(place);
  }
  void deallocate(T* p, std::size_t n) { ::operator delete(p, alignment(n)); }
  template <class U>
  bool operator==(const AlignedAllocator<U>&) const {
    return true;
  }

 private:
  static constexpr std::align_val_t kCacheLine{64}, kHugePage{1u << 21};
  static constexpr std::align_val_t alignment(std::size_t n) {
    return n * sizeof(T) < std::size_t{8} << 20 ? kCacheLine : kHugePage;
  }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace lpl
