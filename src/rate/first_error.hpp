// Errors of work that threads do side by side, none of which may leave its thread.
#pragma once

#include <cstddef>
#include <exception>
#include <vector>

namespace lpl::rate {

class FirstError {
 public:
  explicit FirstError(std::size_t works) : errors_(works) {}

  // Does work number i and keeps its error.
  template <class F>
  void watch(std::size_t i, F&& work) {
    try {
      work();
    } catch (...) {
      errors_[i] = std::current_exception();
    }
  }
  // Throws the error of the first work that failed, once all are done.
  void rethrow() const {
    for (const std::exception_ptr& error : errors_)
      if (error) std::rethrow_exception(error);
  }

 private:
  std::vector<std::exception_ptr> errors_;
};

}  // namespace lpl::rate
