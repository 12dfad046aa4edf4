/* A probe in C: facts about the machine under @name@.*, read below the sysroot that the host names. */
#include <sigrun/probe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SIGRUN_EMIT_NOTE("@id@", "1.0.0", 0);

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }

/* One created component. First member: the host's pointer to it is the pointer to the whole. */
typedef struct probe {
    sigrun_instance abi;
    const sigrun_host* host;
} probe;

/* Whole seconds of /proc/uptime below the sysroot; 0 = the file is missing or says something else. */
static int read_uptime(sigrun_str sysroot, unsigned long long* seconds) {
    char path[512];
    FILE* file;
    int known;
    if (sysroot.len > 400) return 0;
    snprintf(path, sizeof path, "%.*s/proc/uptime", (int)sysroot.len, sysroot.len ? sysroot.ptr : "");
    file = fopen(path, "re");
    if (!file) return 0;
    known = fscanf(file, "%llu", seconds) == 1;
    fclose(file);
    return known;
}

/* [work] Sends the facts as one STATE frame, then completes the op. */
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* facts,
                         sigrun_op op) {
    const sigrun_host* host = ((probe*)instance)->host;
    unsigned long long seconds = 0;
    char value[64] = "\"status\":\"absent\""; /* unknown is a status, never a default value */
    char json[512];
    sigrun_frame frame;
    if (read_uptime(req->sysroot, &seconds)) snprintf(value, sizeof value, "\"status\":\"ok\",\"value\":%llu", seconds);
    snprintf(json, sizeof json,
             "{\"facts\":[{\"key\":\"@name@.uptime_s\",%s,\"method\":\"read\",\"source\":\"/proc/uptime\","
             "\"confidence\":100,\"ttl_s\":5,\"volatility\":\"fast\"}]}",
             value);
    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_STATE;
    frame.json.ptr = json;
    frame.json.len = strlen(json);
    facts->on_frame(facts->ctx, &frame);
    host->complete(host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}

static const sigrun_probe table = {
    .struct_size = sizeof(sigrun_probe),
    .flags = SIGRUN_PROBE_IN_PROCESS,
    .soft_ms = 250,
    .hard_ms = 1000,
    .keys = TEXT("@name@.*"),
    .run = run,
};

/* Is the text this one? */
static int is(sigrun_str text, const char* word) {
    return text.len == strlen(word) && memcmp(text.ptr, word, (size_t)text.len) == 0;
}

static sigrun_result refuse(sigrun_error* error, sigrun_result code, const char* why) {
    if (error) {
        const size_t room = error->msg ? error->msg_cap : 0, n = strlen(why) < room ? strlen(why) : room;
        error->code = code;
        if (n) memcpy(error->msg, why, n);
        error->msg_len = (uint32_t)n;
    }
    return code;
}

static const void* get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    return is(id, SIGRUN_KIND_PROBE) ? &table : NULL;
}

static void destroy(sigrun_instance* instance) { free(instance); }

static sigrun_result create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error) {
    probe* made;
    (void)config;
    if (!is(component, "@name@")) return refuse(error, SIGRUN_E_NOT_FOUND, "component: expected @name@");
    made = calloc(1, sizeof *made);
    if (!made) return refuse(error, SIGRUN_E_NOMEM, "out of memory");
    made->abi.struct_size = sizeof made->abi;
    made->abi.get_interface = get_interface;
    made->abi.destroy = destroy;
    made->host = host;
    *out = &made->abi;
    return SIGRUN_OK;
}

static const sigrun_component components[] = {{
    .struct_size = sizeof(sigrun_component),
    .id = TEXT("@name@"),
    .kind = TEXT(SIGRUN_KIND_PROBE),
    .doc = TEXT("Facts under @name@.*"),
}};

static const sigrun_entry entry = {
    .struct_size = sizeof(sigrun_entry),
    .abi_major = SIGRUN_ABI_MAJOR,
    .abi_minor = SIGRUN_ABI_MINOR,
    .id = TEXT("@id@"),
    .version = TEXT("1.0.0"),
    .doc = TEXT("Facts under @name@.*"),
    .n_components = 1,
    .components = components,
    .create = create,
};

const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    return hello && hello->abi_major == SIGRUN_ABI_MAJOR ? &entry : NULL;
}
