#include "config/table.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <sstream>

#include "config/content.hpp"
#include "core/text.hpp"

namespace lpl {

namespace fs = std::filesystem;

namespace {

// As TOML has it: 8.0 is no whole number.
std::string shown(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)> || toml::is_array<decltype(value)>)
      out << kind_of(value);
    else if constexpr (toml::is_floating_point<decltype(value)>)
      out << shown(value.get());
    else
      out << value;
  });
  return out.str();
}

// As a description has it, but for lists.
std::string quoted(const toml::node& node) {
  return node.is_string() ? '"' + node.as_string()->get() + '"' : shown(node);
}

// A list of lists.
bool is_rows(const toml::array& list) {
  return !list.empty() && std::all_of(list.begin(), list.end(), [](const toml::node& row) { return row.is_array(); });
}

// Whether a name stands in an expression.
bool has_word(std::string_view text, std::string_view word) {
  const auto goes_on = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !goes_on(text[at - 1])) && (end == text.size() || !goes_on(text[end]))) return true;
  }
  return false;
}

}  // namespace

Table::Table(Document::Content* document, const void* source, void* echo, std::string who)
    : document_(document), source_(source), echo_(echo), who_(std::move(who)) {}

namespace {
const toml::table& as_source(const void* p) { return *static_cast<const toml::table*>(p); }
toml::table& as_echo(void* p) { return *static_cast<toml::table*>(p); }
const toml::node& as_node(const void* p) { return *static_cast<const toml::node*>(p); }

// A whole number, and the expression that stands for it.
std::string with_value(const void* stands, std::int64_t value) {
  const auto* const text = stands ? as_node(stands).as_string() : nullptr;
  return text ? fmt::format("\"{}\", which is {}", text->get(), value) : fmt::format("{}", value);
}
}  // namespace

// What stands under `key`, of a pair its own element.
const void* Table::node(std::string_view key) const {
  const toml::node* const found = as_source(source_).get(key);
  const toml::array* const list = found && pair_ ? found->as_array() : nullptr;
  if (!list) return found;
  if (key == "from") return list->get(pair_->from);
  if (key == "to") return list->get(pair_->to);
  const toml::array* const row = is_rows(*list) ? list->get(pair_->to)->as_array() : nullptr;
  return row ? row->get(pair_->from) : found;
}

const void* Table::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return node(key);
}

bool Table::has(std::string_view key) { return find(key) != nullptr; }

std::string Table::place(std::string_view key) const {
  const void* const found = node(key);
  const toml::source_region& place = found ? as_node(found).source() : as_source(source_).source();
  return fmt::format("{}: {}", position(place, document_->name), who_);
}

void Table::fail(std::string_view key, const std::string& message) const {
  throw ConfigError(printable(fmt::format("{}: {}", place(key), message)));
}

void Table::fail_at(std::string_view key, std::size_t offset, const std::string& message, std::size_t element) const {
  const void* const found = node(key);
  const toml::node* stands = found ? &as_node(found) : nullptr;
  if (stands && stands->is_array()) stands = stands->as_array()->get(element);
  if (!stands || !stands->is_string()) fail(key, message);
  fail_in(stands, offset, message);
}

void Table::fail_at(std::string_view key, const ExpressionError& error) const {
  fail_at(key, error.offset(), fmt::format("'{}': {}", key, error.what()));
}

void Table::fail_in(const void* text, std::size_t offset, const std::string& message) const {
  toml::source_region place = as_node(text).source();
  // A text of several lines has no one column.
  if (place.begin.line != 0 && place.begin.line == place.end.line) {
    const std::string before = as_node(text).as_string()->get().substr(0, offset);
    const auto characters = std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xC0) != 0x80; });
    place.begin.column += 1 + static_cast<toml::source_index>(characters);
  }
  throw ConfigError(printable(fmt::format("{}: {}: {}", position(place, document_->name), who_, message)));
}

void Table::fail_missing(std::string_view key) const {
  fail_missing({std::string(key)}, fmt::format("key '{}' is missing", key));
}

