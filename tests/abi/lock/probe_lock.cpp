// Frozen layout of <sigrun/probe.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/probe.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_probe_req) == 48);
SLOT(sigrun_probe_req, struct_size, 0, uint32_t);
SLOT(sigrun_probe_req, flags, 4, uint32_t);
SLOT(sigrun_probe_req, scope, 8, sigrun_str);
SLOT(sigrun_probe_req, sysroot, 24, sigrun_str);
SLOT(sigrun_probe_req, deadline_ns, 40, uint64_t);

static_assert(sizeof(sigrun_probe) == 56);
SLOT(sigrun_probe, struct_size, 0, uint32_t);
SLOT(sigrun_probe, flags, 4, uint32_t);
SLOT(sigrun_probe, soft_ms, 8, uint32_t);
SLOT(sigrun_probe, hard_ms, 12, uint32_t);
SLOT(sigrun_probe, keys, 16, sigrun_str);
SLOT(sigrun_probe, run, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* facts, sigrun_op op));
SLOT(sigrun_probe, cancel, 40, void (*)(sigrun_instance* instance, sigrun_op op));
SLOT(sigrun_probe, watch, 48, sigrun_result (*)(sigrun_instance* instance, const sigrun_sink* facts, sigrun_op op));

static_assert(SIGRUN_PROBE_IN_PROCESS == 1);
static_assert(SIGRUN_PROBE_EVENTS == 2);
static_assert(SIGRUN_PROBE_LIST == 4);
static_assert(SIGRUN_PROBE_ON_REQUEST == 8);
static_assert(std::string_view(SIGRUN_KIND_PROBE) == "sigrun.probe/1");
