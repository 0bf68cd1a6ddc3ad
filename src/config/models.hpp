// Finding the models that a description refers to by name: models/*.cell, *.rule and *.net.
#pragma once

#include <string>
#include <vector>

#include "config/table.hpp"

namespace lpl {

// Where names of models stand. resolve() gives every name under `key` of the table `list`, or of the tables in a list
// of that name, a table [section.name] of its own in the document, from a file name.section beside the description or
// in models/: the folder in LPL_MODELS, else the one installed with the program, else that of the source tree. A name
// without such a file is left for the reader to report.
struct ModelReference {
  std::string list, key, section;
};

// Applies overrides ("a.b=VALUE", see Document::set) and finds the models of all `references`. Overrides that change a
// model come last: what they change must have been found first.
void resolve(Document& document, const std::vector<std::string>& overrides,
             const std::vector<ModelReference>& references);

// What to say of a name for which resolve() has found nothing: where it was looked for.
std::string no_such_model(const std::string& section, const std::string& name);

}  // namespace lpl