// A key that nobody has asked for yet may be meant for one of `keys`.
void Table::fail_missing(const std::vector<std::string>& keys, const std::string& message) const {
  std::vector<std::string> unread;
  for (const auto& [stands, node] : as_source(source_))
    if (std::find(known_.begin(), known_.end(), stands.str()) == known_.end()) unread.emplace_back(stands.str());
  for (const std::string& key : keys)
    if (const std::string meant = nearest(key, unread); !meant.empty())
      fail(meant, fmt::format("{}, but there is '{}'; did you mean '{}'?", message, meant, key));
  fail(keys.front(), message);
}

std::string Table::written(std::string_view key) const {
  const void* const found = node(key);
  const toml::node* const stands = found ? &as_node(found) : as_echo(echo_).get(key);
  if (!stands) return "nothing";
  constexpr std::size_t kFew = 4;
  const toml::array* const list = stands->as_array();
  if (!list || list->size() > kFew) return quoted(*stands);
  std::vector<std::string> elements;
  for (const toml::node& element : *list) elements.push_back(quoted(element));
  return "[" + join(elements, ", ") + "]";
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

// Definitions may name each other, in any order: what names one that is still open is tried again.
void Table::define() {
  rename("define");
  std::vector<std::string> open = keys();
  while (!open.empty()) {
    std::vector<std::string> left;
    std::vector<ConfigError> errors;
    for (const std::string& name : open) {
      if (!is_name(name) || is_reserved(name))
        fail(name,
             fmt::format("'{}' cannot be a name; take letters, digits and '_', and no word of expressions", name));
      try {
        const Expression value = parsed(
            name, [this](std::string_view text) { return parse_expression(text, {.symbols = definitions_for(text)}); });
        const double si = *evaluate(value);
        check(name, si, kAny, written(name));
        document_->definitions.push_back({name, value->dimension, lpl::number(si, value->dimension)});
      } catch (const ConfigError& error) {
        left.push_back(name);
        errors.push_back(error);
      }
    }
    if (left.size() == open.size()) fail_open(left, errors);
    open = std::move(left);
  }
}

// Of definitions without a value, each with its error: the first that names no other of them is to blame, and where
// there is none, they go round in a circle.
void Table::fail_open(const std::vector<std::string>& open, const std::vector<ConfigError>& errors) const {
  std::vector<std::size_t> named;  // by each
  for (std::size_t i = 0; i < open.size(); ++i) {
    const auto stands_in = [text = written(open[i])](const std::string& name) { return has_word(text, name); };
    const auto other = std::ranges::find_if(open, stands_in);
    if (other == open.end()) throw errors[i];
    named.push_back(static_cast<std::size_t>(other - open.begin()));
  }
  std::vector<std::string> circle;
  std::size_t at = 0;
  for (std::size_t i = 0; i < open.size(); ++i) at = named[at];  // what leads to the circle lies behind
  for (const std::size_t first = at; circle.empty() || at != first; at = named[at]) circle.push_back(open[at]);
  fail(circle.front(), fmt::format("{}; it leads back to itself ({}, {}), so that none of them has a value",
                                   stated(circle.front()), join(circle, ", "), circle.front()));
}

const std::vector<Symbol>& Table::definitions_for(std::string_view text) const {
  for (const Symbol& definition : document_->definitions)
    if (has_word(text, definition.name)) document_->used.insert(definition.name);
  return document_->definitions;
}

std::string Table::expression_text(std::string_view key) {
  return is_number(key) ? fmt::format("{}", number(key, kAny)) : text(key);
}

Expression Table::expression(std::string_view key, Scope scope, std::optional<Dimension> dimension) {
  if (is_number(key)) {
    const Dimension wanted = dimension.value_or(Dimension::none);
    return lpl::number(quantity(key, wanted, kAny), wanted);
  }
  return parsed(key, [&](std::string_view text) {
    const std::vector<Symbol>& definitions = definitions_for(text);
    scope.symbols.insert(scope.symbols.end(), definitions.begin(), definitions.end());
    return dimension ? parse_expression(text, scope, *dimension) : parse_value(text, scope);
  });
}

// A number with its unit or, where there are definitions, an expression.
double Table::value_of(std::string_view key, const void* text, Dimension dimension) const {
  const std::string& written = as_node(text).as_string()->get();
  try {
    if (document_->definitions.empty()) return parse_quantity(written, dimension);
    return *evaluate(parse_expression(written, {.symbols = definitions_for(written)}, dimension));
  } catch (const ExpressionError& error) {
    fail_in(text, error.offset(), fmt::format("'{}': {}", key, error.what()));
  } catch (const ConfigError& error) {
    fail(key, fmt::format("'{}': {}", key, error.what()));
  }
}

// Whether it can be an expression in place of a number.
bool Table::is_number_text(const void* stands) const {
  return !document_->definitions.empty() && as_node(stands).is_string();
}

void Table::fail_unit(std::string_view key, const void* stands, Dimension dimension) const {
  const toml::node& node = as_node(stands);
  fail(key, fmt::format("'{}' {} {}, {} needs a unit; write it as \"{} {}\"", key,
                        stands == this->node(key) ? "is" : "holds", shown(node), a_name_of(dimension),
                        node.is_number() ? shown(node) : "1", unit_of(dimension)));
}

double Table::quantity(std::string_view key, Dimension dimension, Bounds bounds, std::optional<std::string> fallback) {
  if (dimension == Dimension::none)
    return number(key, bounds, fallback ? std::optional(parse_quantity(*fallback, dimension)) : std::nullopt);
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && !as_node(found).is_string()) fail_unit(key, found, dimension);
  const std::string text = found ? as_node(found).as_string()->get() : *fallback;
  const double value = found ? value_of(key, found, dimension) : parse_quantity(text, dimension);
  check(key, value, bounds, '"' + text + '"', ' ' + unit_of(dimension));
  as_echo(echo_).insert_or_assign(key, text);
  return value;
}

