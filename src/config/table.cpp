#include "config/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/errors.hpp"

namespace {
// Some malformed keys run into assertions of toml++ 3.3 (found by the fuzz test); they are errors of the description.
[[noreturn]] void fail_assertion() { throw lpl::ConfigError("malformed TOML, probably a broken key"); }
}  // namespace
#define TOML_EXCEPTIONS 1
#define TOML_ASSERT(condition) ((condition) ? void() : fail_assertion())
#include <toml++/toml.h>

#include "core/text.hpp"

namespace lpl {

namespace fs = std::filesystem;

struct Document::Content {
  toml::table source;
  toml::table echo;
  std::string name;
  std::string folder;
  DescriptionFiles files;
};

namespace {

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

std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)> || toml::is_array<decltype(value)>)
      out << kind_of(value);
    else if constexpr (toml::is_floating_point<decltype(value)>)
      out << fmt::format("{}", value.get());
    else
      out << value;
  });
  return out.str();
}

// What an entry of a list of tables is called: its `name`, and a record without one by its `what`.
std::string name_of_entry(const toml::node& entry) {
  if (const auto* table = entry.as_table())
    for (const char* key : {"name", "what"})
      if (const auto* name = table->get_as<std::string>(key)) return name->get();
  return {};
}

std::vector<std::string> names_in(const toml::array& list) {
  std::vector<std::string> names;
  for (const auto& entry : list) names.push_back(name_of_entry(entry));
  return names;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string best = nearest(word, known);
  if (!best.empty()) return fmt::format("did you mean '{}'?", best);
  return known.empty() ? "no keys are allowed here" : "known: " + join(known, ", ");
}

