#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

namespace lpl {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2);
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += separator;
    text += words[i];
  }
  return text;
}

std::string join_or(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string first_difference(std::string_view there, std::string_view here) {
  if (there == here) return {};
  const auto take_line = [](std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
  };
  std::string_view a, b;
  do {
    a = take_line(there);
    b = take_line(here);
  } while (a == b && !(there.empty() && here.empty()));
  return fmt::format("'{}' there, '{}' here", a, b);
}

namespace {

struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// The UTF-8 character at the beginning of a text, as far as hidden ones need it: of up to three bytes.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])) : 0;
  };
  const std::uint32_t first = byte(0);
  if (first >> 5 == 0b110) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first >> 4 == 0b1110) return {(first & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {first, 1};
}

// Control characters, and what is seen as nothing, as a blank or as another order of letters.
bool is_hidden(const Character& c) {
  constexpr std::pair<std::uint32_t, std::uint32_t> kHidden[] = {{0x80, 0xA0},     {0xAD, 0xAD},     {0x61C, 0x61C},
                                                                 {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F},
                                                                 {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  if (c.bytes == 1) return c.code < 0x20 || c.code == 0x7F;
  return std::ranges::any_of(kHidden,
                             [&](const auto& range) { return range.first <= c.code && c.code <= range.second; });
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Character c = first_character(text);
    const std::size_t bytes = std::min(c.bytes, text.size());
    if (!is_hidden(c))
      shown += text.substr(0, bytes);
    else if (c.code < 0x100)
      shown += fmt::format("\\x{:02x}", c.code);
    else
      shown += fmt::format("\\u{:04x}", c.code);
    text.remove_prefix(bytes);
  }
  return shown;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  if (text.size() <= kLongest) return '"' + printable(text) + '"';
  return fmt::format("\"{}...{}\"", printable(text.substr(0, kLongest / 2)),
                     printable(text.substr(text.size() - kLongest / 2)));
}

}  // namespace lpl
