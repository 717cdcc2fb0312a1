# SPDX-License-Identifier: MIT
# find_package(GoProcess COMPONENTS ...), with FetchContent standing in for it, says what is missing. It
# configures, and builds nothing.
#
# cmake -D GOPROCESS_SOURCE_DIR=... -D GENERATOR=... -D CXX_COMPILER=... -D PREFIX_PATH=... -D QML=<built>
#       -P components.cmake
cmake_minimum_required(VERSION 3.24)

set(temp $ENV{TMPDIR})
if(NOT temp)
    set(temp /tmp)
endif()
string(RANDOM LENGTH 8 random)
set(work ${temp}/goprocess-components-${random})

# configure(<what Qt it finds> <component> <what the output has to match; "" if it is to succeed>)
function(configure qt component expected)
    file(REMOVE_RECURSE ${work})
    file(CONFIGURE OUTPUT ${work}/CMakeLists.txt @ONLY CONTENT [[
cmake_minimum_required(VERSION 3.24)
project(Consumer LANGUAGES CXX)
include(FetchContent)
FetchContent_Declare(GoProcess SOURCE_DIR @GOPROCESS_SOURCE_DIR@ OVERRIDE_FIND_PACKAGE)
find_package(Qt6 REQUIRED COMPONENTS @qt@)
find_package(GoProcess REQUIRED COMPONENTS @component@)
if(NOT TARGET GoProcess::GoProcess OR NOT TARGET GoProcess::@component@)
    message(FATAL_ERROR "no target")
endif()
if(NOT GOPROCESS_QML_IMPORT_DIR)
    message(FATAL_ERROR "no import path")
endif()
]])
    execute_process(COMMAND ${CMAKE_COMMAND} -S ${work} -B ${work}/build -G ${GENERATOR}
            -D CMAKE_CXX_COMPILER=${CXX_COMPILER} -D CMAKE_PREFIX_PATH=${PREFIX_PATH}
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output
    )
    string(REGEX REPLACE "[ \n]+" " " output "${output}")
    if(expected STREQUAL "" AND NOT result EQUAL 0)
        message(FATAL_ERROR "${component} with Qt ${qt}: ${output}")
    elseif(expected AND (result EQUAL 0 OR NOT output MATCHES "${expected}"))
        message(FATAL_ERROR "${component} with Qt ${qt} shall fail with \"${expected}\": ${output}")
    endif()
    file(REMOVE_RECURSE ${work})
endfunction()

configure("Core" Qml "GoProcess was built without its QML module: find_package")
configure("Core" Network "GoProcess has no component Network")
if(QML)
    configure("Core Qml" Qml "")
endif()
