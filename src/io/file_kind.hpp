// What a file is that a reader, or an output, did not expect: the usual mistakes, for messages.
#pragma once

#include <string>
#include <string_view>

namespace lpl {

// By its first bytes: "a gzip archive; unpack it with gunzip"; "" where they tell nothing. No reader's own format is
// refused by this: it explains a refusal.
std::string kind_by_bytes(std::string_view head);

// The same of the file at `path`, as a clause to append: "; it is a gzip archive: ...", or "".
std::string hint_at_kind(const std::string& path);

// What lies at `path`, of which messages say that it stays: one of these, or words for what it is otherwise.
inline constexpr const char* kNoFile = "an empty file";  // or none
inline constexpr const char* kResult = "a result of lpl_sim or lpl_rate";
inline constexpr const char* kImageSet = "a set of images";
inline constexpr const char* kCheckpoint = "a checkpoint";
inline constexpr const char* kTensors = "a safetensors file";
std::string what_is(const std::string& path);

}  // namespace lpl
