# SPDX-License-Identifier: MIT

# goprocess_target_defaults(<target>)
#
# What every target of this project is built with: moc, warnings, defines and sanitizers. All of it
# is PRIVATE, so that nothing reaches a project that links the library. Whether warnings are errors
# is left to CMAKE_COMPILE_WARNING_AS_ERROR, which the presets set.
function(goprocess_target_defaults target)
    set_target_properties(${target} PROPERTIES
        AUTOMOC ON
        CXX_EXTENSIONS OFF
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
            -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
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
