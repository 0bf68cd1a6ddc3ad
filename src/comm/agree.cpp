#include <fmt/format.h>

#include <limits>
#include <new>

#include "comm/communicator.hpp"
#include "core/errors.hpp"

namespace lpl {
namespace {

// First letter: kind of the error; rest: its text.
std::string encode(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ConfigError& e) {
    return std::string("C") + e.what();
  } catch (const IoError& e) {
    return std::string("I") + e.what();
  } catch (const std::bad_alloc&) {
    return "Eout of memory; use more ranks or a smaller network (--check shows what a run needs)";
  } catch (const std::exception& e) {
    return std::string("E") + e.what();
  }
}

}  // namespace

void agree(Communicator& comm, const std::exception_ptr& error) {
  constexpr auto kWell = std::numeric_limits<std::int64_t>::max();
  // The lowest failing rank: the maximum of the negated ranks.
  const std::int64_t failing = -comm.max(error ? -comm.rank() : -kWell);
  if (failing == kWell) return;
  const std::string text = comm.broadcast(error ? encode(error) : std::string(), static_cast<int>(failing));
  const std::string message = text.substr(1);
  if (text[0] == 'C') throw ConfigError(message);
  const std::string placed = comm.size() > 1 ? fmt::format("rank {}: {}", failing, message) : message;
  if (text[0] == 'I') throw IoError(placed);
  throw Error(placed);
}

void agree(Communicator& comm, const std::function<void()>& body) {
  std::exception_ptr error;
  try {
    body();
  } catch (...) {
    error = std::current_exception();
  }
  agree(comm, error);
}

}  // namespace lpl
