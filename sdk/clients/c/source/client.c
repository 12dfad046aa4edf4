/* Requests that return one document. Streams are in logs.c. */
#include "client.h"

#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { k_default_ms = 30000, k_longest_pause_ms = 2000 };

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

char* client_format(const char* format, ...) {
    va_list one, two;
    va_start(one, format);
    va_copy(two, one);
    const int length = vsnprintf(NULL, 0, format, one);
    char* text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, two);
    va_end(one);
    va_end(two);
    return text;
}

static char* copy_of(const char* text) { return text ? client_format("%s", text) : NULL; }

static void forget_error(sigrun_client* c) {
    for (char** text = c->texts; text < c->texts + k_texts; ++text) {
        free(*text);
        *text = NULL;
    }
    c->error = (sigrun_client_error){0, "", "", "", "", ""};
}

/* Takes the texts over. */
static void set_error(sigrun_client* c, long status, char* code, char* detail, char* field, char* expected,
                      char* found) {
    forget_error(c);
    char* texts[k_texts] = {code, detail, field, expected, found};
    memcpy(c->texts, texts, sizeof texts);
    c->error = (sigrun_client_error){status,
                                     code ? code : "",
                                     detail ? detail : "",
                                     field ? field : "",
                                     expected ? expected : "",
                                     found ? found : ""};
}

sigrun_client_status client_argument(sigrun_client* c, const char* detail) {
    set_error(c, 0, copy_of("argument"), copy_of(detail), NULL, NULL, NULL);
    return SIGRUN_CLIENT_ARGUMENT;
}

sigrun_client_status client_lost(sigrun_client* c, CURLcode code) {
    set_error(c, 0, copy_of("lost"), copy_of(c->curl_words[0] ? c->curl_words : curl_easy_strerror(code)), NULL, NULL,
              NULL);
    return SIGRUN_CLIENT_LOST;
}

sigrun_client_status client_refused(sigrun_client* c, long status, const char* problem) {
    char *code = sigrun_json_text(problem, "code"), *detail = sigrun_json_text(problem, "detail");
    set_error(c, status, code ? code : copy_of("internal"), detail ? detail : client_format("HTTP status %ld", status),
              sigrun_json_text(problem, "field"), sigrun_json_text(problem, "expected"),
              sigrun_json_text(problem, "found"));
    return SIGRUN_CLIENT_REFUSED;
}

size_t client_collect(char* data, size_t size, size_t count, void* user) {
    client_text* text = user;
    const size_t more = size * count;
    if (text->length + more + 1 > text->room) {
        const size_t room = (text->length + more + 1) * 2;
        char* grown = realloc(text->data, room);
        if (!grown) return 0;
        text->data = grown;
        text->room = room;
    }
    memcpy(text->data + text->length, data, more);
    text->length += more;
    text->data[text->length] = 0;
    return more;
}

void client_retry_begin(client_retry* retry, const sigrun_client* c, int repeatable) {
    retry->end = repeatable && c->retry_for_ms > 0 ? now_ms() + c->retry_for_ms : 0;
    retry->pause = 50;
}

int client_retry_wait(client_retry* retry, long at_least) {
    const long pause = retry->pause > at_least ? retry->pause : at_least;
    retry->pause = retry->pause * 2 > k_longest_pause_ms ? k_longest_pause_ms : retry->pause * 2;
    if (!retry->end || now_ms() + pause > retry->end) return 0;
    pause_ms(pause);
    return 1;
}

int client_worth_another_try(long status, const char* answer) {
    char* code = sigrun_json_text(answer, "code");
    /* What something in between says for a daemon that it cannot reach has no problem document. */
    const int worth =
        code ? !strcmp(code, "busy") || !strcmp(code, "unavailable") : status == 502 || status == 503 || status == 504;
    free(code);
    return worth;
}

char* client_quoted(sigrun_client* c, const char* text) {
    char* quoted = curl_easy_escape(c->curl, text, 0);
    char* own = copy_of(quoted);
    curl_free(quoted);
    return own;
}

