// Handles SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT: finds out whose code it was, writes one line to a file that is open
// already and a few to stderr, and lets the signal end the process as it would have. Nothing is done, marked or counted before
// that, so it costs nothing while all is well.
//
// Blame: the code that ran, if it is a plugin's; in a system library, the nearest caller that is a plugin or the program
// itself. The program's own crash is nobody else's, even if a plugin called it. A thread that runs a plugin's static
// constructors is that plugin's.
#pragma once

#include "kernel/base/result.hpp"

#include <string>

namespace sigrun {

/// Appends crashes to `file`. Once per process, before other threads run plugin code. A signal that somebody else handles
/// already (a sanitizer) is left alone.
result<void> report_crashes_to(const std::string& file, const std::string& program);

/// Gives the calling thread a stack for that handler, so that a stack that overflowed can be reported, too. Until the thread
/// ends; a thread that has one keeps it.
void use_alternate_stack() noexcept;

}  // namespace sigrun
