# SPDX-License-Identifier: MIT
# Checks that no #include in the src folder of SOURCE_DIR runs up: each of its folders uses only those before it; and
# that the areas reach the core through the headers of `process`, but for what stands in `further`.
cmake_minimum_required(VERSION 3.21)

set(layers common graph dispatch process clock bindings periodic ratelimiter adaptors model qml)

set(core graph dispatch)
set(areas clock bindings periodic ratelimiter adaptors model qml)
set(further
    adaptors/adoption.cpp:dispatch/workpool_p.h # a blocking call of the user lends its place in the pool out
    adaptors/inthread.cpp:dispatch/workpool_p.h # the same, and it is a home without an event loop
    clock/clock.cpp:dispatch/stepscope_p.h # a thread of the library
    clock/clock.cpp:dispatch/workpool_p.h # ends after it
    model/changetimer_p.h:graph/changednodes_p.h # what has changed
    ratelimiter/places.cpp:dispatch/wait_p.h # a wait with a goal of its own
)

set(wrong "")
file(GLOB folders RELATIVE ${SOURCE_DIR}/src ${SOURCE_DIR}/src/*)
foreach(folder IN LISTS folders)
    file(GLOB_RECURSE files RELATIVE ${SOURCE_DIR}/src
        ${SOURCE_DIR}/src/${folder}/*.cpp ${SOURCE_DIR}/src/${folder}/*.h)
    list(FIND layers ${folder} own)
    if(files AND own EQUAL -1)
        string(APPEND wrong "  src/${folder} is no layer\n")
        continue()
    endif()
    foreach(file IN LISTS files)
        file(STRINGS ${SOURCE_DIR}/src/${file} includes REGEX "^#[ ]*include \".*/")
        foreach(include IN LISTS includes)
            string(REGEX REPLACE "^#[ ]*include \"([^/]*)/.*" "\\1" other "${include}")
            list(FIND layers "${other}" its)
            if(its EQUAL -1 OR NOT its LESS own)
                string(APPEND wrong "  src/${file}: ${include}\n")
            endif()
            string(REGEX REPLACE "^#[ ]*include \"(.*)\".*" "\\1" header "${include}")
            if(folder IN_LIST areas AND other IN_LIST core AND NOT "${file}:${header}" IN_LIST further)
                string(APPEND wrong "  src/${file}: ${include}, which is no business of an area\n")
            endif()
        endforeach()
        # An area that acts on a process asks ProcessCore; the models look at the graph itself.
        if(folder IN_LIST areas AND NOT folder STREQUAL model)
            file(STRINGS ${SOURCE_DIR}/src/${file} uses REGEX "Graph::|DueSteps|NodeLock|[^a-zA-Z]deliver[(]")
            foreach(use IN LISTS uses)
                string(APPEND wrong "  src/${file}: ${use}\n")
            endforeach()
        endif()
    endforeach()
endforeach()
if(wrong)
    message(FATAL_ERROR "Each folder may include those before it, of ${layers}:\n${wrong}")
endif()
