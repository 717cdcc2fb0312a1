# SPDX-License-Identifier: MIT
include(CheckLinkerFlag)

# goprocess_never_unload(<library>)
#
# A program that has loaded the library never unmaps it, though it unloads the plugin that brought it:
# its threads sleep in it, and Qt calls it when a thread or the program ends. The plugin itself goes.
# What a static library has become part of stays as well, hence INTERFACE; a program does not notice.
function(goprocess_never_unload library)
    # Where there are no such flags: Windows pins it at run time.
    set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/exports.map)
    check_linker_flag(CXX "-Wl,-z,nodelete" GOPROCESS_HAS_NODELETE)
    check_linker_flag(CXX "-Wl,--version-script=${exports}" GOPROCESS_HAS_VERSION_SCRIPT)
    get_target_property(type ${library} TYPE)
    if(GOPROCESS_HAS_NODELETE AND type STREQUAL STATIC_LIBRARY)
        target_link_options(${library} INTERFACE -Wl,-z,nodelete)
    elseif(GOPROCESS_HAS_NODELETE)
        target_link_options(${library} PRIVATE -Wl,-z,nodelete)
    endif()
    if(GOPROCESS_HAS_VERSION_SCRIPT AND NOT type STREQUAL STATIC_LIBRARY)
        target_link_options(${library} PRIVATE -Wl,--version-script=${exports})
        set_property(TARGET ${library} APPEND PROPERTY LINK_DEPENDS ${exports})
    endif()
endfunction()