sigrun_client_status client_prepare(sigrun_client* c, const char* verb, const char* path, const char* document,
                                    const char* key, long timeout_ms, struct curl_slist** headers) {
    char* url = client_format("%s%s", c->base, path);
    char* key_header = key ? client_format("Idempotency-Key: %s", key) : NULL;
    char* token = c->token ? client_format("Authorization: Bearer %s", c->token) : NULL;
    const char* wanted[] = {document ? "Content-Type: application/json" : NULL, key_header, token, "Expect:"};
    curl_easy_reset(c->curl);
    *headers = NULL;
    int good = url && (!key || key_header) && (!c->token || token);
    for (size_t i = 0; good && i < sizeof wanted / sizeof *wanted; ++i) {
        if (!wanted[i]) continue;
        struct curl_slist* more = curl_slist_append(*headers, wanted[i]);
        good = more != NULL;
        if (more) *headers = more;
    }
    c->curl_words[0] = 0;
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, verb);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->curl_words);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, c->timeout_ms);
    if (timeout_ms) curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    if (document) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(document));
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, document);
    }
    if (c->socket) curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    /* Not through a proxy of the environment, which would read the token, and whose localhost is another one. */
    if (!strncmp(c->base, "http://", 7)) curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    if (c->ca) curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->ca);
    if (c->certificate) curl_easy_setopt(c->curl, CURLOPT_SSLCERT, c->certificate);
    if (c->key) curl_easy_setopt(c->curl, CURLOPT_SSLKEY, c->key);
    free(url);
    free(key_header);
    free(token);
    return good ? SIGRUN_CLIENT_OK : client_argument(c, "no memory");
}

/* One request until it is answered; `*answer` is the document of an answer below 300. */
static sigrun_client_status request(sigrun_client* c, const char* verb, const char* path, const char* document,
                                    const char* key, int repeatable, long extra_ms, char** answer) {
    client_retry retry;
    *answer = NULL;
    forget_error(c);
    client_retry_begin(&retry, c, repeatable);
    for (;;) {
        struct curl_slist* headers;
        client_text text = {NULL, 0, 0};
        sigrun_client_status status = client_prepare(c, verb, path, document, key, c->timeout_ms + extra_ms, &headers);
        CURLcode code = CURLE_OUT_OF_MEMORY;
        long http = 0;
        if (status == SIGRUN_CLIENT_OK) {
            curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, client_collect);
            curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &text);
            code = curl_easy_perform(c->curl);
            curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
        }
        curl_slist_free_all(headers);
        if (status == SIGRUN_CLIENT_OK && code == CURLE_OK && http < 300) {
            *answer = text.data ? text.data : copy_of("{}");
            return *answer ? SIGRUN_CLIENT_OK : client_argument(c, "no memory");
        }
        int again = status == SIGRUN_CLIENT_OK;
        long at_least = 0;
        if (again && code != CURLE_OK) {
            status = client_lost(c, code);
        } else if (again) {
            again = client_worth_another_try(http, text.data);
            at_least = (long)sigrun_json_number(text.data, "retry_after_ms", 0);
            status = client_refused(c, http, text.data);
        }
        free(text.data);
        if (!again || !client_retry_wait(&retry, at_least)) return status;
    }
}

static int goes_in_the_clear(const char* url) {
    const char* host = url + strlen("http://");
    /* What stands before an @ is the name of a user, and may look like a host. */
    if (memchr(host, '@', strcspn(host, "/?#"))) return 1;
    const char* here[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof here / sizeof *here; ++i) {
        const size_t length = strlen(here[i]);
        if (!strncmp(host, here[i], length) && (!host[length] || host[length] == ':' || host[length] == '/')) return 0;
    }
    return 1;
}

sigrun_client_status sigrun_client_open(const sigrun_client_options* options, sigrun_client** out) {
    sigrun_client_options o = {0};
    *out = NULL;
    if (options) memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    const char* url = o.url ? o.url : "http://127.0.0.1:7070";
    const int local = !strncmp(url, "unix:/", 6), plain = !strncmp(url, "http://", 7) && url[7],
              tls = !strncmp(url, "https://", 8) && url[8];
    if (!local && !plain && !tls) return SIGRUN_CLIENT_ARGUMENT;
    if (plain && o.token && goes_in_the_clear(url)) return SIGRUN_CLIENT_ARGUMENT;
    sigrun_client* c = calloc(1, sizeof *c);
    if (!c) return SIGRUN_CLIENT_ARGUMENT;
    forget_error(c);
    size_t length = strlen(url);
    while (length && url[length - 1] == '/') --length;
    c->base = local ? copy_of("http://localhost") : client_format("%.*s", (int)length, url);
    c->socket = local ? copy_of(url + 5) : NULL;
    c->token = copy_of(o.token);
    c->ca = copy_of(o.ca);
    c->certificate = copy_of(o.certificate);
    c->key = copy_of(o.key);
    c->timeout_ms = o.timeout_ms > 0 ? o.timeout_ms : k_default_ms;
    c->retry_for_ms = o.retry_for_ms ? o.retry_for_ms : k_default_ms;
    c->curl = curl_easy_init();
    if (!c->curl || !c->base || (local && !c->socket) || (o.token && !c->token)) {
        sigrun_client_close(c);
        return SIGRUN_CLIENT_ARGUMENT;
    }
    *out = c;
    return SIGRUN_CLIENT_OK;
}

