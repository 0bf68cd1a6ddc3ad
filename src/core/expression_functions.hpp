// What the parser of expressions and what is done with their trees share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/expression.hpp"

namespace lpl {

inline constexpr std::uint32_t kLargestExpression = 50'000;  // operations, with aliases put in
inline constexpr int kLargestPower = 1024;

struct ExpressionFunction {
  // Which dimensions it takes and gives.
  enum class Shape : std::uint8_t { pure, same, root, alike, fused, pick, clip, steps, draw, poisson, noise };
  std::string_view name;
  Op op;
  std::uint8_t operands;
  Shape shape;
};
inline constexpr ExpressionFunction kExpressionFunctions[] = {
    {"exp", Op::exp, 1, ExpressionFunction::Shape::pure},
    {"expm1", Op::expm1, 1, ExpressionFunction::Shape::pure},
    {"exprel", Op::exprel, 1, ExpressionFunction::Shape::pure},
    {"log", Op::log, 1, ExpressionFunction::Shape::pure},
    {"log1p", Op::log1p, 1, ExpressionFunction::Shape::pure},
    {"tanh", Op::tanh, 1, ExpressionFunction::Shape::pure},
    {"sin", Op::sin, 1, ExpressionFunction::Shape::pure},
    {"cos", Op::cos, 1, ExpressionFunction::Shape::pure},
    {"floor", Op::floor, 1, ExpressionFunction::Shape::pure},
    {"sqrt", Op::sqrt, 1, ExpressionFunction::Shape::root},
    {"abs", Op::abs, 1, ExpressionFunction::Shape::same},
    {"min", Op::min, 2, ExpressionFunction::Shape::alike},
    {"max", Op::max, 2, ExpressionFunction::Shape::alike},
    {"clip", Op::max, 3, ExpressionFunction::Shape::clip},
    {"fma", Op::fma, 3, ExpressionFunction::Shape::fused},
    {"fnma", Op::fnma, 3, ExpressionFunction::Shape::fused},
    {"select", Op::select, 3, ExpressionFunction::Shape::pick},
    {"steps", Op::floor, 1, ExpressionFunction::Shape::steps},
    {"uniform", Op::uniform, 0, ExpressionFunction::Shape::draw},
    {"normal", Op::normal, 0, ExpressionFunction::Shape::draw},
    {"poisson", Op::poisson, 1, ExpressionFunction::Shape::poisson},
    {"noise", Op::normal, 0, ExpressionFunction::Shape::noise},
};

// The exponent of a power whose products are made.
std::optional<int> whole_exponent(const Expression& power);

}  // namespace lpl
