# SPDX-License-Identifier: MIT
# Runs PROGRAM and compares what it prints with the file EXPECTED.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output ERROR_VARIABLE errors
    RESULT_VARIABLE status TIMEOUT 60)
file(READ ${EXPECTED} expected)
if(NOT status EQUAL 0 OR NOT output STREQUAL expected OR NOT errors STREQUAL "")
    message(FATAL_ERROR
        "status ${status}, printed:\n${output}\n${errors}\nexpected:\n${expected}")
endif()
