// Calls the C client against a daemon that c_client_test.py runs; the first thing that is not as it should be ends it with a line.
//   c_client_check URL jobs | cancel ID | logs ID | lost | refused | same KEY
#include <sigrun/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what)                                                   \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "line %d: not so: " #what "\n", __LINE__); \
            exit(1);                                                   \
        }                                                              \
    } while (0)

static sigrun_client* client;

static int is(const char* json, const char* path, const char* wanted) {
    char* text = sigrun_json_text(json, path);
    const int same = text && !strcmp(text, wanted);
    if (!same) fprintf(stderr, "%s: expected %s, found %s\n", path, wanted, text ? text : "nothing");
    sigrun_client_free(text);
    return same;
}

static int write_out(void* user, const char* stream, uint64_t offset, const char* data, size_t length) {
    uint64_t* next = user;
    EXPECT(offset == *next && data && stream);
    *next += length;
    return fwrite(data, 1, length, stdout) != length;
}

static int enough(void* user, const char* stream, uint64_t offset, const char* data, size_t length) {
    (void)stream, (void)offset, (void)data, (void)length;
    ++*(int*)user;
    return 1;
}

static void jobs(void) {
    char *job, *id, *page;
    EXPECT(sigrun_client_submit(
               client, "{\"command\":[\"sh\",\"-c\",\"echo hello; exit 3\"],\"labels\":{\"a\":\"\\u00fc\\n\\\"\"}}",
               NULL, 30000, &job) == SIGRUN_CLIENT_OK);
    EXPECT(is(job, "state", "failed") && is(job, "exit_code", "3") && is(job, "runner.name", "r1") &&
           is(job, "labels.a", "\xc3\xbc\n\""));
    EXPECT(sigrun_json_number(job, "exit_code", -1) == 3 && sigrun_json_number(job, "state", -1) == -1);
    EXPECT(!sigrun_json_text(job, "signal") && !sigrun_json_text(job, "no.such") && !sigrun_json_text(job, "attempts"));
    id = sigrun_json_text(job, "id");
    sigrun_client_free(job);
    EXPECT(sigrun_client_wait(client, id, 1000, &job) == SIGRUN_CLIENT_OK && is(job, "state", "failed"));
    sigrun_client_free(job);
    int pieces = 0;
    EXPECT(sigrun_client_logs(client, id, 0, 1, enough, &pieces) == SIGRUN_CLIENT_STOPPED && pieces == 1);
    EXPECT(sigrun_client_request(client, "GET", "/v1/jobs?limit=1", NULL, 1, &page) == SIGRUN_CLIENT_OK &&
           strstr(page, id));
    sigrun_client_free(page);
    sigrun_client_free(id);
}

static void cancel(const char* id) {
    char* job;
    EXPECT(sigrun_client_wait(client, id, 50, &job) == SIGRUN_CLIENT_TIMEOUT && !is(job, "state", "cancelled"));
    sigrun_client_free(job);
    EXPECT(!strcmp(sigrun_client_error_of(client)->code, "timeout"));
    EXPECT(sigrun_client_cancel(client, id, "1s", &job) == SIGRUN_CLIENT_OK);
    sigrun_client_free(job);
    EXPECT(sigrun_client_wait(client, id, -1, &job) == SIGRUN_CLIENT_OK && is(job, "state", "cancelled"));
    sigrun_client_free(job);
}

