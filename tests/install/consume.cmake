# SPDX-License-Identifier: MIT
# Builds the program in consumer/ outside the tree with a GoProcess of its own, and runs it.
#
# cmake -D WAY=find_package|add_subdirectory -D KIND=shared|static -D GOPROCESS_SOURCE_DIR=...
#       -D GENERATOR=... -D CXX_COMPILER=... -D PREFIX_PATH=... [-D LIBRARY_BUILD=...]
#       -D QML=<built> -D CONTROLS=<built> -D QML_DIR=<where it is installed> -P consume.cmake
# LIBRARY_BUILD is a build of that kind that is installed; without it one is made.
cmake_minimum_required(VERSION 3.21)

set(temp $ENV{TMPDIR})
if(NOT temp)
    set(temp /tmp)
endif()
string(RANDOM LENGTH 8 random)
set(work ${temp}/goprocess-consumer-${random})
message("Working in ${work}, which is kept if this fails.")
file(COPY ${CMAKE_CURRENT_LIST_DIR}/consumer DESTINATION ${work})

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Without a build type, as somebody who asks for none.
function(configure source binary)
    run(${CMAKE_COMMAND} -S ${source} -B ${binary} -G ${GENERATOR}
        -D CMAKE_CXX_COMPILER=${CXX_COMPILER}
        -D CMAKE_PREFIX_PATH=${PREFIX_PATH}
        -D CMAKE_EXPORT_COMPILE_COMMANDS=ON
        ${ARGN}
    )
endfunction()

# Shared is what comes without asking. The library may be part of a project whose files are compiled several
# at once, which takes less than half of the time.
set(library_options -D CMAKE_UNITY_BUILD=ON -D CMAKE_UNITY_BUILD_BATCH_SIZE=20)
if(KIND STREQUAL static)
    list(APPEND library_options -D BUILD_SHARED_LIBS=OFF)
endif()

if(WAY STREQUAL find_package)
    if(NOT LIBRARY_BUILD)
        set(LIBRARY_BUILD ${work}/library)
        configure(${GOPROCESS_SOURCE_DIR} ${LIBRARY_BUILD}
            -D GOPROCESS_BUILD_TESTS=OFF -D GOPROCESS_BUILD_DEMO=OFF -D GOPROCESS_BUILD_QML=${QML} -D GOPROCESS_BUILD_CONTROLS=${CONTROLS}
            -D GOPROCESS_PRECOMPILE_HEADERS=ON ${library_options})
        run(${CMAKE_COMMAND} --build ${LIBRARY_BUILD} --parallel)
    endif()
    run(${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${work}/installed)

    file(GLOB_RECURSE private ${work}/installed/*_p.h ${work}/installed/*.cpp)
    if(private)
        message(FATAL_ERROR "What should stay private was installed: ${private}")
    endif()

    # An installation that has been moved still works.
    file(RENAME ${work}/installed ${work}/moved)
    configure(${work}/consumer ${work}/build -D GoProcess_ROOT=${work}/moved)
else()
    configure(${work}/consumer ${work}/build
        -D GOPROCESS_SOURCE_DIR=${GOPROCESS_SOURCE_DIR} ${library_options})
endif()

run(${CMAKE_COMMAND} --build ${work}/build --parallel)
run(${work}/build/consumer ${KIND})

# The QML module is found where it was installed, and finds its libraries from there; a static one is
# part of the program.
if(QML AND WAY STREQUAL find_package)
    set(import_path)
    if(KIND STREQUAL shared)
        set(import_path QML_IMPORT_PATH=${work}/moved/${QML_DIR})
    endif()
    execute_process(COMMAND ${CMAKE_COMMAND} -E env ${import_path} ${work}/build/qml_consumer
        COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY ERROR_VARIABLE output)
    if(NOT output STREQUAL "qml: child\nqml: saved\n")
        message(FATAL_ERROR "The program that imports the QML module printed: ${output}")
    endif()
    if(CONTROLS)
        execute_process(COMMAND ${CMAKE_COMMAND} -E env QT_QPA_PLATFORM=offscreen
                XDG_RUNTIME_DIR=${work} ${import_path} ${work}/build/controls_consumer
            COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY ERROR_VARIABLE output)
        if(NOT output MATCHES "shown")
            message(FATAL_ERROR "The program that shows the controls printed: ${output}")
        endif()
    endif()
endif()

# How the program itself was compiled: the warnings and defines of the library must not show.
file(READ ${work}/build/compile_commands.json commands)
string(JSON count LENGTH ${commands})
math(EXPR last "${count} - 1")
set(seen FALSE)
foreach(index RANGE ${last})
    string(JSON file GET ${commands} ${index} file)
    if(file STREQUAL "${work}/consumer/main.cpp")
        set(seen TRUE)
        string(JSON command GET ${commands} ${index} command)
        if(command MATCHES " (-W[^ ]*|-fvisibility[^ ]*|-fsanitize[^ ]*|-DQT_[A-Z]*NO_C[^ ]*|-DQT_NO_[KF][^ ]*|-DQT_DISABLE[^ ]*|-DGOPROCESS_BUILD[^ ]*)")
            message(FATAL_ERROR "${CMAKE_MATCH_1} leaks to whoever links the library: ${command}")
        endif()
        if(command MATCHES "src/core|/src ")
            message(FATAL_ERROR "The sources are on the include path: ${command}")
        endif()
    endif()
endforeach()
if(NOT seen)
    message(FATAL_ERROR "The compilation of the program is not in compile_commands.json.")
endif()

file(REMOVE_RECURSE ${work})