void sigrun_client_close(sigrun_client* c) {
    if (!c) return;
    forget_error(c);
    if (c->curl) curl_easy_cleanup(c->curl);
    char* texts[] = {c->base, c->socket, c->token, c->ca, c->certificate, c->key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) free(texts[i]);
    free(c);
}

const sigrun_client_error* sigrun_client_error_of(const sigrun_client* c) { return &c->error; }

void sigrun_client_free(char* text) { free(text); }

sigrun_client_status sigrun_client_request(sigrun_client* c, const char* verb, const char* path, const char* document,
                                           int repeatable, char** answer) {
    if (path[0] != '/') return client_argument(c, "path: expected one that begins with /");
    return request(c, verb, path, document, NULL, repeatable, 0, answer);
}

sigrun_client_status sigrun_client_submit(sigrun_client* c, const char* document, const char* key, long wait_ms,
                                          char** job) {
    char made[33], *path = wait_ms > 0 ? client_format("/v1/jobs?wait=%ldms", wait_ms) : copy_of("/v1/jobs");
    if (!key) {
        unsigned char bytes[16];
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
            free(path);
            return client_argument(c, "no random numbers for an idempotency key");
        }
        for (size_t i = 0; i < sizeof bytes; ++i) snprintf(made + 2 * i, 3, "%02x", bytes[i]);
        key = made;
    }
    const sigrun_client_status status =
        path ? request(c, "POST", path, document, key, 1, wait_ms, job) : client_argument(c, "no memory");
    free(path);
    return status;
}

/* A request about one job: its id, and what stands behind it. */
static sigrun_client_status about(sigrun_client* c, const char* verb, const char* id, const char* rest, char** job) {
    char *quoted = client_quoted(c, id), *path = quoted ? client_format("/v1/jobs/%s%s", quoted, rest) : NULL;
    const sigrun_client_status status =
        path ? request(c, verb, path, NULL, NULL, 1, 0, job) : client_argument(c, "no memory");
    free(quoted);
    free(path);
    return status;
}

sigrun_client_status sigrun_client_job(sigrun_client* c, const char* id, char** job) {
    return about(c, "GET", id, "", job);
}

sigrun_client_status sigrun_client_cancel(sigrun_client* c, const char* id, const char* grace, char** job) {
    char* quoted = grace ? client_quoted(c, grace) : NULL;
    char* rest = quoted ? client_format("/cancel?grace=%s", quoted) : copy_of("/cancel");
    const sigrun_client_status status = rest ? about(c, "POST", id, rest, job) : client_argument(c, "no memory");
    free(quoted);
    free(rest);
    return status;
}

static int has_ended(const char* job) {
    static const char* const ends[] = {"succeeded", "failed", "cancelled", "expired", "dead"};
    char* state = sigrun_json_text(job, "state");
    int ended = 0;
    for (size_t i = 0; state && i < sizeof ends / sizeof *ends; ++i) ended |= !strcmp(state, ends[i]);
    free(state);
    return ended;
}

sigrun_client_status sigrun_client_wait(sigrun_client* c, const char* id, long timeout_ms, char** job) {
    const int64_t end = now_ms() + timeout_ms;
    for (long pause = 20;; pause = pause * 3 / 2 > 1000 ? 1000 : pause * 3 / 2) {
        const sigrun_client_status status = sigrun_client_job(c, id, job);
        if (status != SIGRUN_CLIENT_OK || has_ended(*job)) return status;
        const int64_t left = end - now_ms();
        if (timeout_ms >= 0 && left <= 0) {
            set_error(c, 0, copy_of("timeout"), client_format("job %s has not ended after %ld ms", id, timeout_ms),
                      NULL, NULL, NULL);
            return SIGRUN_CLIENT_TIMEOUT;
        }
        sigrun_client_free(*job);
        *job = NULL;
        pause_ms(timeout_ms >= 0 && left < pause ? (long)left : pause);
    }
}
