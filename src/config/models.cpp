#include "config/models.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "core/version.hpp"

namespace lpl {
namespace {

std::string models_directory() {
  const char* given = std::getenv("LPL_MODELS");
  return given ? given : kModelsDirectory;
}

}  // namespace

void embed_models(Document& document, const std::string& list, const std::string& key, const std::string& section) {
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

}  // namespace lpl
