/* A probe whose `cancel` only counts: what a call through the ABI costs beyond its own work. */
#include <sigrun/probe.h>

#include <string.h>

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }

SIGRUN_EMIT_NOTE("bench.noop", "1.0.0", 0);

static uint64_t calls;

static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* facts,
                         sigrun_op op) {
    (void)instance, (void)req, (void)facts, (void)op;
    return SIGRUN_OK;
}

static void cancel(sigrun_instance* instance, sigrun_op op) {
    (void)instance;
    calls += op;
}

static const sigrun_probe table = {sizeof(sigrun_probe), 0, 1, 1, TEXT("bench.*"), run, cancel, NULL};

static const void* get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    return id.len == sizeof SIGRUN_KIND_PROBE - 1 && !memcmp(id.ptr, SIGRUN_KIND_PROBE, id.len) ? &table : NULL;
}

static void destroy(sigrun_instance* instance) { (void)instance; }

static sigrun_instance the_instance = {
    .struct_size = sizeof(sigrun_instance), .get_interface = get_interface, .destroy = destroy};

static sigrun_result create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error) {
    (void)host, (void)component, (void)config, (void)error;
    *out = &the_instance;
    return SIGRUN_OK;
}

static const sigrun_component component = {.struct_size = sizeof(sigrun_component),
                                           .id = TEXT("noop"),
                                           .kind = TEXT(SIGRUN_KIND_PROBE),
                                           .doc = TEXT("Does nothing.")};

static const sigrun_entry entry = {.struct_size = sizeof(sigrun_entry),
                                   .abi_major = SIGRUN_ABI_MAJOR,
                                   .abi_minor = SIGRUN_ABI_MINOR,
                                   .id = TEXT("bench.noop"),
                                   .version = TEXT("1.0.0"),
                                   .doc = TEXT("Does nothing."),
                                   .n_components = 1,
                                   .components = &component,
                                   .create = create};

const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    return hello->abi_major == SIGRUN_ABI_MAJOR ? &entry : NULL;
}