// TOML has no characters beyond ASCII outside of texts and comments; toml++ 3.3 is not defined there (found by the fuzz
// test).
void refuse_beyond_ascii(std::string_view text) {
  std::string_view quote;  // of the text in which the place lies
  std::size_t line = 1, i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (i < text.size()) {
    const std::string_view rest = text.substr(i);
    std::size_t length = 1;
    if (rest[0] == '\n') {
      ++line;
      if (quote.size() == 1) quote = {};
    } else if (!quote.empty()) {
      if (rest.starts_with(quote)) {
        length = quote.size();
        quote = {};
      } else if (rest[0] == '\\' && quote[0] == '"' && rest.size() > 1 && rest[1] != '\n') {
        length = 2;
      }
    } else if (rest[0] == '#') {
      length = std::min(rest.find('\n'), rest.size());
    } else if (rest[0] == '"' || rest[0] == '\'') {
      length = rest.starts_with(R"(""")") || rest.starts_with("'''") ? 3 : 1;
      quote = rest.substr(0, length);
    } else if (static_cast<unsigned char>(rest[0]) >= 0x80) {
      throw ConfigError(
          fmt::format("line {} has a letter or sign beyond ASCII outside of quotes; write \"...\" around it", line));
    }
    i += length;
  }
}

toml::table parsed_toml(std::string_view text, const std::string& name) {
  refuse_beyond_ascii(text);
  return toml::parse(text, name);
}

// Walks one component of an override's path. Returns nullptr where a plain key is absent.
toml::node* descend(toml::node& node, const std::string& part, const std::string& assignment) {
  if (auto* table = node.as_table()) return table->get(part);
  auto* list = node.as_array();
  if (!list) throw ConfigError(fmt::format("--set {}: nothing stands below '{}'", assignment, part));
  for (auto& entry : *list)
    if (name_of_entry(entry) == part) return entry.as_table();
  throw ConfigError(
      fmt::format("--set {}: no entry is named '{}'; {}", assignment, part, suggestion(part, names_in(*list))));
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
    content->source = parsed_toml(text, name);
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}: {}", position(error.source(), name), error.description()));
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", name, error.what()));
  }
  return Document(std::move(content));
}

Document Document::from_file(const std::string& path) {
  if (fs::is_directory(path)) throw ConfigError(fmt::format("{}: is a folder; name a description file", path));
  std::ifstream in(path, std::ios::binary);
  if (!in) throw ConfigError(fmt::format("{}: cannot be read; check the name and its permissions", path));
  std::ostringstream text;
  text << in.rdbuf();
  Document document = from_text(text.str(), path);
  document.content_->files.texts.push_back(fs::absolute(path).lexically_normal().string());
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
    parsed = parsed_toml("value = " + value, "--set");
  } catch (const std::exception&) {  // a parse error or a failed assertion
    parsed.clear();
  }
  if (parsed.size() != 1) {
    parsed.clear();
    parsed.insert("value", value);
  }
  toml::node* node = &content_->source;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    toml::node* next = descend(*node, parts[i], assignment);
    if (!next) {
      std::vector<std::string> known;
      for (const auto& [key, child] : *node->as_table()) known.emplace_back(key.str());
      throw ConfigError(
          fmt::format("--set {}: there is no '{}'; {}", assignment, parts[i], suggestion(parts[i], known)));
    }
    node = next;
  }
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

void Document::embed(const std::string& section, const std::string& name, Document other) {
  auto& source = content_->source;
  if (!source.contains(section)) source.insert(section, toml::table{});
  if (auto* outer = source.get_as<toml::table>(section))
    outer->insert_or_assign(name, std::move(other.content_->source));
  const auto& texts = other.content_->files.texts;
  content_->files.texts.insert(content_->files.texts.end(), texts.begin(), texts.end());
}

void Document::ensure_table(const std::string& name) {
  if (!content_->source.contains(name)) content_->source.insert(name, toml::table{});
}

std::vector<std::string> Document::strings_in(const std::string& list, const std::string& key) const {
  std::vector<std::string> found;
  if (const auto* table = content_->source.get_as<toml::table>(list))
    if (const auto* value = table->get_as<std::string>(key)) found.push_back(value->get());
  if (const auto* elements = content_->source.get_as<toml::array>(list))
    for (const auto& element : *elements)
      if (const auto* table = element.as_table())
        if (const auto* value = table->get_as<std::string>(key)) found.push_back(value->get());
  return found;
}

Table Document::root() { return Table(content_.get(), &content_->source, &content_->echo, "description"); }

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

Table::Table(Document::Content* document, const void* source, void* echo, std::string who)
    : document_(document), source_(source), echo_(echo), who_(std::move(who)) {}

namespace {
const toml::table& as_source(const void* p) { return *static_cast<const toml::table*>(p); }
toml::table& as_echo(void* p) { return *static_cast<toml::table*>(p); }
const toml::node& as_node(const void* p) { return *static_cast<const toml::node*>(p); }
}  // namespace

const void* Table::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return as_source(source_).get(key);
}

bool Table::has(std::string_view key) { return find(key) != nullptr; }

void Table::fail(std::string_view key, const std::string& message) const {
  const auto& table = as_source(source_);
  const auto* node = table.get(key);
  throw ConfigError(printable(
      fmt::format("{}: {}: {}", position(node ? node->source() : table.source(), document_->name), who_, message)));
}

void Table::fail_missing(std::string_view key) const { fail(key, fmt::format("key '{}' is missing", key)); }

std::string Table::written(std::string_view key) const {
  const auto* node = as_source(source_).get(key);
  if (!node) node = as_echo(echo_).get(key);
  if (!node) return "nothing";
  return node->is_string() ? '"' + node->as_string()->get() + '"' : shown(*node);
}

std::string Table::stated(std::string_view key) const { return stated(key, written(key)); }

std::string Table::stated(std::string_view key, std::string_view text) const {
  if (as_source(source_).contains(key)) return fmt::format("'{}' is {}", key, text);
  return fmt::format("'{}' is not given, so it is {} by default", key, text);
}

void Table::check(std::string_view key, double value, Bounds bounds, std::string_view text,
                  std::string_view unit) const {
  constexpr double kSmallest = std::numeric_limits<float>::min(), kLargest = std::numeric_limits<float>::max();
  if (std::isfinite(value) && (bounds.low_excluded ? value > bounds.low : value >= bounds.low) &&
      value <= bounds.high) {
    if (value == 0 || (std::abs(value) >= kSmallest && std::abs(value) <= kLargest)) return;
    fail(key, fmt::format("{}; in size it must be 0 or from 1.2e-38 to 3.4e38", stated(key, text)));
  }
  std::string allowed = "must be a finite number";
  if (std::isfinite(bounds.low))
    allowed += fmt::format(" {} {}{}", bounds.low_excluded ? "above" : "not below", bounds.low, unit);
  if (std::isfinite(bounds.high)) allowed += fmt::format(" and not above {}{}", bounds.high, unit);
  fail(key, fmt::format("{}; it {}", stated(key, text), allowed));
}

double Table::quantity(std::string_view key, Dimension dimension, Bounds bounds, std::optional<std::string> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_string())
    fail(key, fmt::format("'{}' is {}, a {} needs a unit; write it as \"{} {}\"", key, shown(as_node(found)),
                          name_of(dimension), as_node(found).is_number() ? shown(as_node(found)) : "1",
                          units_of(dimension).front()));
  const std::string text = found ? as_node(found).as_string()->get() : *fallback;
  double value = 0;
  try {
    value = parse_quantity(text, dimension);
  } catch (const ConfigError& error) {
    fail(key, fmt::format("'{}': {}", key, error.what()));
  }
  check(key, value, bounds, '"' + text + '"', ' ' + units_of(dimension).front());
  as_echo(echo_).insert_or_assign(key, text);
  return value;
}

double Table::number(std::string_view key, Bounds bounds, std::optional<double> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_number())
    fail(key, fmt::format("'{}' is {}; it must be a number without a unit", key, shown(as_node(found))));
  const double value = found ? *as_node(found).value<double>() : *fallback;
  check(key, value, bounds, fmt::format("{}", value));
  as_echo(echo_).insert_or_assign(key, value);
  return value;
}

std::int64_t Table::integer(std::string_view key, std::int64_t low, std::int64_t high,
                            std::optional<std::int64_t> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_integer())
    fail(key,
         fmt::format("'{}' is {}; it must be a whole number from {} to {}", key, shown(as_node(found)), low, high));
  const std::int64_t value = found ? *as_node(found).value<std::int64_t>() : *fallback;
  if (value < low || value > high)
    fail(key, fmt::format("'{}' is {}; it must be from {} to {}", key, value, low, high));
  as_echo(echo_).insert_or_assign(key, value);
  return value;
}

std::string Table::text(std::string_view key, std::optional<std::string> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_string())
    fail(key, fmt::format("'{}' is {}; it must be a text in quotes", key, shown(as_node(found))));
  std::string value = found ? as_node(found).as_string()->get() : *fallback;
  as_echo(echo_).insert_or_assign(key, value);
  return value;
}

std::size_t Table::choice(std::string_view key, const std::vector<std::string>& words,
                          std::optional<std::string> fallback) {
  const std::string word = text(key, std::move(fallback));
  const auto place = std::find(words.begin(), words.end(), word);
  if (place == words.end()) fail(key, fmt::format("'{}' is \"{}\"; it must be {}", key, word, join_or(words)));
  return static_cast<std::size_t>(place - words.begin());
}

bool Table::flag(std::string_view key, std::optional<bool> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_boolean())
    fail(key, fmt::format("'{}' is {}; it must be true or false", key, shown(as_node(found))));
  const bool value = found ? as_node(found).as_boolean()->get() : *fallback;
  as_echo(echo_).insert_or_assign(key, value);
  return value;
}

std::vector<std::string> Table::texts(std::string_view key, std::optional<std::vector<std::string>> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  std::vector<std::string> values;
  if (!found) {
    values = *fallback;
  } else if (as_node(found).is_string()) {
    values = {as_node(found).as_string()->get()};
  } else if (const auto* list = as_node(found).as_array()) {
    for (const auto& element : *list) {
      if (!element.is_string())
        fail(key, fmt::format("'{}' holds {}; it must be a list of texts", key, shown(element)));
      values.push_back(element.as_string()->get());
    }
  } else {
    fail(key, fmt::format("'{}' is {}; it must be a text or a list of texts", key, shown(as_node(found))));
  }
  toml::array echoed;
  for (const auto& value : values) echoed.push_back(value);
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
  return values;
}

std::vector<std::int64_t> Table::integers(std::string_view key, std::int64_t low, std::int64_t high,
                                          std::optional<std::vector<std::int64_t>> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  std::vector<std::int64_t> values;
  if (!found) {
    values = *fallback;
  } else if (const auto* list = as_node(found).as_array()) {
    for (const auto& element : *list) {
      const auto value = element.is_integer() ? element.value<std::int64_t>() : std::nullopt;
      if (!value || *value < low || *value > high)
        fail(key,
             fmt::format("'{}' holds {}; it must hold whole numbers from {} to {}", key, shown(element), low, high));
      values.push_back(*value);
    }
  } else {
    fail(key, fmt::format("'{}' is {}; it must be a list of whole numbers", key, shown(as_node(found))));
  }
  toml::array echoed;
  for (const auto value : values) echoed.push_back(value);
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
  return values;
}

std::vector<double> Table::numbers(std::string_view key, Bounds bounds, std::optional<std::vector<double>> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  std::vector<double> values;
  if (!found) {
    values = *fallback;
  } else if (const auto* list = as_node(found).as_array()) {
    for (const auto& element : *list) {
      const auto value = element.is_number() ? element.value<double>() : std::nullopt;
      if (!value) fail(key, fmt::format("'{}' holds {}; it must hold numbers", key, shown(element)));
      check(key, *value, bounds, shown(element));
      values.push_back(*value);
    }
  } else {
    fail(key, fmt::format("'{}' is {}; it must be a list of numbers", key, shown(as_node(found))));
  }
  toml::array echoed;
  for (const auto value : values) echoed.push_back(value);
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
  return values;
}

std::vector<double> Table::quantities(std::string_view key, Dimension dimension, Bounds bounds) {
  std::vector<double> values;
  for (const std::string& text : texts(key)) {
    try {
      values.push_back(parse_quantity(text, dimension));
    } catch (const ConfigError& error) {
      fail(key, fmt::format("'{}': {}", key, error.what()));
    }
    check(key, values.back(), bounds, '"' + text + '"', ' ' + units_of(dimension).front());
  }
  return values;
}

namespace {

// "first:end", either of which may be left out; nothing where `text` is no range of 0 .. size-1.
std::optional<std::pair<NeuronId, NeuronId>> range_in(std::string_view text, NeuronId size) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  NeuronId first = 0, end = size;
  const auto read = [](std::string_view digits, NeuronId& value) {
    const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return digits.empty() || (failure == std::errc{} && stop == digits.data() + digits.size());
  };
  if (!read(text.substr(0, colon), first) || !read(text.substr(colon + 1), end) || first >= end || end > size)
    return {};
  return {{first, end}};
}

}  // namespace

std::vector<NeuronId> Table::indices(std::string_view key, NeuronId size, std::optional<std::string> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  const std::size_t most = std::max<std::size_t>(size, 10'000'000);
  std::vector<NeuronId> members;
  const auto add_range = [&](NeuronId first, NeuronId end) {
    if (end - first > most - members.size()) fail(key, fmt::format("'{}' lists more than {} entries", key, most));
    for (NeuronId i = first; i < end; ++i) members.push_back(i);
  };
  const auto add_text = [&](const std::string& text) {
    if (text == "all") return add_range(0, size);
    const auto range = range_in(text, size);
    if (!range)
      fail(key, fmt::format("'{}' holds {}; write \"all\", or a range from 0 to {} as \"0:{}\" (the end excluded)", key,
                            in_quotes(text), size, size));
    add_range(range->first, range->second);
  };
  const auto add = [&](const toml::node& node) {
    if (node.is_string()) return add_text(node.as_string()->get());
    const auto value = node.is_integer() ? node.value<std::int64_t>() : std::nullopt;
    if (!value || *value < 0 || *value >= size)
      fail(key, fmt::format("'{}' holds {}; it must hold whole numbers from 0 to {}, ranges as \"0:{}\", or \"all\"",
                            key, shown(node), size - 1, size));
    add_range(static_cast<NeuronId>(*value), static_cast<NeuronId>(*value) + 1);
  };
  if (!found) {
    add_text(*fallback);
    as_echo(echo_).insert_or_assign(key, *fallback);
    return members;
  }
  if (const auto* list = as_node(found).as_array()) {
    for (const auto& element : *list) add(element);
    as_echo(echo_).insert_or_assign(key, *list);
  } else {
    add(as_node(found));
    as_node(found).visit([&](const auto& value) { as_echo(echo_).insert_or_assign(key, value); });
  }
  return members;
}

std::string Table::file(std::string_view key, std::string_view source) { return existing(key, false, source); }
std::string Table::folder(std::string_view key, std::string_view source) { return existing(key, true, source); }

std::string Table::existing(std::string_view key, bool folder, std::string_view source) {
  const std::string given = text(key);
  fs::path path(given);
  if (path.is_relative()) path = fs::path(document_->folder) / path;
  std::string absolute = fs::absolute(path).lexically_normal().string();
  std::error_code ignored;
  if (folder ? !fs::is_directory(path, ignored) : !fs::is_regular_file(path, ignored))
    fail(key, fmt::format("'{}': there is no {} {}; paths start at the description's folder{}{}", key,
                          folder ? "folder" : "file", absolute, source.empty() ? "" : "; it comes from ", source));
  as_echo(echo_).insert_or_assign(key, absolute);
  if (!folder) document_->files.data.push_back(absolute);
  return absolute;
}

bool Table::is_table(std::string_view key) {
  const void* found = find(key);
  return found && as_node(found).is_table();
}

bool Table::is_flag(std::string_view key) {
  const void* found = find(key);
  return found && as_node(found).is_boolean();
}

Table Table::table(std::string_view key) {
  if (!find(key)) fail_missing(key);
  return table_or_defaults(key);
}

Table Table::table_or_defaults(std::string_view key) {
  static const toml::table kEmpty;
  const void* found = find(key);
  const auto* source = found ? as_node(found).as_table() : &kEmpty;
  if (!source) fail(key, fmt::format("'{}' is {}; it must be a table", key, shown(as_node(found))));
  auto& echo = as_echo(echo_);
  if (!echo.get_as<toml::table>(key)) echo.insert_or_assign(key, toml::table{});
  return Table(document_, source, echo.get_as<toml::table>(key), fmt::format("{} {}", who_, key));
}

std::vector<Table> Table::tables(std::string_view key) {
  std::vector<Table> result;
  const void* found = find(key);
  if (!found) return result;
  const auto* list = as_node(found).as_array();
  if (!list) fail(key, fmt::format("'{}' is {}; write it as [[{}]]", key, shown(as_node(found)), key));
  auto& echo = as_echo(echo_);
  echo.insert_or_assign(key, toml::array{});
  auto* echo_list = echo.get_as<toml::array>(key);
  echo_list->reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* source = list->get_as<toml::table>(i);
    if (!source) fail(key, fmt::format("'{}' holds {}; write it as [[{}]]", key, shown(*list->get(i)), key));
    echo_list->push_back(toml::table{});
    result.push_back(Table(document_, source, echo_list->get_as<toml::table>(i), fmt::format("{} {}", key, i + 1)));
  }
  return result;
}

void Table::finish() const {
  for (const auto& [key, node] : as_source(source_)) {
    if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
    fail(key.str(), fmt::format("key '{}' is not known here; {}", key.str(), suggestion(key.str(), known_)));
  }
}

void Table::finish_models(std::string_view section) const {
  for (const auto& [key, node] : as_source(source_)) {
    if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
    const std::string used = known_.empty() ? "no other is either" : "used: " + join(known_, ", ");
    fail(key.str(), fmt::format("[{0}.{1}] is not used ({2}); remove it, or name it where a {0} is wanted", section,
                                key.str(), used));
  }
}

}  // namespace lpl