double Table::number(std::string_view key, Bounds bounds, std::optional<double> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  if (found && is_number_text(found)) {
    const double value = value_of(key, found, Dimension::none);
    check(key, value, bounds, written(key));
    as_echo(echo_).insert_or_assign(key, *as_node(found).as_string());
    return value;
  }
  if (found && !as_node(found).is_number())
    fail(key, fmt::format("'{}' is {}; it must be a number without a unit", key, shown(as_node(found))));
  const double value = found ? *as_node(found).value<double>() : *fallback;
  check(key, value, bounds, found ? shown(as_node(found)) : shown(value));
  as_echo(echo_).insert_or_assign(key, value);
  return value;
}

// Nothing where neither a whole number stands there nor an expression, which must give one.
std::optional<std::int64_t> Table::whole_number(std::string_view key, const void* stands) const {
  constexpr double kLargest = 0x1p62;
  if (!is_number_text(stands))
    return as_node(stands).is_integer() ? as_node(stands).value<std::int64_t>() : std::nullopt;
  const double exact = value_of(key, stands, Dimension::none), whole = std::round(exact);
  if (!(std::abs(exact - whole) <= 1e-9 * std::abs(whole)) || std::abs(whole) > kLargest)
    fail(key, fmt::format("'{}' {} \"{}\", which is {}; it must be a whole number, such as floor(...)", key,
                          stands == node(key) ? "is" : "holds", as_node(stands).as_string()->get(), exact));
  return static_cast<std::int64_t>(whole);
}

std::int64_t Table::integer(std::string_view key, std::int64_t low, std::int64_t high,
                            std::optional<std::int64_t> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  const std::optional<std::int64_t> value = found ? whole_number(key, found) : fallback;
  if (!value)
    fail(key,
         fmt::format("'{}' is {}; it must be a whole number from {} to {}", key, shown(as_node(found)), low, high));
  if (*value < low || *value > high)
    fail(key, fmt::format("'{}' is {}; it must be from {} to {}", key, with_value(found, *value), low, high));
  if (found && is_number_text(found))
    as_echo(echo_).insert_or_assign(key, *as_node(found).as_string());
  else
    as_echo(echo_).insert_or_assign(key, *value);
  return *value;
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
  if (!found) {
    toml::array echoed;
    for (const auto value : *fallback) echoed.push_back(value);
    as_echo(echo_).insert_or_assign(key, std::move(echoed));
    return *fallback;
  }
  const auto* const list = as_node(found).as_array();
  if (!list) fail(key, fmt::format("'{}' is {}; it must be a list of whole numbers", key, shown(as_node(found))));
  std::vector<std::int64_t> values;
  for (const toml::node& element : *list) {
    const auto value = whole_number(key, &element);
    if (!value || *value < low || *value > high)
      fail(key, fmt::format("'{}' holds {}; it must hold whole numbers from {} to {}", key,
                            value ? with_value(&element, *value) : shown(element), low, high));
    values.push_back(*value);
  }
  as_echo(echo_).insert_or_assign(key, *list);
  return values;
}

