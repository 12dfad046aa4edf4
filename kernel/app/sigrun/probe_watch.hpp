// sigrun probe --watch: the facts, and then what changes, until somebody presses Ctrl-C.
#pragma once

#include "kernel/app/sigrun/context.hpp"
#include "kernel/capability/detector.hpp"

namespace sigrun::cli {

/// `first` was shown already. `options` say what is asked for; of the real machine, events tell when.
int watch_facts(context& ctx, plugin_host& host, detector& from, detect_options options, capability_ptr first,
                bool json);

}  // namespace sigrun::cli
