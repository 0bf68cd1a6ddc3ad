#include <algorithm>
#include <cstdlib>
#include <utility>

#include "comm/communicator.hpp"

namespace lpl {
namespace {

class SerialCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void end_when_stalled(double, const std::string&) override {}
  void before_a_stall_ends(std::function<void()>) override {}
  void begin_all_gather(const std::uint32_t*, std::size_t) override {}
  void end_all_gather(const std::uint32_t* send, std::size_t words, std::uint32_t* receive) override {
    std::copy_n(send, words, receive);
  }
  void begin_letters(const std::vector<Letter>&) override {}
  void end_letters(std::vector<Letter>&) override {}
  void all_gather(const std::uint32_t* send, const std::vector<int>& words, std::uint32_t* receive) override {
    std::copy_n(send, words.front(), receive);
  }
  std::vector<std::string> gather(std::string bytes) override {
    std::vector<std::string> all;
    all.push_back(std::move(bytes));
    return all;
  }
  std::string scatter(const std::vector<std::string>& parts) override { return parts.front(); }
  std::string broadcast(const std::string& text, int) override { return text; }
  void sum(std::vector<std::int64_t>&) override {}
  std::int64_t max(std::int64_t value) override { return value; }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }
  [[noreturn]] void quit(int exit_code, const std::string&) override { std::_Exit(exit_code); }
};

}  // namespace

std::unique_ptr<Communicator> make_serial_communicator() { return std::make_unique<SerialCommunicator>(); }

}  // namespace lpl
