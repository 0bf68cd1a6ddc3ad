// Finding the models that a description refers to by name: models/*.cell, *.rule and *.net.
#pragma once

#include <string>
#include <vector>

#include "config/table.hpp"

namespace lpl {

// Where names of models stand. resolve() gives every name under `key` of the table `list` and of its members, or of the
// tables in a list of that name, a table [section.name] of its own in the document, from a file name.extension beside
// the description or in models/: the folder in LPL_MODELS, else the one installed with the program, else that of the
// source tree. A name without such a file is left for the reader to report.
//
// A file with model = "equations" is a text, not values: where `texts` names a section, it becomes [texts.name], and
// [section.name] a table that names it, model = "name".
struct ModelReference {
  std::string list, key, section, extension, texts;
  std::string only_type = {};  // of files, those with type = this
};

// Applies overrides ("a.b=VALUE", see Document::set) and finds the models of all `references`, in their order.
// Overrides that change the model of a file come after it is found; what they name is found then.
void resolve(Document& document, const std::vector<std::string>& overrides,
             const std::vector<ModelReference>& references);

// What to say of a name for which resolve() has found nothing: where it was looked for.
std::string no_such_model(const std::string& section, const std::string& extension, const std::string& name);

// The files name.EXTENSION in models/, by name.
std::vector<std::string> installed_models(const std::string& extension);
// The path of one of them.
std::string installed_model(const std::string& extension, const std::string& name);

}  // namespace lpl
