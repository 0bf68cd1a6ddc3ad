// Checkpoints of lpl_rate whose checksum is right: edits of the state of a small run, from which it goes on.
#include <memory>

#include "fuzz/edits.hpp"
#include "fuzz/forged.hpp"
#include "fuzz/harness.hpp"
#include "rate/cpu/backend.hpp"
#include "rate/run.hpp"

namespace {

using namespace lpl;
using namespace lpl::rate;

constexpr const char* kTraining = R"(
[training]
batch = 4
epochs = 2
[network]
net = "mlp"
[net.mlp]
type = "dense"
units = [3, 2]
[learning]
rule = "lpl"
[optimizer]
schedule = "constant"
[data]
set = "clusters"
steps_per_epoch = 2
)";

class Run {
 public:
  Run() {
    run({.path = checkpoint_, .epochs = 1});
    forged_ = std::make_unique<fuzz::ForgedCheckpoint>(previous_generation(checkpoint_));
  }
  void go_on_from(FuzzedDataProvider& input) {
    forged_->write(fuzz::edited(forged_->payload(), input));
    run({.resume_from = previous_generation(checkpoint_)});
  }

 private:
  void run(const CheckpointOptions& checkpoints) {
    const RunFacts facts{.program = "lpl_rate", .command_line = "", .description = training_.canonical_text};
    run_training(training_, *backend_, *comm_, facts, {fuzz::folder().path("f.h5"), "", ""}, ProgressStyle::none,
                 checkpoints);
  }
  std::unique_ptr<Communicator> comm_ = make_serial_communicator();
  std::unique_ptr<Backend> backend_ = make_cpu_backend(*comm_);
  TrainingDescription training_ = read_training_text(kTraining, fuzz::folder().path("f.rate"), {});
  std::string checkpoint_ = fuzz::folder().path("f.checkpoint");
  std::unique_ptr<fuzz::ForgedCheckpoint> forged_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Run run;
  FuzzedDataProvider input(data, size);
  fuzz::refusable([&] { run.go_on_from(input); });
  return 0;
}
