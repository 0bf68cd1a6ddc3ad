#include "config/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/version.hpp"

namespace lpl {
namespace {

std::string models_directory() {
  const char* given = std::getenv("LPL_MODELS");
  return given ? given : kModelsDirectory;
}

void embed_models(Document& document, const ModelReference& reference) {
  const auto& [list, key, section] = reference;
  namespace fs = std::filesystem;
  for (const std::string& name : document.strings_in(list, key)) {
    if (document.has_section(section, name)) continue;
    for (const std::string& folder : {document.folder(), models_directory()}) {
      const fs::path path = fs::path(folder) / fmt::format("{}.{}", name, section);
      std::error_code ignored;
      if (!fs::is_regular_file(path, ignored)) continue;
      document.embed(section, name, Document::from_file(path.string()));
      break;
    }
  }
}

}  // namespace

void resolve(Document& document, const std::vector<std::string>& overrides,
             const std::vector<ModelReference>& references) {
  const auto concerns_model = [&](const std::string& assignment) {
    return std::any_of(references.begin(), references.end(),
                       [&](const ModelReference& r) { return assignment.starts_with(r.section + "."); });
  };
  for (const std::string& assignment : overrides)
    if (!concerns_model(assignment)) document.set(assignment);
  for (const ModelReference& reference : references) embed_models(document, reference);
  for (const std::string& assignment : overrides)
    if (concerns_model(assignment)) document.set(assignment);
}

}  // namespace lpl
