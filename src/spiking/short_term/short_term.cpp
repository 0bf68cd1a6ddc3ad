#include "spiking/short_term/short_term.hpp"

#include "spiking/catalogue.hpp"

namespace lpl::spiking {

std::shared_ptr<const ShortTermDescription> read_short_term(Table& connection, const Grid& grid) {
  Table table = connection.table("short_term");
  const ShortTermEntry& entry = short_terms()[table.choice("model", types_of(short_terms()), "markram")];
  const auto form = entry.read(table, grid);
  form->model = entry.type;
  table.finish();
  return form;
}

}  // namespace lpl::spiking
