// Finding the models that a description refers to by name: models/*.cell, *.rule and *.net.
#pragma once

#include <string>

#include "config/table.hpp"

namespace lpl {

// Gives every name that stands under `key` in the table `list` (or in the tables of a list of that name) a table
// [section.name] of its own in the document, from a file name.section beside the description or in models/ (the folder
// in LPL_MODELS, or where the program was built). A name without such a file is left for the reader to report.
void embed_models(Document& document, const std::string& list, const std::string& key, const std::string& section);

}  // namespace lpl
