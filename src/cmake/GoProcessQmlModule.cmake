# SPDX-License-Identifier: MIT

# goprocess_finish_qml_module(<library> <folder> [<object library>...])
#
# What the QML modules have in common: how the library of a module and its plugin are built, which name
# they have for others, and where they are installed. The folder is the one of the module below an
# import path; the object libraries are those that a static library consists of. What has the name
# GoProcessX here is GoProcess::X for others, and in a component X of the package.
function(goprocess_finish_qml_module library folder)
    string(REGEX REPLACE "^GoProcess" "" name ${library})
    set(module_dir ${GOPROCESS_INSTALL_QMLDIR}/${folder})
    file(RELATIVE_PATH to_libraries /prefix/${module_dir} /prefix/${CMAKE_INSTALL_LIBDIR})
    set_target_properties(${library} PROPERTIES
        EXPORT_NAME ${name}
        VERSION ${PROJECT_VERSION}
        SOVERSION ${goprocess_soversion}
        POSITION_INDEPENDENT_CODE ON
        # It lies beside the library.
        INSTALL_RPATH $ORIGIN
    )
    # It has told Qt of its types.
    goprocess_never_unload(${library})
    set_target_properties(${library}plugin PROPERTIES
        EXPORT_NAME ${name}plugin
        INSTALL_RPATH $ORIGIN/${to_libraries}
    )

    get_target_property(type ${library} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
        # Whoever links a static module links its plugin too, and imports it.
        add_library(GoProcess::${name}plugin ALIAS ${library}plugin)
    endif()
    if(GOPROCESS_INSTALL)
        goprocess_install_qml_module(${library} ${folder} ${ARGN})
    endif()
endfunction()

# goprocess_install_qml_module(<library> <folder> [<object library>...]): as above.
function(goprocess_install_qml_module library folder)
    set(module_dir ${GOPROCESS_INSTALL_QMLDIR}/${folder})
    set(exported ${library})
    get_target_property(type ${library} TYPE)
    if(type STREQUAL STATIC_LIBRARY)
        list(APPEND exported ${library}plugin ${ARGN})
    else()
        install(TARGETS ${library}plugin
            RUNTIME DESTINATION ${module_dir}
            LIBRARY DESTINATION ${module_dir}
        )
    endif()
    install(TARGETS ${exported} EXPORT ${library}Targets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}
    )
    install(EXPORT ${library}Targets NAMESPACE GoProcess::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/GoProcess
    )
    set(built_dir ${GOPROCESS_QML_IMPORT_DIR}/${folder})
    install(FILES ${built_dir}/qmldir ${built_dir}/${library}.qmltypes DESTINATION ${module_dir})
endfunction()
