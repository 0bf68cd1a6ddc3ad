// The standard streams of this process.
#pragma once

#include <string>

namespace lpl {

// Before any file is opened. A stream that the caller has closed would lend its number to the next file, which then got
// the text meant for the stream; from here on writing to it fails.
void hold_standard_streams();

// Writes out what was printed. Returns false, with a line of `program` on standard error, where any of it was lost.
bool flush_standard_output(const std::string& program);

}  // namespace lpl