double Table::number_in(std::string_view key, const void* element, Bounds bounds) const {
  const toml::node& node = as_node(element);
  const bool is_text = is_number_text(element);
  if (!is_text && !node.is_number()) fail(key, fmt::format("'{}' holds {}; it must hold numbers", key, shown(node)));
  const double value = is_text ? value_of(key, element, Dimension::none) : *node.value<double>();
  check(key, value, bounds, shown(node));
  return value;
}

std::vector<double> Table::numbers(std::string_view key, Bounds bounds, std::optional<std::vector<double>> fallback) {
  const void* found = find(key);
  if (!found && !fallback) fail_missing(key);
  const auto* const list = found ? as_node(found).as_array() : nullptr;
  if (found && !list) fail(key, fmt::format("'{}' is {}; it must be a list of numbers", key, shown(as_node(found))));
  std::vector<double> values;
  toml::array echoed;
  if (!found) {
    values = *fallback;
    for (const double value : values) echoed.push_back(value);
  } else {
    for (const toml::node& element : *list) {
      values.push_back(number_in(key, &element, bounds));
      if (element.is_string())
        echoed.push_back(*element.as_string());
      else
        echoed.push_back(values.back());
    }
  }
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
  return values;
}

std::vector<std::vector<double>> Table::number_rows(std::string_view key, Bounds bounds) {
  const void* found = find(key);
  if (!found) fail_missing(key);
  const toml::array* const rows = as_node(found).as_array();
  if (!rows) fail(key, fmt::format("'{}' is {}; it must be a list of lists of numbers", key, shown(as_node(found))));
  std::vector<std::vector<double>> values;
  toml::array echoed;
  for (const toml::node& row : *rows) {
    const toml::array* const elements = row.as_array();
    if (!elements) fail(key, fmt::format("'{}' holds {}; it must hold lists of numbers", key, shown(row)));
    values.emplace_back();
    for (const toml::node& element : *elements) values.back().push_back(number_in(key, &element, bounds));
    echoed.push_back(*elements);
  }
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
  return values;
}

std::vector<double> Table::quantities(std::string_view key, Dimension dimension, Bounds bounds) {
  if (dimension == Dimension::none) return numbers(key, bounds);
  const void* const found = find(key);
  if (!found) fail_missing(key);
  std::vector<double> values;
  const toml::array* const list = as_node(found).as_array();
  for (const std::string& text : texts(key)) {
    values.push_back(value_of(key, list ? list->get(values.size()) : found, dimension));
    check(key, values.back(), bounds, '"' + text + '"', ' ' + unit_of(dimension));
  }
  return values;
}

std::vector<double> Table::quantities(std::string_view key, const std::vector<Dimension>& dimensions) {
  const void* const found = find(key);
  if (!found) fail_missing(key);
  const toml::array* const list = as_node(found).as_array();
  if (!list)
    fail(key, fmt::format("'{}' is {}; it must be a list of {}", key, shown(as_node(found)), dimensions.size()));
  if (list->size() != dimensions.size())
    fail(key, fmt::format("'{}' holds {} values; it must hold {}", key, list->size(), dimensions.size()));
  std::vector<double> values;
  toml::array echoed;
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    const toml::node& element = *list->get(i);
    const bool is_plain = dimensions[i] == Dimension::none && !element.is_string();
    if (!is_plain && !element.is_string()) fail_unit(key, &element, dimensions[i]);
    values.push_back(is_plain ? number_in(key, &element, kAny) : value_of(key, &element, dimensions[i]));
    check(key, values.back(), kAny, shown(element));
    if (is_plain)
      echoed.push_back(values.back());
    else
      echoed.push_back(*element.as_string());
  }
  as_echo(echo_).insert_or_assign(key, std::move(echoed));
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
  // ".." behind a link leads elsewhere than the letters of a path say.
  if (!fs::equivalent(absolute, path, ignored)) absolute = fs::canonical(path).string();
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

