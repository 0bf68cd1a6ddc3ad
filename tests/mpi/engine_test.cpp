// Whole runs on 1, 2 and 4 ranks against the same run on one process in this rank.
#include <gtest/gtest.h>

#include <fstream>

#include "io/hdf5.hpp"
#include "core/errors.hpp"
#include "spiking/engine.hpp"
#include "spiking/state.hpp"
#include "support/spiking_run.hpp"
#include "support/world.hpp"

namespace lpl::spiking {
namespace {

const std::string kNetwork = R"(
simulation = { seed = 11 }
[[stimulus]]
name = "input"
type = "poisson"
size = 90
rate = { signal = "slow", period = "0.5 s", mean = "30 Hz", deviation = "15 Hz" }
[[stimulus]]
name = "fast"
type = "current"
to = "exc"
neurons = ["2:31"]
noise = { deviation = "5 mV", every = "0.3 ms" }
[[stimulus]]
name = "slow"
type = "current"
to = "exc"
noise = { type = "ornstein_uhlenbeck", mean = "2 mV", deviation = "3 mV", tau = "20 ms" }
[[stimulus]]
name = "tide"
type = "current"
to = "inh"
noise = { type = "ornstein_uhlenbeck", deviation = "3 mV", tau = "50 ms", shared = true }
[[population]]
name = "exc"
cell = "if"
size = 33
initial_membrane = { mean = "-60 mV", deviation = "10 mV" }
[[population]]
name = "inh"
cell = "aif"
size = 9
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
density = 0.4
weight = 0.25
plasticity = "lpl"
short_term = { U = 0.4, tau_rec = "20 ms", tau_fac = "50 ms", u = 0.9 }
[[connection]]
name = "exc_inh"
from = "exc"
to = "inh"
total = 150
weight = { normal = [0.5, 0.2] }
delay = { normal = ["2.1 ms", "1 ms"], low = "0.8 ms" }
short_term = { model = "tsodyks", tau_rec = "50 ms" }
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
density = 0.6
weight = 0.3
plasticity = "inhibitory"
short_term = { model = "tsodyks2", tau_fac = "30 ms" }
[[phase]]
name = "learn"
duration = "2 s"
[[record]]
what = "spikes"
of = ["input", "exc", "inh"]
[[record]]
what = "rates"
of = ["exc"]
every = "70 ms"
[[record]]
name = "w"
what = "weights"
of = "input_exc"
every = "700 ms"
[[record]]
name = "groups"
what = "group_weights"
of = "inh_exc"
every = "100 ms"
[[record]]
name = "v"
what = "state"
of = "exc"
variable = "V"
neurons = [0, 5, 16, 32]
every = "1 ms"
[[record]]
name = "mean"
what = "state"
of = "exc"
variable = "input_exc.mean"
neurons = [32, 1]
every = "10 ms"
[rule.lpl]
type = "lpl"
predictive = { strength = 1.0 }
hebbian = { strength = 1.0, tau_mean = "1 s", tau_variance = "1 s" }
transmitter = { strength = 1e-5 }
eligibility = {}
update = { learning_rate = 1e-2, window = "100 ms" }
)";

void expect_same_dataset(const h5::File& a, const h5::File& b, const std::string& name) {
  EXPECT_EQ(a.read<double>(name), b.read<double>(name)) << name;
  EXPECT_FALSE(a.read<double>(name).empty()) << name;
}

TEST(Engine, GivesTheSameResultOnAnyNumberOfRanksBlocksAndRecordings) {
  const test::Scratch scratch;
  const auto simulation = read_simulation_text(kNetwork, "net.sim");
  test::run_to_file(simulation, test::world(), scratch.path("ranks.h5"));
  if (test::world().rank() == 0) {
    const auto serial = make_serial_communicator();
    test::run_to_file(read_simulation_text(kNetwork, "net.sim", {"simulation.plasticity_block=37"}), *serial,
                      scratch.path("serial.h5"));
    const auto a = h5::File::open_read_only(scratch.path("ranks.h5")),
               b = h5::File::open_read_only(scratch.path("serial.h5"));
    for (const char* name :
         {"/spikes/input/timestamps", "/spikes/exc/timestamps", "/spikes/exc/node_ids", "/spikes/inh/node_ids",
          "/rates/exc/rate", "/rates/exc/time", "/weights/input_exc/learn/value", "/weights/input_exc/learn/pre",
          "/weights/input_exc/learn/post", "/weights/input_exc/step_000000007000/value",
          "/weights/inh_exc/groups/value", "/report/exc/data", "/report/exc/time", "/report/exc/mapping/time",
          "/report/exc.mean/data"})
      expect_same_dataset(a, b, name);
    // Without recordings that end epochs early, the network does the same.
    std::string bare = kNetwork.substr(0, kNetwork.find("[[record]]\nwhat = \"rates\"")) +
                       kNetwork.substr(kNetwork.find("[rule.lpl]"));
    test::run_to_file(read_simulation_text(bare, "bare.sim"), *serial, scratch.path("bare.h5"));
    expect_same_dataset(a, h5::File::open_read_only(scratch.path("bare.h5")), "/spikes/exc/timestamps");
  }
}

// What ranks give to a checkpoint does not depend on their number.
TEST(Engine, GathersTheSameStateFromAnyNumberOfRanks) {
  const auto simulation = read_simulation_text(kNetwork, "net.sim");
  const auto serial = make_serial_communicator();
  Network parts(simulation, test::world().rank(), test::world().size()), whole(simulation, 0, 1);
  const auto gathered = gather_variables(parts, simulation, test::world());
  const auto expected = gather_variables(whole, simulation, *serial);
  const std::vector<SavedVariable> nothing;
  EXPECT_EQ(gathered, test::world().rank() == 0 ? expected : nothing);
  // Given back to a network in another state, it becomes the same.
  const auto elsewhere = read_simulation_text(kNetwork, "net.sim", {"connection.inh_exc.weight=0.7"});
  Network other(elsewhere, test::world().rank(), test::world().size());
  scatter_variables(expected, other, simulation, test::world());
  const auto again = gather_variables(other, simulation, test::world());
  EXPECT_EQ(again, test::world().rank() == 0 ? expected : nothing);
}

// What differs is said on all ranks.
TEST(Engine, RefusesTheStateOfAnotherNetwork) {
  const auto simulation = read_simulation_text(kNetwork, "net.sim");
  const auto serial = make_serial_communicator();
  Network whole(simulation, 0, 1), parts(simulation, test::world().rank(), test::world().size());
  const auto saved = gather_variables(whole, simulation, *serial);
  const auto refused = [&](const std::vector<SavedVariable>& foreign, const std::string& message) {
    try {
      scatter_variables(foreign, parts, simulation, test::world());
      ADD_FAILURE() << message;
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  };
  auto foreign = saved;
  foreign.push_back({.name = "other.error", .owner = "exc", .values = ""});
  refused(foreign, "the checkpoint has 'other.error' of 'exc', this network has not");
  foreign = saved;
  const auto error = std::ranges::find_if(foreign, [](const auto& v) { return v.name == "input_exc.error"; });
  ASSERT_NE(error, foreign.end());
  error->values += "more";
  refused(foreign, "'input_exc.error' of 'exc' is 136 bytes in the checkpoint and 132 in this network");
  foreign.erase(error);
  refused(foreign, "this network has 'input_exc.error' of 'exc', the checkpoint has not");
}

// A rank that fails while the others are well ends the run on all ranks with its message.
TEST(Engine, StopsEverywhereWhenTheResultFileCannotBeCreated) {
  const auto simulation = read_simulation_text(kNetwork, "net.sim");
  const test::Scratch scratch;
  const std::string path = scratch.path("absent/r.h5");
  try {
    test::run_to_file(simulation, test::world(), path);
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("cannot create " + path), std::string::npos) << error.what();
  }
}

TEST(Engine, ReportsARecordedSynapseThatDoesNotExist) {
  std::string text = kNetwork;
  text += "[[record]]\nname = \"s\"\nwhat = \"synapses\"\nof = \"input_exc\"\npre = [";
  for (int i = 0; i < 90; ++i) text += std::to_string(i) + ",";
  text += "]\npost = [";
  for (int i = 0; i < 90; ++i) text += "32,";
  text += "]\nevery = \"10 ms\"\n";
  const test::Scratch scratch;
  EXPECT_THROW(test::run_to_file(read_simulation_text(text, "net.sim"), test::world(), scratch.path("r.h5")),
               ConfigError);
}

}  // namespace
}  // namespace lpl::spiking
