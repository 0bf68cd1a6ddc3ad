# The CUDA backend of the rate engine. A build without it is complete.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin)
endif()
set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "Generations of devices to compile for")
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
find_path(CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib REQUIRED)
find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib REQUIRED)

# What nvcc compiles stands alone: it knows other warnings than the options of this project.
add_library(lpl_rate_kernels STATIC src/rate/cuda/kernels.cu)
target_include_directories(lpl_rate_kernels PRIVATE src)
# The newest standard of nvcc that CMake 3.25 knows.
set_target_properties(lpl_rate_kernels PROPERTIES CUDA_STANDARD 17)
# As on the host (cmake/warnings.cmake), a product and a sum are fused nowhere: views must equal the CPU's bit by bit.
# Devices may call what is constexpr, such as std::min.
target_compile_options(lpl_rate_kernels PRIVATE -fmad=false --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra
                       $<$<BOOL:${LPL_WERROR}>:-Werror=all-warnings>)
add_library(lpl_rate_cuda STATIC src/rate/cuda/backend.cpp src/rate/cuda/convolution.cpp src/rate/cuda/device.cpp
            src/rate/cuda/exchange.cpp src/rate/cuda/images.cpp src/rate/cuda/losses.cpp)
target_include_directories(lpl_rate_cuda SYSTEM PRIVATE ${CUDNN_INCLUDE} ${NCCL_INCLUDE})
target_link_libraries(lpl_rate_cuda PUBLIC lpl_rate
                      PRIVATE lpl_rate_kernels CUDA::cudart CUDA::cublas ${CUDNN_LIBRARY} ${NCCL_LIBRARY} lpl_options)
