#include "core/termination.hpp"

#include <csignal>
#include <initializer_list>

namespace lpl {
namespace {

// Signal handlers reach nothing but static objects.
volatile std::sig_atomic_t received = 0;

void remember(int signal) { received = signal; }

}  // namespace

void watch_for_termination() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
}

int termination_signal() { return received; }

}  // namespace lpl
