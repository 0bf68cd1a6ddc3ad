// Small text helpers for messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lpl {

// The candidate with the smallest edit distance to `word`, or "" where none is closer than half its length.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "a, b, c" for the separator ", ".
std::string join(const std::vector<std::string>& words, std::string_view separator);

// "a, b or c"
std::string join_or(const std::vector<std::string>& words);

// The first lines in which two texts differ, as "'…' there, '…' here"; "" where in none.
std::string first_difference(std::string_view there, std::string_view here);

// Control and invisible characters as \xNN or \uNNNN, so that a message shows them and a terminal does not obey them.
std::string printable(std::string_view text);

// printable() in quotes, the middle of a long text left out.
std::string in_quotes(std::string_view text);

// FNV-1a; names are hashed to key random streams, so adding an object does not change the others.
constexpr std::uint32_t hash_name(std::string_view name) {
  std::uint32_t h = 2166136261u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

}  // namespace lpl
