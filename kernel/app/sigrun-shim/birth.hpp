// A shim that begins as a copy of one which waits: starting a program anew takes several times as long, most of it in libc, which
// asks the processor what it can (each CPUID leaves a virtual machine).
#pragma once

namespace sigrun::shim {

/// Whether this process shall be a template: its control socket keeps the borders of messages.
bool is_template(int control);

/// Makes a shim for each sigrun_shim_birth. Returns in each of those, with the descriptors where sigrun/shim.h says; ends
/// the process when the executor is gone. `label` is the argument that ps shows, long enough for any other one.
void wait_for_birth(int control, char* label);

}  // namespace sigrun::shim
