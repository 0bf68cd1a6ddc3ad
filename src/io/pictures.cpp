#include "io/pictures.hpp"

#include <fmt/format.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>

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

}  // namespace

bool is_picture(const std::string& path) {
  std::string end = std::filesystem::path(path).extension().string();
  std::ranges::transform(end, end.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kEnds{".png", ".jpg", ".jpeg"};
  return std::ranges::find(kEnds, end) != kEnds.end();
}

Picture read_picture(const std::string& path) {
  const std::string bytes = whole_file(path);
  if (bytes.starts_with("\x89PNG")) return read_png(path, bytes);
  if (bytes.starts_with("\xff\xd8")) return read_jpeg(path, bytes);
  refuse(path, "it is neither PNG nor JPEG" + hint_at_kind(path));
}

}  // namespace lpl
