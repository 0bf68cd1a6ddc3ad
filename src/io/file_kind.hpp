// What a file is that a reader did not expect: the usual mistakes, for messages.
#pragma once

#include <string>
#include <string_view>

namespace lpl {

// By its first bytes: "a gzip archive; unpack it with gunzip"; "" where they tell nothing. No reader's own format is
// refused by this: it explains a refusal.
std::string kind_by_bytes(std::string_view head);

// The same of the file at `path`, as a clause to append: "; it is a gzip archive: ...", or "".
std::string hint_at_kind(const std::string& path);

}  // namespace lpl
