// The arithmetic of the views' pixels (rate/data/augment.hpp), for the CPU and for devices: both make the same views,
// bit by bit, as long as no product and sum are fused.
//
// Byte values are kept as whole numbers in float. All sums and products are exact in float or far from the next whole
// number, unless said otherwise; so results do not depend on how the compiler orders them.
#pragma once

#include <algorithm>

#include "rate/device_code.hpp"

namespace lpl::rate::pixel {

LPL_DEVICE inline float truncated(float value) { return static_cast<float>(static_cast<int>(value)); }
LPL_DEVICE inline float rounded(float value) { return truncated(value + 0.5f); }  // half up

// Choices are made by multiplication: compilers turn loops of it, but not of branches, into vector code.
LPL_DEVICE inline float one_if(bool condition) { return condition ? 1.0f : 0.0f; }

// ---- Resampling

// Output o is the sum over t of weight[o * count + t] * source[first[o] + t].
struct Taps {
  int count;
  const int* first;
  const float* weight;
};

// The taps from lines of every length from `shortest` on to lines of one length, `target`. By length: counts; first
// (target); weight (target x most, of which target x count are used).
struct TapTable {
  int shortest, target, most;
  const int* counts;
  const int* first;
  const float* weight;
  LPL_DEVICE Taps of(int length) const {
    const int row = length - shortest;
    return {counts[row], first + row * target, weight + row * target * most};
  }
};

// A resampled value. Half up also where the weights, rounded to float, make a little less than a half of it: sums are
// fractions with the denominator 2 * width when enlarging, and errors are below 1e-4.
LPL_DEVICE inline float rounded_sum(float sum) { return truncated(sum + 0.5001f); }

// ---- Jitter and grey

LPL_DEVICE inline float luminance(float r, float g, float b) {
  return truncated((19595.0f * r + 38470.0f * g + 7471.0f * b + 32768.0f) * 0x1p-16f);
}

// The mean of a number of luminances with this sum, rounded half up.
LPL_DEVICE inline float mean_luminance(int sum, int pixels) {
  const int mean = (2 * sum + pixels) / (2 * pixels);
  return static_cast<float>(mean);
}

// The image x blended with a degenerate image d.
LPL_DEVICE inline float blend(float d, float factor, float x) {
  return truncated(std::max(0.0f, std::min(255.0f, d + factor * (x - d))));
}

// A shift of the hue [turns] in steps of 8-bit HSV.
LPL_DEVICE inline int hue_steps(float shift) { return static_cast<int>(255.0f * shift); }

// One pixel's hue shifted by `shift` / 256 of a turn, through 8-bit HSV.
LPL_DEVICE inline void shift_hue(float& r, float& g, float& b, int shift) {
  const float value = std::max(r, std::max(g, b)), chroma = value - std::min(r, std::min(g, b));
  const float saturation = truncated(255.0f * chroma / std::max(value, 1.0f));
  // Sixths of a turn, times chroma.
  const float red = one_if(r == value), green = one_if(g == value) * (1.0f - red), blue = 1.0f - red - green;
  const float wrapped = 6.0f * one_if(g < b);
  const float sixths =
      red * (wrapped * chroma + g - b) + green * (2.0f * chroma + b - r) + blue * (4.0f * chroma + r - g);
  const int hue = (static_cast<int>(255.0f * sixths / std::max(6.0f * chroma, 1.0f)) + shift) & 255;

  // 255 times the hue in sixths of a turn is 255 * sector + fraction.
  const float turned = static_cast<float>(6 * hue);
  const float sector = truncated((turned + 0.5f) * (1.0f / 255.0f));
  const float fraction = turned - 255.0f * sector;
  const float low = rounded(value * (255.0f - saturation) * (1.0f / 255.0f));
  // value * share / 255^2 rounded; the quotient in float may miss by one, the remainder is exact and tells.
  const auto scaled = [&](float share) {
    const float product = value * share + 32512.0f;
    const float quotient = truncated(product * (1.0f / 65025.0f));
    const float remainder = product - quotient * 65025.0f;
    return quotient + one_if(remainder >= 65025.0f) - one_if(remainder < 0.0f);
  };
  const float falling = scaled(65025.0f - saturation * fraction);
  const float rising = scaled(65025.0f - saturation * (255.0f - fraction));
  const float s1 = one_if(sector == 1.0f), s2 = one_if(sector == 2.0f), s3 = one_if(sector == 3.0f);
  const float s4 = one_if(sector == 4.0f), s5 = one_if(sector == 5.0f);
  const float s0 = 1.0f - s1 - s2 - s3 - s4 - s5;  // also sector 6
  r = (s0 + s5) * value + s1 * falling + (s2 + s3) * low + s4 * rising;
  g = (s1 + s2) * value + s3 * falling + (s4 + s5) * low + s0 * rising;
  b = (s3 + s4) * value + s5 * falling + (s0 + s1) * low + s2 * rising;
}

// ---- Blur

// The number of taps, which is odd, for views of size x size.
LPL_DEVICE inline int blur_length(int size) { return (size / 10) | 1; }

// The row or column before the first of `width` is the second, and so on.
LPL_DEVICE inline int mirrored(int i, int width) { return i < 0 ? -i : i >= width ? 2 * (width - 1) - i : i; }

}  // namespace lpl::rate::pixel
