#include "io/pictures.hpp"

#include <fmt/format.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "core/errors.hpp"
#include "core/whole_file.hpp"
#include "io/file_kind.hpp"

namespace lpl {
namespace {

constexpr std::int64_t kMostPixels = 1 << 28;  // of a picture

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw ConfigError(fmt::format("{}: cannot be read as a picture: {}", path, why));
}

Picture sized(const std::string& path, std::int64_t width, std::int64_t height, int channels) {
  if (width < 1 || height < 1 || width * height > kMostPixels)
    refuse(path, fmt::format("it is {} x {} pixels; at most {} are possible", width, height, kMostPixels));
  Picture picture{static_cast<int>(width), static_cast<int>(height), channels, {}};
  picture.pixels.resize(static_cast<std::size_t>(width * height * channels));
  return picture;
}

Picture read_png(const std::string& path, const std::string& bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, decltype(&png_image_free)> owner(&image, png_image_free);
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0)
    refuse(path, static_cast<const char*>(image.message));
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // as 8 bits are; libpng would take 16 for linear light
  const bool coloured = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  image.format = coloured ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Picture picture = sized(path, image.width, image.height, coloured ? 3 : 1);
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&image, &black, picture.pixels.data(), 0, nullptr) == 0)
    refuse(path, static_cast<const char*>(image.message));
  return picture;
}

Picture read_jpeg(const std::string& path, const std::string& bytes) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  const auto why = [&] { return std::string(tjGetErrorStr2(decoder.get())); };
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &sampling, &colours) != 0)
    refuse(path, why());
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) refuse(path, "it is in CMYK; convert it to RGB");
  const bool grey = colours == TJCS_GRAY;
  Picture picture = sized(path, width, height, grey ? 1 : 3);
  if (tjDecompress2(decoder.get(), data, bytes.size(), picture.pixels.data(), width, 0, height,
                    grey ? TJPF_GRAY : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0)
    refuse(path, why());
  return picture;
}

// --- EXIF: how the camera was held

// A number of `size` bytes at `at`; nothing where the bytes end before.
std::optional<std::uint32_t> number_at(std::string_view bytes, std::size_t at, std::size_t size, bool little) {
  if (at > bytes.size() || bytes.size() - at < size) return {};
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + (little ? size - 1 - i : i)]);
  return number;
}

// What follows the marker APP1 of a JPEG, or the chunk eXIf of a PNG: a TIFF. Empty where there is none.
std::string_view exif_of_jpeg(std::string_view bytes) {
  constexpr std::string_view kHead("Exif\0\0", 6);
  constexpr unsigned char kScan = 0xda, kApp1 = 0xe1;
  for (std::size_t at = 2; at + 4 <= bytes.size() && bytes[at] == '\xff';) {
    const auto marker = static_cast<unsigned char>(bytes[at + 1]);
    const std::uint32_t length = number_at(bytes, at + 2, 2, false).value_or(0);
    if (marker == kScan || length < 2) return {};
    const std::string_view segment = bytes.substr(at + 4, length - 2);
    if (marker == kApp1 && segment.starts_with(kHead)) return segment.substr(kHead.size());
    at += 2 + length;
  }
  return {};
}

std::string_view exif_of_png(std::string_view bytes) {
  constexpr std::size_t kSignature = 8, kFrame = 12;  // length, kind and checksum of a chunk
  for (std::size_t at = kSignature; at + kFrame <= bytes.size();) {
    const std::size_t length = number_at(bytes, at, 4, false).value_or(0);
    if (bytes.substr(at + 4, 4) == "eXIf") return bytes.substr(at + 8, length);
    at += kFrame + length;
  }
  return {};
}

// From 1, upright, to 8; 1 where it is not said (or 0, as some write).
std::uint32_t orientation_of(const std::string& path, std::string_view tiff) {
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  constexpr std::size_t kEntry = 12;
  if (!tiff.starts_with("II") && !tiff.starts_with("MM")) return 1;
  const bool little = tiff.starts_with("II");
  const std::size_t directory = number_at(tiff, 4, 4, little).value_or(0);
  const std::uint32_t entries = number_at(tiff, directory, 2, little).value_or(0);
  for (std::uint32_t e = 0; e < entries; ++e) {
    const std::size_t at = directory + 2 + e * kEntry;
    if (number_at(tiff, at, 2, little) != kOrientation || number_at(tiff, at + 2, 2, little) != kShort) continue;
    const std::uint32_t orientation = number_at(tiff, at + 8, 2, little).value_or(0);
    if (orientation > 8) refuse(path, fmt::format("its orientation in EXIF is {}; 1 to 8 are defined", orientation));
    return std::max(orientation, 1u);
  }
  return 1;
}

// Orientations say where a picture's first row and column belong.
Picture upright(Picture stored, std::uint32_t orientation) {
  if (orientation == 1) return stored;
  const bool turned = orientation > 4;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Picture picture = stored;
  if (turned) std::swap(picture.width, picture.height);
  const auto channels = static_cast<std::size_t>(stored.channels);
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      const int row = turned ? x : y, column = turned ? y : x;
      const int from_row = from_bottom ? stored.height - 1 - row : row;
      const int from_column = from_right ? stored.width - 1 - column : column;
      const auto pixel = [channels](int r, int c, int width) {
        return (static_cast<std::size_t>(r) * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)) * channels;
      };
      std::copy_n(stored.pixels.begin() + static_cast<std::ptrdiff_t>(pixel(from_row, from_column, stored.width)),
                  channels, picture.pixels.begin() + static_cast<std::ptrdiff_t>(pixel(y, x, picture.width)));
    }
  return picture;
}

}  // namespace

bool is_picture(const std::string& path) {
  std::string end = std::filesystem::path(path).extension().string();
  std::ranges::transform(end, end.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kEnds{".png", ".jpg", ".jpeg"};
  return std::ranges::find(kEnds, end) != kEnds.end();
}

Picture read_picture(const std::string& path) {
  const std::string bytes = whole_file(path);
  if (bytes.starts_with("\x89PNG")) return upright(read_png(path, bytes), orientation_of(path, exif_of_png(bytes)));
  if (bytes.starts_with("\xff\xd8")) return upright(read_jpeg(path, bytes), orientation_of(path, exif_of_jpeg(bytes)));
  refuse(path, "it is neither PNG nor JPEG" + hint_at_kind(path));
}

}  // namespace lpl
