#include "config/document.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "config/content.hpp"
#include "config/table.hpp"
#include "core/text.hpp"
#include "core/whole_file.hpp"

namespace lpl {

namespace fs = std::filesystem;

std::string position(const toml::source_region& region, const std::string& fallback) {
  const std::string file = region.path ? *region.path : fallback;
  if (region.begin.line == 0) return file + " (--set)";
  return fmt::format("{}:{}:{}", file, region.begin.line, region.begin.column);
}

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date";
  }
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string best = nearest(word, known);
  if (!best.empty()) return fmt::format("did you mean '{}'?", best);
  return known.empty() ? "no keys are allowed here" : "known: " + join(known, ", ");
}

namespace {

// What an entry of a list of tables is called: its `name`, and a record without one by its `what`.
std::string name_of_entry(const toml::node& entry) {
  if (const auto* table = entry.as_table())
    for (const char* key : {"name", "what"})
      if (const auto* name = table->get_as<std::string>(key)) return name->get();
  return {};
}

std::vector<std::string> names_in(const toml::array& list) {
  std::vector<std::string> names;
  for (const auto& entry : list)
    if (std::string name = name_of_entry(entry); !name.empty()) names.push_back(std::move(name));
  return names;
}

// Walks one component of an override's path. A table that is not there is made.
toml::node& descend(toml::node& node, const std::string& part, const std::string& assignment) {
  if (auto* table = node.as_table()) return table->emplace<toml::table>(part).first->second;
  auto* list = node.as_array();
  if (!list) throw ConfigError(fmt::format("--set {}: nothing stands below '{}'", assignment, part));
  for (auto& entry : *list)
    if (name_of_entry(entry) == part) return entry;
  const std::vector<std::string> names = names_in(*list);
  throw ConfigError(fmt::format("--set {}: no entry is named '{}'; {}", assignment, part,
                                names.empty() ? "give those of the description a 'name'" : suggestion(part, names)));
}

}  // namespace

Document::Document(std::unique_ptr<Content> content) : content_(std::move(content)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::from_text(std::string_view text, const std::string& name) {
  auto content = std::make_unique<Content>();
  content->name = name;
  content->folder = fs::absolute(fs::path(name)).parent_path().string();
  try {
    content->source = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}: {}", position(error.source(), name), error.description()));
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", name, error.what()));
  }
  return Document(std::move(content));
}

Document Document::from_file(const std::string& path) {
  Document document = from_text(whole_file(path, Pipes::taken), path);
  document.content_->files.texts.push_back(fs::absolute(path).string());
  return document;
}

void Document::set(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError(fmt::format("--set {}: write KEY=VALUE, such as phase.learn.duration=\"100 s\"", assignment));
  std::vector<std::string> parts;
  std::istringstream path(assignment.substr(0, equals));
  for (std::string part; std::getline(path, part, '.');) parts.push_back(part);
  if (std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); }))
    throw ConfigError(fmt::format("--set {}: the key has an empty part", assignment));

  const std::string value = assignment.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value);
  } catch (const std::exception&) {  // a parse error or a failed assertion
    parsed.clear();
  }
  if (parsed.size() != 1) {
    parsed.clear();
    parsed.insert("value", value);
  }
  toml::node* node = &content_->source;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) node = &descend(*node, parts[i], assignment);
  auto* table = node->as_table();
  if (!table)
    throw ConfigError(fmt::format("--set {}: '{}' is {}, not a table with keys", assignment,
                                  parts.size() > 1 ? parts[parts.size() - 2] : parts.back(), kind_of(*node)));
  // Copying drops the source position, so messages say "(--set)".
  table->insert_or_assign(parts.back(), *parsed.get("value"));
}

bool Document::has_section(const std::string& section, const std::string& name) const {
  const auto* outer = content_->source.get_as<toml::table>(section);
  return outer && outer->contains(name);
}

bool Document::says(const std::string& key, std::string_view value) const {
  const auto* const found = content_->source.get_as<std::string>(key);
  return found && found->get() == value;
}

void Document::embed(const std::string& section, const std::string& name, Document other) {
  auto& source = content_->source;
  if (!source.contains(section)) source.insert(section, toml::table{});
  if (auto* outer = source.get_as<toml::table>(section))
    outer->insert_or_assign(name, std::move(other.content_->source));
  const auto& texts = other.content_->files.texts;
  content_->files.texts.insert(content_->files.texts.end(), texts.begin(), texts.end());
}

std::vector<std::string> Document::strings_in(const std::string& list, const std::string& key) const {
  std::vector<std::string> found;
  const auto look_in = [&](const toml::node& node) {
    if (const auto* table = node.as_table())
      if (const auto* value = table->get_as<std::string>(key)) found.push_back(value->get());
  };
  if (const auto* table = content_->source.get_as<toml::table>(list)) {
    look_in(*table);
    for (const auto& [name, member] : *table) look_in(member);
  }
  if (const auto* elements = content_->source.get_as<toml::array>(list))
    for (const auto& element : *elements) look_in(element);
  return found;
}

Table Document::root() {
  Table root(content_.get(), &content_->source, &content_->echo, "description");
  if (root.has("define") && content_->definitions.empty()) root.table("define").define();
  return root;
}

namespace {
std::string text_of(const toml::table& table) {
  std::ostringstream out;
  out << toml::toml_formatter(table) << "\n";
  return out.str();
}
}  // namespace

std::string Document::canonical_text() const { return text_of(content_->echo); }

std::string Document::canonical_text_without(const std::string& list, const std::vector<std::string>& keys) const {
  toml::table echo = content_->echo;
  auto* const entries = echo.get_as<toml::array>(list);
  auto* const table = entries ? entries->back().as_table() : echo.get_as<toml::table>(list);
  for (const std::string& key : keys) table->erase(key);
  return text_of(echo);
}

const DescriptionFiles& Document::files() const { return content_->files; }

const std::string& Document::folder() const { return content_->folder; }

}  // namespace lpl
