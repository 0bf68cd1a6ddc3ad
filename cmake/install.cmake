# What `cmake --install` puts where, and the Debian package. share/lpl mirrors the source tree (models, examples,
# scripts), so that scripts find what they need by the same paths.
include(GNUInstallDirs)
set(LPL_DATA ${CMAKE_INSTALL_DATADIR}/lpl)

# From the folder of a program to the models installed with it, wherever both have been moved.
file(RELATIVE_PATH models /${CMAKE_INSTALL_BINDIR} /${LPL_DATA}/models)
target_compile_definitions(lpl_config PRIVATE LPL_MODELS_FROM_PROGRAM="${models}")

# lpl_install_program(TARGET [SUBCOMMANDS]): with its manual page and its completion, made from what its --help says.
find_package(Python3 COMPONENTS Interpreter)
function(lpl_install_program target)
  install(TARGETS ${target})
  # Libraries outside the system's folders (modules of a cluster, Spack) are found where they were linked.
  set_target_properties(${target} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  if(NOT Python3_FOUND OR CMAKE_CROSSCOMPILING)
    message(STATUS "No manual page and no completion of ${target}: they need Python, and a program that runs here")
    return()
  endif()
  get_target_property(name ${target} OUTPUT_NAME)
  if(NOT name)
    set(name ${target})
  endif()
  set(make_page ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=exitcode=0 ${Python3_EXECUTABLE}
      ${CMAKE_SOURCE_DIR}/scripts/help_pages.py)
  set(page ${CMAKE_BINARY_DIR}/pages/${name}.1)
  set(completion ${CMAKE_BINARY_DIR}/pages/${name})
  add_custom_command(OUTPUT ${page} ${completion}
                     COMMAND ${make_page} man ${page} $<TARGET_FILE:${target}> ${ARGN}
                     COMMAND ${make_page} bash ${completion} $<TARGET_FILE:${target}> ${ARGN}
                     DEPENDS ${target} ${CMAKE_SOURCE_DIR}/scripts/help_pages.py VERBATIM)
  add_custom_target(${target}_pages ALL DEPENDS ${page} ${completion})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endfunction()
if(TARGET lpl_sim)
  lpl_install_program(lpl_sim)
endif()
if(TARGET lpl_rate_program)
  lpl_install_program(lpl_rate_program eval import)
endif()

install(DIRECTORY models examples DESTINATION ${LPL_DATA})
install(DIRECTORY scripts/lpl_analysis scripts/figures scripts/slurm DESTINATION ${LPL_DATA}/scripts
        USE_SOURCE_PERMISSIONS PATTERN __pycache__ EXCLUDE)
install(PROGRAMS scripts/lpl.py scripts/sweep.py scripts/make_digits.py scripts/fetch_data.sh
        DESTINATION ${LPL_DATA}/scripts)
install(FILES scripts/distribution_python.py scripts/places.py DESTINATION ${LPL_DATA}/scripts)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CHANGELOG.md CONTRIBUTING.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# Links, not copies: Python looks for what a script imports beside the file that the link leads to.
function(lpl_link folder name from)
  file(RELATIVE_PATH goal /${folder} /${LPL_DATA}/scripts/${from})
  set(link ${CMAKE_BINARY_DIR}/links/${folder}/${name})
  get_filename_component(parent ${link} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${goal} ${link} SYMBOLIC)
  install(FILES ${link} DESTINATION ${folder})
endfunction()
lpl_link(${CMAKE_INSTALL_BINDIR} lpl lpl.py)
lpl_link(${CMAKE_INSTALL_BINDIR} lpl_sweep sweep.py)
if(EXISTS /etc/debian_version)
  set(python_dir lib/python3/dist-packages)
elseif(Python3_FOUND)
  set(python_dir lib/python${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}/site-packages)
endif()
set(LPL_PYTHON_DIR ${python_dir} CACHE STRING "Where Python looks for packages, below the prefix; empty: nowhere")
if(LPL_PYTHON_DIR)
  lpl_link(${LPL_PYTHON_DIR} lpl_analysis lpl_analysis)
endif()

set(CPACK_PACKAGE_NAME lpl)
set(CPACK_PACKAGE_CONTACT "The LPL simulator's authors <lpl@lpl.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Networks that learn by latent predictive learning")
set(CPACK_PACKAGE_DESCRIPTION
    "lpl_sim simulates spiking networks and lpl_rate trains deep ones, in parallel, with a local plasticity rule.
lpl looks into their results, lpl_sweep runs them for many settings.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Shared libraries are found by dpkg-shlibdeps; this is what programs and scripts call.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "openmpi-bin, python3, python3-numpy, python3-scipy, python3-h5py, python3-sklearn, python3-matplotlib")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3-onnx")  # lpl onnx
include(CPack)
