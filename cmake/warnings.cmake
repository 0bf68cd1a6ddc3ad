# Options of every target of this project.
option(LPL_WERROR "Warnings are errors" OFF)
add_library(lpl_options INTERFACE)
target_compile_options(lpl_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast $<$<BOOL:${LPL_WERROR}>:-Werror>
  # Checks stay on in every build type.
  -UNDEBUG
  # A product and a sum are fused where the code says so, nowhere else: results must not depend on the optimiser.
  -ffp-contract=off)

# GCC 12 warns of an impossible overlap inside std::string's operator+ (GCC bug 105651), of an impossible overflow where
# fmt appends to its buffer, and of memory that a vector frees.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(lpl_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-free-nonheap-object)
endif()

set(LPL_SANITIZE "" CACHE STRING "Sanitizers to build with, such as address,undefined")
if(LPL_SANITIZE)
  target_compile_options(lpl_options INTERFACE -fsanitize=${LPL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    # Vector kernels take clang three times as long with it, and what it finds leads to accesses that ASan finds.
    -fno-sanitize=pointer-overflow)
  target_link_options(lpl_options INTERFACE -fsanitize=${LPL_SANITIZE})
endif()
