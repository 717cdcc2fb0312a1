# SPDX-License-Identifier: MIT

# goprocess_target_defaults(<target> [ALONE])
#
# What every target of this project is built with: moc, warnings, defines and sanitizers. All of it
# is PRIVATE, so that nothing reaches a project that links the library. Whether warnings are errors
# is left to CMAKE_COMPILE_WARNING_AS_ERROR, which the presets of the checks set. ALONE: it is compiled
# without precompiled headers, as it proves that its includes are complete, or is no C++17.
function(goprocess_target_defaults target)
    set_target_properties(${target} PROPERTIES AUTOMOC ON)
    goprocess_compile_options(${target})
    if(NOT "ALONE" IN_LIST ARGN)
        goprocess_precompile(${target} base)
    endif()
endfunction()

function(goprocess_compile_options target)
    set_target_properties(${target} PROPERTIES
        CXX_EXTENSIONS OFF
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON
    )
    target_compile_features(${target} PRIVATE cxx_std_17)
    target_compile_definitions(${target} PRIVATE
        QT_DISABLE_DEPRECATED_BEFORE=0x060400
        QT_NO_CAST_FROM_ASCII
        QT_NO_CAST_TO_ASCII
        QT_NO_FOREACH
        QT_NO_KEYWORDS
    )
    if(MSVC)
        target_compile_options(${target} PRIVATE /W4)
    else()
        target_compile_options(${target} PRIVATE
            -Wall -Wextra -Wpedantic -Wconversion -Wnon-virtual-dtor
            # Of several files in one, one may have a parameter of the name of a function in another.
            $<$<NOT:$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wshadow>
            # Part of -Wpedantic, and what qCWarning(category) looks like to Clang.
            $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-gnu-zero-variadic-macro-arguments>
        )
    endif()

    if(GOPROCESS_SANITIZE)
        list(JOIN GOPROCESS_SANITIZE "," sanitizers)
        target_compile_options(${target} PRIVATE
            -fsanitize=${sanitizers}
            -fno-sanitize-recover=all
            # Without these, a report's stack is only a guess.
            -fno-omit-frame-pointer
            -fno-optimize-sibling-calls
        )
        target_link_options(${target} PRIVATE -fsanitize=${sanitizers})
    endif()
endfunction()

# Most of the time of a compilation goes into headers of Qt and of the standard library. The presets have
# them compiled once for all targets. GCC and Clang take them for a target that has more definitions, as
# long as those headers do not look at them, so that one set serves the library and the demo, another the
# tests, and a third those of QML. Nothing relies on it: builds without the presets, such as that of a project
# which has the library as a part, each public header alone, and the programs in the README are compiled without.
option(GOPROCESS_PRECOMPILE_HEADERS "Compile the headers of Qt once for all targets of GoProcess" OFF)
mark_as_advanced(GOPROCESS_PRECOMPILE_HEADERS)

set(goprocess_precompiled
    <QCoreApplication> <QDeadlineTimer> <QFile> <QFuture> <QPointer> <QPromise> <QStringList> <QThread>
    <QThreadPool> <QTimer>
    <algorithm> <array> <atomic> <chrono> <condition_variable> <deque> <functional> <memory> <mutex>
    <optional> <thread> <unordered_map> <utility> <variant> <vector>
)

# goprocess_precompile(<target> <set> [LIBRARIES <library>...] [HEADERS <header>...])
#
# The target is compiled with the headers of that set. The first who uses a set says what it has beyond
# the usual headers, and which libraries those are of.
function(goprocess_precompile target set)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBRARIES;HEADERS")
    if(NOT GOPROCESS_PRECOMPILE_HEADERS)
        return()
    endif()
    set(headers goprocess_headers_${set})
    if(NOT TARGET ${headers})
        set(empty ${PROJECT_BINARY_DIR}/${headers}.cpp)
        file(CONFIGURE OUTPUT ${empty} CONTENT "")
        add_library(${headers} OBJECT ${empty})
        goprocess_compile_options(${headers})
        set_target_properties(${headers} PROPERTIES POSITION_INDEPENDENT_CODE ON)
        target_link_libraries(${headers} PRIVATE Qt6::Core ${arg_LIBRARIES})
        target_precompile_headers(${headers} PRIVATE ${goprocess_precompiled} ${arg_HEADERS})
    endif()
    target_precompile_headers(${target} REUSE_FROM ${headers})
    # GCC takes them only for what is compiled alike. Older Qt asks for this option, newer Qt does not.
    target_compile_options(${target} PRIVATE $<$<NOT:$<CXX_COMPILER_ID:MSVC>>:-fPIC>)
endfunction()
