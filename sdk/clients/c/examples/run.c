/* Runs a command on a fleet, shows its output, and exits with its code:  run URL WORD... */
#include <sigrun/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(void* user, const char* stream, uint64_t offset, const char* data, size_t length) {
    (void)user;
    (void)offset;
    FILE* out = strcmp(stream, "stderr") ? stdout : stderr;
    if (!data) return fprintf(stderr, "(%zu bytes are not kept)\n", length) < 0;
    return fwrite(data, 1, length, out) != length;
}

/* {"command":["...", ...]}; room for every character as \u00xx. */
static char* document_of(char** words) {
    size_t room = 16;
    for (char** word = words; *word; ++word) room += 6 * strlen(*word) + 3;
    char *text = malloc(room), *at = text;
    if (!text) return NULL;
    at += sprintf(at, "{\"command\":[");
    for (char** word = words; *word; ++word) {
        at += sprintf(at, word == words ? "\"" : ",\"");
        for (const char* c = *word; *c; ++c)
            at += (unsigned char)*c < 0x20 || *c == '"' || *c == '\\' ? sprintf(at, "\\u%04x", (unsigned)*c)
                                                                      : sprintf(at, "%c", *c);
        at += sprintf(at, "\"");
    }
    sprintf(at, "]}");
    return text;
}

int main(int argc, char** argv) {
    if (argc < 3) return fprintf(stderr, "usage: run URL WORD...\n"), 2;
    sigrun_client* client;
    sigrun_client_options options = {
        .struct_size = sizeof options, .url = argv[1], .token = getenv("SIGRUN_TOKEN"), .ca = getenv("SIGRUN_CA")};
    if (sigrun_client_open(&options, &client) != SIGRUN_CLIENT_OK)
        return fprintf(stderr, "run: not an url for it: %s\n", argv[1]), 2;
    char *document = document_of(argv + 2), *job = NULL, *id = NULL;
    sigrun_client_status status =
        document ? sigrun_client_submit(client, document, NULL, 0, &job) : SIGRUN_CLIENT_ARGUMENT;
    if (status == SIGRUN_CLIENT_OK) {
        id = sigrun_json_text(job, "id");
        sigrun_client_free(job);
        job = NULL;
        status = sigrun_client_logs(client, id, 0, 1, show, NULL);
    }
    if (status == SIGRUN_CLIENT_OK) status = sigrun_client_wait(client, id, -1, &job);
    int code = 1;
    if (status == SIGRUN_CLIENT_OK)
        code = (int)sigrun_json_number(job, "exit_code", 1);
    else
        fprintf(stderr, "run: %s\n", sigrun_client_error_of(client)->detail);
    sigrun_client_free(id);
    sigrun_client_free(job);
    free(document);
    sigrun_client_close(client);
    return code;
}
