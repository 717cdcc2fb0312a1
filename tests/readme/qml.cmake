# SPDX-License-Identifier: MIT
# Checks Main.qml in the working directory with QMLLINT, and runs PROGRAM, which loads it.
execute_process(COMMAND ${QMLLINT} -I ${IMPORT_PATH} Main.qml COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -E env QML_IMPORT_PATH=${IMPORT_PATH} ${PROGRAM}
    ERROR_VARIABLE output RESULT_VARIABLE status TIMEOUT 60)
if(NOT status EQUAL 0 OR NOT output STREQUAL "qml: network: disconnected \nqml: database: flushed\n")
    message(FATAL_ERROR "status ${status}, printed:\n${output}")
endif()
