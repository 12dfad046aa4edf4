/* Output of a job: a stream of JSON lines, one frame each, that is asked for again where it broke off. */
#include "client.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { k_frame_last = 1, k_frame_error = 2 };

typedef struct stream {
    sigrun_client* client;
    client_text line;
    client_retry retry;
    sigrun_client_sink sink;
    void* user;
    uint64_t next; /* the offset to go on at */
    int ended, stopped, broken, progress;
    char* problem;
} stream;

static int six_bits(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place; the length, or -1. */
static long decoded(char* text) {
    size_t length = 0;
    unsigned bits = 0, have = 0;
    for (const char* at = text; *at && *at != '='; ++at) {
        const int six = six_bits(*at);
        if (six < 0) return -1;
        bits = bits << 6 | (unsigned)six;
        have += 6;
        if (have >= 8) {
            have -= 8;
            text[length++] = (char)(bits >> have & 0xff);
        }
    }
    return (long)length;
}

static void take_frame(stream* s, const char* frame) {
    const int flags = (int)sigrun_json_number(frame, "flags", 0);
    if (flags & k_frame_error) {
        const char* problem = json_member(frame, "json", 4);
        s->problem = client_format("%s", problem ? problem : "{}");
        s->ended = 1;
        return;
    }
    char *end = sigrun_json_text(frame, "json.end"), *name = sigrun_json_text(frame, "json.stream"),
         *offset = sigrun_json_text(frame, "json.offset");
    char *payload = sigrun_json_text(frame, "payload"), *missing = sigrun_json_text(frame, "json.missing_bytes");
    const long length = payload ? decoded(payload) : 0;
    if (end) {
        s->ended = 1;
    } else if (!name || !offset || length < 0) {
        s->broken = 1;
    } else {
        const uint64_t at = strtoull(offset, NULL, 10), lost = missing ? strtoull(missing, NULL, 10) : 0;
        s->progress = 1;
        s->next = at + (uint64_t)length + lost;
        if (lost) s->stopped |= s->sink(s->user, name, at, NULL, (size_t)lost) != 0;
        if (length) s->stopped |= s->sink(s->user, name, at, payload, (size_t)length) != 0;
    }
    free(end);
    free(name);
    free(offset);
    free(payload);
    free(missing);
}

static size_t take(char* data, size_t size, size_t count, void* user) {
    stream* s = user;
    if (client_collect(data, size, count, &s->line) != size * count) return 0;
    char* begin = s->line.data;
    for (char* end; !s->ended && !s->stopped && (end = strchr(begin, '\n')); begin = end + 1) {
        *end = 0;
        if (*begin == '{') take_frame(s, begin);
        if (s->broken) return 0;
    }
    s->line.length -= (size_t)(begin - s->line.data);
    memmove(s->line.data, begin, s->line.length + 1);
    return s->stopped ? 0 : size * count;
}

sigrun_client_status sigrun_client_logs(sigrun_client* c, const char* id, uint64_t offset, int follow,
                                        sigrun_client_sink sink, void* user) {
    stream s = {c, {NULL, 0, 0}, {0, 0}, sink, user, offset, 0, 0, 0, 0, NULL};
    sigrun_client_status status = SIGRUN_CLIENT_OK;
    client_retry_begin(&s.retry, c, 1);
    while (!s.ended && status == SIGRUN_CLIENT_OK) {
        char* params = client_format("{\"id\":\"%s\",\"follow\":%s,\"offset\":%llu}", id, follow ? "true" : "false",
                                     (unsigned long long)s.next);
        char* quoted = params ? client_quoted(c, params) : NULL;
        char* path = quoted ? client_format("/v1/call/jobs.logs?params=%s", quoted) : NULL;
        struct curl_slist* headers = NULL;
        long http = 0;
        s.line.length = 0;
        if (s.line.data) *s.line.data = 0;
        s.progress = s.broken = 0;
        status = path && !strpbrk(id, "\"\\") ? client_prepare(c, "POST", path, NULL, NULL, 0, &headers)
                                              : client_argument(c, "id: expected the id of a job");
        if (status == SIGRUN_CLIENT_OK) {
            /* A job may be silent for ever, a peer that is gone may not: the kernel asks it. */
            curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPALIVE, 1L);
            curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPIDLE, 15L);
            curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPINTVL, 5L);
            curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
            curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &s);
            const CURLcode code = curl_easy_perform(c->curl);
            curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
            if (s.progress) client_retry_begin(&s.retry, c, 1);
            if (s.stopped) {
                status = SIGRUN_CLIENT_STOPPED;
            } else if (s.problem) {
                status = client_refused(c, http, s.problem);
            } else if (http >= 300) {
                /* A problem document has no line end: it is what was collected. */
                status = client_refused(c, http, s.line.data);
                if (client_worth_another_try(http, s.line.data) && client_retry_wait(&s.retry, 0))
                    status = SIGRUN_CLIENT_OK;
            } else if (!s.ended) {
                status = client_lost(c, code);
                if (client_retry_wait(&s.retry, 0)) status = SIGRUN_CLIENT_OK;
            }
        }
        curl_slist_free_all(headers);
        free(params);
        free(quoted);
        free(path);
    }
    free(s.line.data);
    free(s.problem);
    return status;
}
