# The CUDA backend of the rate engine. A build without it is complete.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin)
endif()
set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "Generations of devices to compile for")
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

# The folders of packages of `python3`: those that PyTorch brings hold libraries of NVIDIA, of versioned names only.
execute_process(COMMAND python3 -c "import os, sys; print(';'.join(p for p in sys.path if os.path.isdir(p + '/nvidia')))"
                OUTPUT_VARIABLE python_packages OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)

# lpl_nvidia(PREFIX HEADER LIBRARY VERSION ROOT WHEEL...): sets PREFIX_INCLUDE and PREFIX_LIBRARY, left to find in the
# folder that the variable ROOT of the environment names, in the toolkit, or in nvidia/WHEEL of a package.
function(lpl_nvidia prefix header library version root)
  set(wheels "")
  foreach(packages ${python_packages})
    foreach(wheel ${ARGN})
      list(APPEND wheels ${packages}/nvidia/${wheel})
    endforeach()
  endforeach()
  find_library(${prefix}_LIBRARY NAMES ${library} lib${library}.so.${version} PATH_SUFFIXES lib lib64
               HINTS ENV ${root} ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT} PATHS ${wheels})
  # Of the same version as the library: beside it, if there.
  get_filename_component(beside "${${prefix}_LIBRARY}" DIRECTORY)
  find_path(${prefix}_INCLUDE ${header} PATH_SUFFIXES include
            HINTS ENV ${root} ${beside}/.. ${CUDAToolkit_INCLUDE_DIRS} PATHS ${wheels})
endfunction()

lpl_nvidia(CUDNN cudnn.h cudnn 9 CUDNN_PATH cudnn)
if(NOT CUDNN_LIBRARY OR NOT CUDNN_INCLUDE)
  message(FATAL_ERROR "LPL_CUDA is ON but cuDNN 9 was not found (library: ${CUDNN_LIBRARY}, header: ${CUDNN_INCLUDE}): not "
          "in \$CUDNN_PATH, the CUDA toolkit, the system or the packages of python3. Set CUDNN_PATH to the folder above its "
          "lib and include, such as .../site-packages/nvidia/cudnn, or give -DCUDNN_LIBRARY=.../libcudnn.so.9 "
          "-DCUDNN_INCLUDE=FOLDER_OF_cudnn.h")
endif()
if(NOT TARGET CUDA::cublas)
  lpl_nvidia(CUBLAS cublas_v2.h cublas ${CUDAToolkit_VERSION_MAJOR} CUBLAS_PATH cu${CUDAToolkit_VERSION_MAJOR} cublas)
  if(NOT CUBLAS_LIBRARY OR NOT CUBLAS_INCLUDE)
    message(FATAL_ERROR "LPL_CUDA is ON but cuBLAS was not found: not in \$CUBLAS_PATH, the CUDA toolkit, the system or the "
            "packages of python3. Give -DCUBLAS_LIBRARY=.../libcublas.so.${CUDAToolkit_VERSION_MAJOR} "
            "-DCUBLAS_INCLUDE=FOLDER_OF_cublas_v2.h")
  endif()
  add_library(CUDA::cublas UNKNOWN IMPORTED)
  set_target_properties(CUDA::cublas PROPERTIES IMPORTED_LOCATION ${CUBLAS_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${CUBLAS_INCLUDE})
endif()
# For several devices.
lpl_nvidia(NCCL nccl.h nccl 2 NCCL_HOME nccl)
if(NCCL_LIBRARY AND NCCL_INCLUDE)
  set(exchange src/rate/cuda/exchange.cpp)
  set(nccl ${NCCL_LIBRARY})
else()
  message(STATUS "No NCCL: lpl_rate computes on one device. For several ranks set NCCL_HOME to the folder above its lib and "
          "include, such as .../site-packages/nvidia/nccl, or give -DNCCL_LIBRARY=.../libnccl.so.2 "
          "-DNCCL_INCLUDE=FOLDER_OF_nccl.h")
  set(NCCL_INCLUDE "")
  set(exchange src/rate/cuda/no_exchange.cpp)
endif()

# What nvcc compiles stands alone: it knows other warnings than the options of this project.
add_library(lpl_rate_kernels STATIC src/rate/cuda/kernels.cu)
target_include_directories(lpl_rate_kernels PRIVATE src)
# The newest standard of nvcc that CMake 3.25 knows.
set_target_properties(lpl_rate_kernels PROPERTIES CUDA_STANDARD 17)
# As on the host (cmake/warnings.cmake), a product and a sum are fused nowhere: views must equal the CPU's bit by bit.
# Devices may call what is constexpr, such as std::min.
target_compile_options(lpl_rate_kernels PRIVATE -fmad=false --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra
                       $<$<BOOL:${LPL_WERROR}>:-Werror=all-warnings>)
add_library(lpl_rate_cuda STATIC src/rate/cuda/backend.cpp src/rate/cuda/convolution.cpp
            src/rate/cuda/convolution_plans.cpp src/rate/cuda/device.cpp ${exchange} src/rate/cuda/images.cpp src/rate/cuda/layout.cpp src/rate/cuda/maps.cpp
            src/rate/cuda/step_memory.cpp src/rate/cuda/thin_convolution.cpp)
target_include_directories(lpl_rate_cuda SYSTEM PRIVATE ${CUDNN_INCLUDE} ${NCCL_INCLUDE})
target_link_libraries(lpl_rate_cuda PUBLIC lpl_rate
                      PRIVATE lpl_rate_kernels CUDA::cudart CUDA::cublas ${CUDNN_LIBRARY} ${nccl} lpl_options)
