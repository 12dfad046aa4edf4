/* The plugin around a seeded defect. Hooks, all optional, to be defined before:
 *   AT_LOAD AT_CREATE AT_START AT_DRAIN AT_DESTROY AT_UNLOAD   statements; `instance`, `error` and `config` where there are
 *   MINI_KIND, MINI_TABLE                             the kind's id and its table; default: a probe of one fact
 *   PROBE_RUN, PROBE_CANCEL                           functions of the probe
 *   HOLDS_PREPARE                                     config_prepare, config_commit and config_abort are defined
 *   OPTION_DEF, OPTION_MIN, OPTION_MAX                of the option `number`
 *   NOTE_VERSION, NOTE_MAJOR, NO_NOTE, ENTRY_SIZE, ENTRY_BODY */
#include "mini.h"

#ifndef AT_LOAD
#define AT_LOAD
#endif
#ifndef AT_CREATE
#define AT_CREATE
#endif
#ifndef AT_START
#define AT_START
#endif
#ifndef AT_DRAIN
#define AT_DRAIN mini_host->complete(mini_host, done, SIGRUN_OK, NULL);
#endif
#ifndef AT_DESTROY
#define AT_DESTROY
#endif
#ifndef AT_UNLOAD
#define AT_UNLOAD
#endif
#ifndef OPTION_DEF
#define OPTION_DEF "4"
#endif
#ifndef OPTION_MIN
#define OPTION_MIN 1
#endif
#ifndef OPTION_MAX
#define OPTION_MAX 64
#endif
#ifndef NOTE_VERSION
#define NOTE_VERSION "1.0.0"
#endif
#ifndef NOTE_MAJOR
#define NOTE_MAJOR SIGRUN_ABI_MAJOR
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(sigrun_entry)
#endif
#ifndef ENTRY_BODY
#define ENTRY_BODY return hello->abi_major == SIGRUN_ABI_MAJOR ? &mini_entry : NULL;
#endif

#ifndef NO_NOTE
__attribute__((section(".note.sigrun"), used, aligned(4))) static const sigrun_note mini_note = {
    7,
    (uint32_t)sizeof(sigrun_note_desc),
    SIGRUN_NOTE_TYPE,
    SIGRUN_NOTE_OWNER,
    {NOTE_MAJOR, SIGRUN_ABI_MINOR, 0, 0, 0, MINI_ID, NOTE_VERSION, SIGRUN_SDK_VERSION}};
#endif

#ifndef MINI_KIND
#define MINI_KIND SIGRUN_KIND_PROBE
#define MINI_TABLE &mini_probe
#ifndef PROBE_RUN
#define PROBE_RUN mini_run
static sigrun_result mini_run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                              sigrun_op op) {
    (void)instance;
    (void)req;
    send_facts(sink,
               "{\"facts\":[{\"key\":\"bad.fact\",\"value\":1,\"status\":\"ok\",\"method\":\"declared\","
               "\"source\":\"itself\"}]}");
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#endif
#ifndef PROBE_CANCEL
#define PROBE_CANCEL mini_cancel
static void mini_cancel(sigrun_instance* instance, sigrun_op op) {
    (void)instance;
    (void)op;
}
#endif
static const sigrun_probe mini_probe = {
    sizeof(sigrun_probe), SIGRUN_PROBE_IN_PROCESS, 100, 200, TEXT("bad.*"), PROBE_RUN, PROBE_CANCEL, NULL};
#endif

#ifndef MINI_GET_INTERFACE
#define MINI_GET_INTERFACE mini_get_interface
static const void* mini_get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    return is(id, MINI_KIND) ? MINI_TABLE : NULL;
}
#endif
static sigrun_result mini_start(sigrun_instance* instance, sigrun_error* error) {
    (void)instance;
    (void)error;
    AT_START
    return SIGRUN_OK;
}
static sigrun_result mini_drain(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done) {
    (void)instance;
    (void)deadline_ns;
    (void)done;
    AT_DRAIN
    return SIGRUN_PENDING;
}
static void mini_destroy(sigrun_instance* instance) {
    AT_DESTROY
    free(instance);
}
static sigrun_result mini_load(const sigrun_host* host, sigrun_error* error) {
    (void)error;
    mini_host = host;
    AT_LOAD
    return SIGRUN_OK;
}
static void mini_unload(const sigrun_host* host) {
    (void)host;
    AT_UNLOAD
}

static sigrun_result mini_create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                                 sigrun_instance** out, sigrun_error* error) {
    sigrun_instance* instance;
    (void)config;
    if (!is(component, "bad")) return fail(error, SIGRUN_E_NOT_FOUND, "no such component");
    mini_host = host;
    AT_CREATE
    instance = (sigrun_instance*)calloc(1, sizeof *instance);
    if (!instance) return fail(error, SIGRUN_E_NOMEM, "out of memory");
    instance->struct_size = sizeof *instance;
    instance->get_interface = MINI_GET_INTERFACE;
    instance->start = mini_start;
    instance->drain = mini_drain;
    instance->destroy = mini_destroy;
#ifdef HOLDS_PREPARE
    instance->config_prepare = config_prepare;
    instance->config_commit = config_commit;
    instance->config_abort = config_abort;
#endif
    *out = instance;
    return SIGRUN_OK;
}
#ifndef MINI_CREATE
#define MINI_CREATE mini_create
#endif

static const sigrun_opt mini_options[] = {{sizeof(sigrun_opt),
                                           SIGRUN_OPT_INT,
                                           SIGRUN_OPT_HOT,
                                           0,
                                           TEXT("number"),
                                           TEXT(OPTION_DEF),
                                           TEXT("A number"),
                                           {NULL, 0},
                                           {NULL, 0},
                                           OPTION_MIN,
                                           OPTION_MAX},
                                          {sizeof(sigrun_opt),
                                           SIGRUN_OPT_STRING,
                                           0,
                                           0,
                                           TEXT("words"),
                                           TEXT("none"),
                                           TEXT("A text"),
                                           {NULL, 0},
                                           {NULL, 0},
                                           0,
                                           0}};
static const sigrun_component mini_components[] = {
    {sizeof(sigrun_component), 2, TEXT("bad"), TEXT(MINI_KIND), TEXT("A component with a defect"), mini_options}};
static const sigrun_entry mini_entry = {ENTRY_SIZE,
                                        SIGRUN_ABI_MAJOR,
                                        SIGRUN_ABI_MINOR,
                                        0,
                                        TEXT(MINI_ID),
                                        TEXT("1.0.0"),
                                        TEXT("Sigrun"),
                                        TEXT(""),
                                        TEXT("A plugin with a seeded defect"),
                                        1,
                                        0,
                                        mini_components,
                                        mini_load,
                                        MINI_CREATE,
                                        mini_unload};

SIGRUN_EXPORT const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    (void)mini_create;
    (void)hello;
    ENTRY_BODY
}
