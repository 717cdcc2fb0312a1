// SPDX-License-Identifier: MIT
// Keeps the library in memory, also when the program unloads the plugin that it came with.

#include "pin_p.h"

#include <QtGlobal>

#ifdef Q_OS_WIN
#  include <windows.h>
#endif

namespace GoProcess::Private {

#ifdef Q_OS_WIN

void keepLoaded()
{
    // By an address of its own: the DLL of the library, or what a static library became part of.
    HMODULE module = nullptr;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       reinterpret_cast<LPCWSTR>(&keepLoaded), &module);
}

#else

// The linker has been told so: see goprocess_never_unload() of the build.
void keepLoaded() { }

#endif

} // namespace GoProcess::Private
