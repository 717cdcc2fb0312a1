# SPDX-License-Identifier: MIT
# The last part of find_package(GoProcess): whether the components that it requires are there, and why not.
foreach(component IN LISTS GoProcess_FIND_COMPONENTS)
    if(TARGET GoProcess::${component})
        set(GoProcess_${component}_FOUND TRUE)
    elseif(GoProcess_FIND_REQUIRED_${component})
        set(GoProcess_FOUND FALSE)
        if(component STREQUAL "Qml")
            set(GoProcess_NOT_FOUND_MESSAGE "GoProcess was built without its QML module: \
find_package(Qt6 COMPONENTS Qml) before it is built, or set GOPROCESS_BUILD_QML.")
        elseif(component STREQUAL "Controls")
            set(GoProcess_NOT_FOUND_MESSAGE "GoProcess was built without its QML module for windows: \
find_package(Qt6 COMPONENTS Qml Quick) before it is built, or set GOPROCESS_BUILD_CONTROLS.")
        else()
            set(GoProcess_NOT_FOUND_MESSAGE
                "GoProcess has no component ${component}: there are Qml and Controls.")
        endif()
    endif()
endforeach()