bool Table::is_text(std::string_view key) {
  const void* found = find(key);
  return found && as_node(found).is_string();
}

bool Table::is_number(std::string_view key) {
  const void* found = find(key);
  return found && as_node(found).is_number();
}

bool Table::is_list(std::string_view key) {
  const void* found = find(key);
  return found && as_node(found).is_array();
}

std::size_t Table::only_one(const std::vector<std::string>& keys) {
  std::optional<std::size_t> given;
  const std::string wanted = "give exactly one of " + join(keys, ", ");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!has(keys[i])) continue;
    if (given) fail(keys[i], fmt::format("both '{}' and '{}' are given; {}", keys[*given], keys[i], wanted));
    given = i;
  }
  if (!given) fail_missing(keys, wanted);
  return *given;
}

std::vector<std::string> Table::keys() {
  std::vector<std::pair<std::pair<unsigned, unsigned>, std::string>> placed;
  for (const auto& [key, node] : as_source(source_)) {
    const auto& begin = node.source().begin;
    // What --set wrote comes last.
    placed.push_back({{begin.line == 0 ? ~0u : begin.line, begin.column}, std::string(key.str())});
  }
  std::sort(placed.begin(), placed.end());
  std::vector<std::string> result;
  for (auto& [place, key] : placed) {
    find(key);
    result.push_back(std::move(key));
  }
  return result;
}

Table Table::table(std::string_view key, std::string_view holds) {
  if (!find(key))
    fail_missing({std::string(key)},
                 fmt::format("the table [{}] is missing{}", key, holds.empty() ? "" : fmt::format(" (it {})", holds)));
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

std::vector<Table> Table::pairs(std::string_view key, std::string_view single) {
  std::vector<Table> result;
  auto& echo = as_echo(echo_);
  for (Table& several : tables(key)) {
    if (!echo.get_as<toml::array>(single)) echo.insert_or_assign(single, toml::array{});
    several.add_pairs(echo.get_as<toml::array>(single), result);
  }
  if (!result.empty()) echo.erase(key);
  return result;
}

void Table::add_pairs(void* singles, std::vector<Table>& pairs) {
  const std::vector<std::string> from = texts("from"), to = texts("to");
  const auto& table = as_source(source_);
  for (const auto& [key, node] : table) {
    const toml::array* const rows = node.as_array();
    if (!rows || !is_rows(*rows)) continue;
    const auto misfits = [&](const toml::node& row) { return row.as_array()->size() != from.size(); };
    if (rows->size() != to.size() || std::any_of(rows->begin(), rows->end(), misfits))
      fail(key.str(), fmt::format("'{}' must have {} rows, one for each of 'to', of {} columns, one for each of 'from'",
                                  key.str(), to.size(), from.size()));
  }
  const std::size_t before = pairs.size();
  for (std::size_t t = 0; t < to.size(); ++t)
    for (std::size_t f = 0; f < from.size(); ++f) {
      Table pair(document_, source_, nullptr, fmt::format("{} ({} to {})", who_, from[f], to[t]));
      pair.pair_ = Pair{f, t};
      if (pair.is_left_out()) continue;
      auto& echoes = *static_cast<toml::array*>(singles);
      echoes.push_back(toml::table{});
      pair.echo_ = echoes.back().as_table();
      pairs.push_back(std::move(pair));
    }
  if (pairs.size() == before) fail("from", "no pair is left; a 0 in a table of rows leaves its pair out");
}

bool Table::is_left_out() const {
  for (const auto& [key, stands] : as_source(source_)) {
    const void* const own = node(key.str());
    if (own != &stands && as_node(own).is_number() && *as_node(own).value<double>() == 0) return true;
  }
  return false;
}

void Table::finish() const {
  if (source_ == &document_->source)
    for (const Symbol& definition : document_->definitions)
      if (!document_->used.contains(definition.name)) {
        const auto* const defined = as_source(source_).get_as<toml::table>("define")->get(definition.name);
        throw ConfigError(fmt::format("{}: define: nothing names '{}'; use it or remove it",
                                      position(defined->source(), document_->name), definition.name));
      }
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
