/* What every seeded plugin begins with: the host, and small helpers. After this a source writes down its defect, defines
 * the hooks it needs, and includes mini_plugin.h, which makes a complete plugin that otherwise keeps the rules. */
#ifndef SIGRUN_TESTS_MINI_H
#define SIGRUN_TESTS_MINI_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sigrun/balancer.h>
#include <sigrun/executor.h>
#include <sigrun/probe.h>
#include <sigrun/protocol.h>

#include <stdlib.h>
#include <string.h>

#ifndef MINI_ID
#define MINI_ID "bad.plugin"
#endif

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }

static const sigrun_host* mini_host;

static inline sigrun_str text_of(const char* s) {
    sigrun_str out = {s, strlen(s)};
    return out;
}
static inline int is(sigrun_str s, const char* word) {
    return s.len == strlen(word) && memcmp(s.ptr, word, (size_t)s.len) == 0;
}
static inline const void* service(const char* id) { return mini_host->get_service(mini_host, text_of(id)); }
static inline sigrun_result fail(sigrun_error* error, sigrun_result code, const char* why) {
    if (error) {
        uint32_t n = (uint32_t)strlen(why);
        if (n > error->msg_cap) n = error->msg_cap;
        if (n) memcpy(error->msg, why, n);
        error->msg_len = n;
        error->code = code;
    }
    return code;
}
/* A host buffer with this text, or NULL. */
static inline sigrun_buf* buffer_of(const char* words) {
    const sigrun_svc_buffer* buffers = (const sigrun_svc_buffer*)service(SIGRUN_SVC_BUFFER);
    sigrun_buf* made = SIGRUN_HAS(buffers, set_len) ? buffers->create(mini_host, strlen(words)) : NULL;
    void* at = NULL;
    if (!made) return NULL;
    buffers->view(made, &at, NULL, NULL);
    memcpy(at, words, strlen(words));
    buffers->set_len(made, strlen(words));
    return made;
}
static inline void send_facts(const sigrun_sink* sink, const char* json) {
    sigrun_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_STATE;
    frame.json = text_of(json);
    sink->on_frame(sink->ctx, &frame);
}

#endif
