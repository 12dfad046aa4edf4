/* An executor in C: a job of the kind "@name@" ends with its payload in upper case as its output. */
#include <sigrun/executor.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

SIGRUN_EMIT_NOTE("@id@", "1.0.0", 0);

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }

typedef struct executor {
    sigrun_instance abi; /* first: the host's pointer to it is the pointer to the whole */
    const sigrun_host* host;
    const sigrun_svc_buffer* buffers;
} executor;

static sigrun_buf* make_buf(const executor* self, const char* content, uint64_t len) {
    sigrun_buf* made = self->buffers->create(self->host, len);
    void* room = NULL;
    if (!made) return NULL;
    self->buffers->view(made, &room, NULL, NULL);
    if (len) memcpy(room, content, (size_t)len);
    self->buffers->set_len(made, len);
    return made;
}

static sigrun_result fail(const executor* self, sigrun_op op, sigrun_result why, const char* json) {
    self->host->complete(self->host, op, why, make_buf(self, json, strlen(json)));
    return SIGRUN_PENDING;
}

/* The output: one LOG frame. The window is open at the start, so a single one of up to 64 KiB is always taken;
 * who sends more must keep a frame that is answered with E_BUSY and offer it again. */
static sigrun_result send_output(const executor* self, const sigrun_sink* sink, const void* content, uint64_t len) {
    sigrun_frame frame;
    sigrun_result sent;
    struct timespec now;
    unsigned char* bytes = NULL;
    sigrun_buf* out = make_buf(self, content, len);
    if (!out) return SIGRUN_E_NOMEM;
    self->buffers->view(out, (void**)&bytes, NULL, NULL);
    for (uint64_t i = 0; i < len; ++i) bytes[i] = (unsigned char)toupper(bytes[i]);
    timespec_get(&now, TIME_UTC);
    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_LOG;
    frame.stream = SIGRUN_STREAM_STDOUT;
    frame.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    frame.payload = out;
    sent = sink->on_frame(sink->ctx, &frame);
    self->buffers->release(out);
    return sent;
}

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Does `wanted`, JSON without blanks, begin at `at`? */
static int begins(const char* at, const char* end, const char* wanted) {
    int quoted = 0;
    for (; *wanted; ++wanted, ++at) {
        while (!quoted && at < end && is_blank(*at)) ++at;
        if (at == end || *at != *wanted) return 0;
        quoted ^= *at == '"';
    }
    return 1;
}

/* The job document names the one function there is. It comes as the client wrote it, with blanks anywhere; who has more in
 * the document brings a JSON parser. */
static int names_upper(sigrun_str json) {
    for (uint64_t i = 0; i < json.len; ++i)
        if (begins(json.ptr + i, json.ptr + json.len, "\"command\":[\"upper\"]")) return 1;
    return 0;
}

/* [work] One attempt; the op completes when everything it started is gone. */
static sigrun_result run(sigrun_instance* instance, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op) {
    const executor* self = (const executor*)instance;
    static const char running[] = "{\"state\":\"running\"}";
    static const char done[] = "{\"exit_code\":0,\"signal\":null}";
    void* content = NULL;
    uint64_t len = 0;
    sigrun_frame frame;
    if (!names_upper(task->json))
        return fail(self, op, SIGRUN_E_INVALID,
                    "{\"class\":\"user\",\"code\":\"not_found\",\"message\":\"command: expected [\\\"upper\\\"]\","
                    "\"exit_code\":127,\"signal\":null}");
    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_STATE;
    frame.json.ptr = running;
    frame.json.len = sizeof running - 1;
    sink->on_frame(sink->ctx, &frame);
    if (task->payload) self->buffers->view(task->payload, &content, &len, NULL);
    if (len > SIGRUN_LOG_MAX)
        return fail(self, op, SIGRUN_E_INVALID,
                    "{\"class\":\"user\",\"code\":\"too_large\",\"message\":\"payload: expected at most 64 KiB\","
                    "\"exit_code\":2,\"signal\":null}");
    if (len && send_output(self, sink, content, len) < 0)
        return fail(self, op, SIGRUN_E_IO,
                    "{\"class\":\"infra_runner\",\"code\":\"output\",\"message\":\"the output was not taken\","
                    "\"exit_code\":null,\"signal\":null}");
    self->host->complete(self->host, op, SIGRUN_OK, make_buf(self, done, sizeof done - 1));
    return SIGRUN_PENDING;
}

/* [work] Nothing runs after `run` returned, so there is nothing to end. */
static sigrun_result cancel(sigrun_instance* instance, sigrun_op op, uint64_t grace_ns) {
    (void)instance;
    (void)op;
    (void)grace_ns;
    return SIGRUN_E_NOT_FOUND;
}

static const sigrun_executor table = {
    .struct_size = sizeof(sigrun_executor),
    .kinds = TEXT("@name@"),
    .run = run,
    .cancel = cancel,
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
    return is(id, SIGRUN_KIND_EXECUTOR) ? &table : NULL;
}

static void destroy(sigrun_instance* instance) { free(instance); }

static sigrun_result create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error) {
    const sigrun_str buffers = TEXT(SIGRUN_SVC_BUFFER);
    executor* made;
    (void)config;
    if (!is(component, "@name@")) return refuse(error, SIGRUN_E_NOT_FOUND, "component: expected @name@");
    made = calloc(1, sizeof *made);
    if (!made) return refuse(error, SIGRUN_E_NOMEM, "out of memory");
    made->abi.struct_size = sizeof made->abi;
    made->abi.get_interface = get_interface;
    made->abi.destroy = destroy;
    made->host = host;
    made->buffers = host->get_service(host, buffers);
    if (!SIGRUN_HAS(made->buffers,
                    set_len)) { /* by the last slot that is used: an older host's table may end before it */
        free(made);
        return refuse(error, SIGRUN_E_UNSUPPORTED, "the host has no service buffer/1");
    }
    *out = &made->abi;
    return SIGRUN_OK;
}

static const sigrun_component components[] = {{
    .struct_size = sizeof(sigrun_component),
    .id = TEXT("@name@"),
    .kind = TEXT(SIGRUN_KIND_EXECUTOR),
    .doc = TEXT("Runs jobs of the kind @name@"),
}};

static const sigrun_entry entry = {
    .struct_size = sizeof(sigrun_entry),
    .abi_major = SIGRUN_ABI_MAJOR,
    .abi_minor = SIGRUN_ABI_MINOR,
    .id = TEXT("@id@"),
    .version = TEXT("1.0.0"),
    .doc = TEXT("Runs jobs of the kind @name@"),
    .n_components = 1,
    .components = components,
    .create = create,
};

const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    return hello && hello->abi_major == SIGRUN_ABI_MAJOR ? &entry : NULL;
}