static void refused(void) {
    char* job;
    EXPECT(sigrun_client_submit(client, "{\"comand\":[\"true\"]}", NULL, 0, &job) == SIGRUN_CLIENT_REFUSED && !job);
    const sigrun_client_error* e = sigrun_client_error_of(client);
    EXPECT(e->http_status == 400 && !strcmp(e->code, "unknown_field") && !strcmp(e->field, "comand") &&
           strstr(e->expected, "command") && !strcmp(e->found, "\"comand\""));
    EXPECT(sigrun_client_job(client, "00000000-0000-0000-0000-000000000000", &job) == SIGRUN_CLIENT_REFUSED);
    EXPECT(sigrun_client_error_of(client)->http_status == 404);
    EXPECT(sigrun_client_job(client, "../runners", &job) == SIGRUN_CLIENT_REFUSED);
    EXPECT(sigrun_client_request(client, "GET", "v1/jobs", NULL, 1, &job) == SIGRUN_CLIENT_ARGUMENT);
    int pieces = 0;
    EXPECT(sigrun_client_logs(client, "00000000-0000-0000-0000-000000000000", 0, 1, enough, &pieces) ==
               SIGRUN_CLIENT_REFUSED &&
           !pieces);
    EXPECT(!strcmp(sigrun_client_error_of(client)->code, "not_found"));
    EXPECT(sigrun_client_logs(client, "\"", 0, 1, enough, &pieces) == SIGRUN_CLIENT_ARGUMENT);
    sigrun_client* none;
    const char* const urls[] = {"ftp://x", "http://", "unix:x", ""};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; ++i)
        EXPECT(sigrun_client_open(
                   &(sigrun_client_options){.struct_size = sizeof(sigrun_client_options), .url = urls[i]}, &none) ==
                   SIGRUN_CLIENT_ARGUMENT &&
               !none);
    EXPECT(sigrun_client_open(
               &(sigrun_client_options){
                   .struct_size = sizeof(sigrun_client_options), .url = "http://10.0.0.7", .token = "t"},
               &none) == SIGRUN_CLIENT_ARGUMENT);
}

// Texts that are cut off or no JSON: nothing is found, nothing is read beyond the end.
static void damaged(void) {
    const char* const texts[] = {"",
                                 "{",
                                 "{\"a",
                                 "{\"a\"",
                                 "{\"a\":",
                                 "{\"a\":{\"b\":\"",
                                 "{\"a\":\"\\",
                                 "{\"a\":\"\\u12\"}",
                                 "[1]",
                                 "{\"b\":[[,\"a\":1",
                                 "}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        char* copy = strdup(texts[i]);  // on the heap, so that a sanitizer sees its end
        char* found = sigrun_json_text(copy, "a.b");
        EXPECT(!found);
        sigrun_client_free(sigrun_json_text(copy, "a"));
        free(copy);
    }
    EXPECT(!sigrun_json_text(NULL, "a"));
}

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const char* what = argv[2];
    sigrun_client_options options = {.struct_size = sizeof options,
                                     .url = argv[1],
                                     .timeout_ms = 10000,
                                     .token = getenv("CHECK_TOKEN"),
                                     .ca = getenv("CHECK_CA"),
                                     .retry_for_ms = !strcmp(what, "lost") ? 300 : 0};
    EXPECT(sigrun_client_open(&options, &client) == SIGRUN_CLIENT_OK);
    char* job = NULL;
    uint64_t next = 0;
    if (!strcmp(what, "jobs"))
        jobs();
    else if (!strcmp(what, "cancel"))
        cancel(argv[3]);
    else if (!strcmp(what, "refused"))
        refused(), damaged();
    else if (!strcmp(what, "logs"))
        EXPECT(sigrun_client_logs(client, argv[3], 0, 1, write_out, &next) == SIGRUN_CLIENT_OK);
    else if (!strcmp(what, "lost"))
        EXPECT(sigrun_client_request(client, "GET", "/v1/version", NULL, 1, &job) == SIGRUN_CLIENT_LOST);
    else if (!strcmp(what, "same"))
        EXPECT(sigrun_client_submit(client, "{\"command\":[\"true\"]}", argv[3], 0, &job) == SIGRUN_CLIENT_OK);
    else
        return 2;
    if (!strcmp(what, "lost")) printf("%s\n", sigrun_client_error_of(client)->detail);
    sigrun_client_free(job);
    sigrun_client_close(client);
    return 0;
}
