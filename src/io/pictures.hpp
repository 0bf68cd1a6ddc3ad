// Pictures as photographers have them: PNG and JPEG.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lpl {

struct Picture {
  int width = 0, height = 0, channels = 0;  // 1 or 3
  std::vector<std::uint8_t> pixels;         // (height, width, channels)
};

// Whether a file's name ends as those of pictures do, in capitals or not.
bool is_picture(const std::string& path);

// What a file holds, by its first bytes: grey where it is, else RGB, turned upright where EXIF says how the camera was
// held. Deeper PNG become 8-bit; what is transparent stands before black. JPEG in four colours (CMYK), orientations
// that are not defined, and what is broken, are refused (ConfigError).
Picture read_picture(const std::string& path);

}  // namespace lpl
