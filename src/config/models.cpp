#include "config/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/version.hpp"

namespace lpl {
namespace {

namespace fs = std::filesystem;

// In this order: LPL_MODELS, what is installed with the program, what the program was built from.
std::string models_directory() {
  if (const char* const given = std::getenv("LPL_MODELS"); given && *given) return given;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = (program.parent_path() / LPL_MODELS_FROM_PROGRAM).lexically_normal();
  return fs::is_directory(installed, ignored) ? installed.string() : kModelsDirectory;
}

void embed_models(Document& document, const ModelReference& reference) {
  const auto& [list, key, section, extension, texts, only_type] = reference;
  for (const std::string& name : document.strings_in(list, key)) {
    if (document.has_section(section, name)) continue;
    for (const std::string& folder : {document.folder(), models_directory()}) {
      const fs::path path = fs::path(folder) / fmt::format("{}.{}", name, extension);
      std::error_code ignored;
      if (!fs::is_regular_file(path, ignored)) continue;
      Document model = Document::from_file(path.string());
      if (!only_type.empty() && !model.says("type", only_type)) continue;
      if (!texts.empty() && model.says("model", "equations")) {
        if (!document.has_section(texts, name)) document.embed(texts, name, std::move(model));
        model = Document::from_text(fmt::format("model = \"{}\"", name), path.string());
      }
      document.embed(section, name, std::move(model));
      break;
    }
  }
}

}  // namespace

void resolve(Document& document, const std::vector<std::string>& overrides,
             const std::vector<ModelReference>& references) {
  const auto changes_file = [&](const std::string& assignment) {
    return std::any_of(references.begin(), references.end(), [&](const ModelReference& r) {
      const std::size_t begin = r.section.size() + 1;
      return assignment.starts_with(r.section + ".") &&
             !document.has_section(r.section, assignment.substr(begin, assignment.find_first_of(".=", begin) - begin));
    });
  };
  std::vector<std::string> of_files;
  for (const std::string& assignment : overrides)
    if (changes_file(assignment))
      of_files.push_back(assignment);
    else
      document.set(assignment);
  const auto embed_all = [&] {
    for (const ModelReference& reference : references) embed_models(document, reference);
  };
  embed_all();
  for (const std::string& assignment : of_files) document.set(assignment);
  embed_all();
}

std::string no_such_model(const std::string& section, const std::string& extension, const std::string& name) {
  return fmt::format(
      "there is no {0} '{1}': neither a table [{0}.{1}] here, nor a file {1}.{2} beside the description "
      "or in {3}",
      section, name, extension, models_directory());
}

std::vector<std::string> installed_models(const std::string& extension) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(models_directory(), ignored))
    if (entry.path().extension() == "." + extension) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string installed_model(const std::string& extension, const std::string& name) {
  return (fs::path(models_directory()) / fmt::format("{}.{}", name, extension)).string();
}

}  // namespace lpl
