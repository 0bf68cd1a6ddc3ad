// The synapses of a file, with their weights.
#include "spiking/wiring/listed.hpp"

namespace lpl::spiking {

extern const WiringEntry file_wiring{"file", "the synapses of a MatrixMarket file, with their weights",
                                     [](Table& table, const WiringPlace& place) -> std::shared_ptr<const Wiring> {
                                       return std::make_shared<Listed>(table, "file", true, place);
                                     }};

}  // namespace lpl::spiking
