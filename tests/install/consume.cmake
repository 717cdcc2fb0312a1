# SPDX-License-Identifier: MIT
# Builds the programs in consumer/ outside the tree with a GoProcess of its own, and runs them.
#
# cmake -D "WAYS=add_subdirectory;find_package" -D KIND=shared|static -D GOPROCESS_SOURCE_DIR=...
#       -D GENERATOR=... -D CXX_COMPILER=... -D PREFIX_PATH=... [-D LIBRARY_BUILD=...]
#       -D QML=<built> -D CONTROLS=<built> -D QML_DIR=<where it is installed> -P consume.cmake
# One way or both. find_package alone needs LIBRARY_BUILD, a build of that kind, which it installs; after
# add_subdirectory it is what was built by that.
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

# Without a build type, as a project that asks for none.
function(configure source binary)
    run(${CMAKE_COMMAND} -S ${source} -B ${binary} -G ${GENERATOR}
        -D CMAKE_CXX_COMPILER=${CXX_COMPILER}
        -D CMAKE_PREFIX_PATH=${PREFIX_PATH}
        -D CMAKE_EXPORT_COMPILE_COMMANDS=ON
        ${ARGN}
    )
endfunction()

# How the program itself was compiled: the warnings and defines of the library must not show.
function(look_at_commands build)
    file(READ ${build}/compile_commands.json commands)
    string(JSON count LENGTH ${commands})
    math(EXPR last "${count} - 1")
    set(seen FALSE)
    foreach(index RANGE ${last})
        string(JSON file GET ${commands} ${index} file)
        if(file STREQUAL "${work}/consumer/main.cpp")
            set(seen TRUE)
            string(JSON command GET ${commands} ${index} command)
            if(command MATCHES " (-W[^ ]*|-fvisibility[^ ]*|-fsanitize[^ ]*|-DQT_[A-Z]*NO_C[^ ]*|-DQT_NO_[KF][^ ]*|-DQT_DISABLE[^ ]*|-DGOPROCESS_BUILD[^ ]*)")
                message(FATAL_ERROR "${CMAKE_MATCH_1} leaks to the project that links the library: ${command}")
            endif()
            if(command MATCHES "/src/(common|graph|dispatch|process)|/src ")
                message(FATAL_ERROR "The sources are on the include path: ${command}")
            endif()
        endif()
    endforeach()
    if(NOT seen)
        message(FATAL_ERROR "The compilation of the program is not in compile_commands.json.")
    endif()
endfunction()

# run_with(<"" or QML_IMPORT_PATH=...> <what it has to print as an error> <program>)
function(run_with import_path expected program)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR=${work}
            ${import_path} ${program}
        COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY ERROR_VARIABLE output)
    if(NOT output MATCHES "${expected}")
        message(FATAL_ERROR "${program} printed: ${output}")
    endif()
endfunction()

# build_and_run(<build> [<where the QML modules were installed>]): a shared one is found there, and finds its
# libraries from there; a static one is part of the program.
function(build_and_run build)
    set(import_path)
    if(ARGN AND KIND STREQUAL shared)
        set(import_path QML_IMPORT_PATH=${ARGN})
    endif()
    run(${CMAKE_COMMAND} --build ${build} --parallel)
    run(${build}/consumer ${KIND})
    look_at_commands(${build})
    if(QML)
        run_with("${import_path}" "^qml: child\nqml: saved\n$" ${build}/qml_consumer)
    endif()
    if(CONTROLS)
        run_with("${import_path}" shown ${build}/controls_consumer)
    endif()
endfunction()

# Shared is what comes without asking. The library may be part of a project whose files are compiled several
# at once, which takes less than half of the time.
set(library_options -D CMAKE_UNITY_BUILD=ON -D CMAKE_UNITY_BUILD_BATCH_SIZE=20)
if(KIND STREQUAL static)
    list(APPEND library_options -D BUILD_SHARED_LIBS=OFF)
endif()

set(asked_for -D GOPROCESS_BUILD_QML=${QML} -D GOPROCESS_BUILD_CONTROLS=${CONTROLS} -D GOPROCESS_INSTALL=ON)
if(NOT find_package IN_LIST WAYS)
    # A project that asks for nothing more gets one library, and installs nothing of it.
    set(asked_for)
    set(QML OFF)
    set(CONTROLS OFF)
endif()

if(add_subdirectory IN_LIST WAYS)
    set(LIBRARY_BUILD ${work}/within)
    configure(${work}/consumer ${LIBRARY_BUILD}
        -D GOPROCESS_SOURCE_DIR=${GOPROCESS_SOURCE_DIR} ${asked_for} ${library_options})
    build_and_run(${LIBRARY_BUILD})
endif()

if(NOT find_package IN_LIST WAYS)
    run(${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${work}/installed)
    file(GLOB_RECURSE installed ${work}/installed/*)
    if(installed)
        message(FATAL_ERROR "A project that has the library as a part installed of it: ${installed}")
    endif()
endif()

if(find_package IN_LIST WAYS)
    run(${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --prefix ${work}/installed)

    file(GLOB_RECURSE private ${work}/installed/*_p.h ${work}/installed/*.cpp)
    if(private)
        message(FATAL_ERROR "What should stay private was installed: ${private}")
    endif()

    # An installation that has been moved still works.
    file(RENAME ${work}/installed ${work}/moved)
    configure(${work}/consumer ${work}/build -D GoProcess_ROOT=${work}/moved)
    build_and_run(${work}/build ${work}/moved/${QML_DIR})
endif()

file(REMOVE_RECURSE ${work})
