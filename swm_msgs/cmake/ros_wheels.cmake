# SPDX-License-Identifier: Apache-2.0
# Makes the ROS 2 wheels of PyPI a CMake prefix. `pip install ./swm_msgs` includes this file; a build on an installed
# ROS 2 does not need it.
find_package(Python3 REQUIRED COMPONENTS Interpreter Development)
execute_process(
  COMMAND "${Python3_EXECUTABLE}" -c
    "import pathlib, rosidl_cmake; print(pathlib.Path(rosidl_cmake.__file__).resolve().parents[4])"
  OUTPUT_VARIABLE _ros_prefix OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(ENV{AMENT_PREFIX_PATH} "${_ros_prefix}")
list(PREPEND CMAKE_PREFIX_PATH "${_ros_prefix}")

# Some targets of the wheels name an include directory of the machine that built them, and CMake refuses a missing one.
function(_drop_missing_include_directories)
  get_property(_targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(_target IN LISTS _targets)
    get_target_property(_directories ${_target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT _directories)
      continue()
    endif()
    set(_present)
    foreach(_directory IN LISTS _directories)
      if(_directory MATCHES "^\\$<" OR EXISTS "${_directory}")
        list(APPEND _present "${_directory}")
      endif()
    endforeach()
    set_target_properties(${_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_present}")
  endforeach()
endfunction()
cmake_language(DEFER CALL _drop_missing_include_directories)
