// The synapses of a file, with their weights.
#include "io/read_result.hpp"
#include "spiking/reading.hpp"
#include "spiking/wiring/listed.hpp"

namespace lpl::spiking {
namespace {

std::shared_ptr<const Wiring> read(Table& table, const WiringPlace& place) {
  if (!table.is_table("file")) return std::make_shared<Listed>(table, "file", true, place);
  Table file = table.table("file");
  const std::string of = file.text("of", place.connection), at = file.text("at", "");
  SparseMatrix matrix = imported(file, "from", [&](const auto& path) { return read_weights(path, of, at); });
  file.finish();
  return std::make_shared<Listed>(table, "file", std::move(matrix), place);
}

}  // namespace

extern const WiringEntry file_wiring{
    "file", "the synapses of a MatrixMarket file or of the result of another run, with their weights", read};

}  // namespace lpl::spiking
