/* What the files of the client share. */
#ifndef SIGRUN_CLIENT_SOURCE_CLIENT_H
#define SIGRUN_CLIENT_SOURCE_CLIENT_H

#include <sigrun/client.h>

#include <curl/curl.h>
#include <stdint.h>

enum { k_texts = 5 };

struct sigrun_client {
    CURL* curl; /* keeps the connection between requests */
    char *base, *socket, *token, *ca, *certificate, *key;
    long timeout_ms, retry_for_ms;
    char curl_words[CURL_ERROR_SIZE];
    char* texts[k_texts]; /* what `error` points at */
    sigrun_client_error error;
};

/* Bytes that grow, with a zero byte behind them. */
typedef struct client_text {
    char* data;
    size_t length, room;
} client_text;

/* When the next try of one request is due. */
typedef struct client_retry {
    int64_t end; /* 0: there is none */
    long pause;
} client_retry;

void client_retry_begin(client_retry* retry, const sigrun_client* c, int repeatable);
/* Waits for it, at least so many ms; 0: the time is over. */
int client_retry_wait(client_retry* retry, long at_least);
int client_worth_another_try(long status, const char* answer);

char* client_format(const char* format, ...) __attribute__((format(printf, 1, 2)));
/* A part of a path or query: nothing of it can mean another. */
char* client_quoted(sigrun_client* c, const char* text);
/* A curl write function into a client_text. */
size_t client_collect(char* data, size_t size, size_t count, void* user);
/* Everything of a request but where its answer goes. `timeout_ms` 0: it may last. The caller frees the headers after the request. */
sigrun_client_status client_prepare(sigrun_client* c, const char* verb, const char* path, const char* document,
                                    const char* key, long timeout_ms, struct curl_slist** headers);

sigrun_client_status client_argument(sigrun_client* c, const char* detail);
sigrun_client_status client_lost(sigrun_client* c, CURLcode code);
sigrun_client_status client_refused(sigrun_client* c, long status, const char* problem);

#endif
