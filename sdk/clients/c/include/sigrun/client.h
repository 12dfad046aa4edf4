/* sigrun/client.h: a client of a Sigrun daemon in C, over HTTP with libcurl.
 *
 * Documents (JOB, RUNNER, problems: kernel/serve/README.md) are JSON text, UTF-8, ended by a zero byte: what is asked for is handed over as
 * such, what comes back is as well, so that a new field of the API needs no new function. sigrun_json_text() and sigrun_json_number() look
 * into them; any JSON library does too.
 *
 * Threads: a client belongs to one thread at a time. Several clients are independent of each other.
 * Ownership: what comes back through `char **` belongs to the caller, who ends it with sigrun_client_free(). Arguments are only read.
 * Errors: every call answers a sigrun_client_status; sigrun_client_error_of() has the words until the next call with that client.
 * Repeating: requests that may be made twice are made again when the connection breaks, when the daemon is busy or cannot store (429, 503),
 *   or when something in between answers for it (502, 504), with growing pauses, until retry_for_ms have passed. A submit has an idempotency
 *   key, so a repeated one makes one job.
 *
 *   cc program.c $(pkg-config --cflags --libs sigrun-client)
 */
#ifndef SIGRUN_CLIENT_H
#define SIGRUN_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sigrun_client sigrun_client;

typedef enum sigrun_client_status {
    SIGRUN_CLIENT_OK = 0,
    SIGRUN_CLIENT_REFUSED = 1,  /* the daemon said no: sigrun_client_error has its code, and what field was wrong */
    SIGRUN_CLIENT_LOST = 2,     /* it was not reached for retry_for_ms */
    SIGRUN_CLIENT_TIMEOUT = 3,  /* the job has not ended in time; it goes on */
    SIGRUN_CLIENT_ARGUMENT = 4, /* an argument or an answer that cannot be, or no memory */
    SIGRUN_CLIENT_STOPPED = 5   /* the sink wanted no more */
} sigrun_client_status;

/* Of the last call that was not OK. Texts are "" where nothing is known; valid until the next call with that client. */
typedef struct sigrun_client_error {
    long http_status;   /* 0: none came */
    const char* code;   /* invalid unknown_field not_found conflict unauthenticated forbidden busy unavailable ... */
    const char* detail; /* a sentence */
    const char *field, *expected, *found;
} sigrun_client_error;

/* All may be NULL or 0. */
typedef struct sigrun_client_options {
    size_t struct_size;      /* sizeof(sigrun_client_options) */
    const char* url;         /* http://HOST:PORT, https://HOST:PORT or unix:/PATH; NULL: http://127.0.0.1:7070 */
    const char* token;       /* not sent to another machine without https */
    const char* ca;          /* PEM file of the authorities the daemon is believed by; NULL: the system's */
    const char* certificate; /* PEM file of a client certificate */
    const char* key;         /* PEM file of its key */
    long timeout_ms;         /* for connecting, and for each answer; 0: 30000 */
    long retry_for_ms;       /* 0: 30000; negative: nothing is made again */
} sigrun_client_options;

/* A client; nothing is sent yet. ARGUMENT: the url is none of the above, a token would go in the clear, or no memory; *out is NULL. */
sigrun_client_status sigrun_client_open(const sigrun_client_options* options, sigrun_client** out);
/* NULL is fine. */
void sigrun_client_close(sigrun_client* client);
const sigrun_client_error* sigrun_client_error_of(const sigrun_client* client);
/* Ends a text that came back; NULL is fine. */
void sigrun_client_free(char* text);

/* The new JOB. `document`: a job document, {"command":["make","test"]}. `key`: idempotency key, or NULL for one that is made up. `wait_ms`:
 * 0, or answer when the job has ended, or after that time, whichever is first; then `state` of the JOB says which. */
sigrun_client_status sigrun_client_submit(sigrun_client* client, const char* document, const char* key, long wait_ms,
                                          char** job);
/* The JOB as it is now. */
sigrun_client_status sigrun_client_job(sigrun_client* client, const char* id, char** job);
/* The JOB once it has ended: asked for again and again, once a second at last. TIMEOUT after timeout_ms, with the JOB as it is then; negative:
 * waits for ever. */
sigrun_client_status sigrun_client_wait(sigrun_client* client, const char* id, long timeout_ms, char** job);
/* Asks for its end: TERM, and KILL after `grace` ("10s"; NULL: the daemon's). The JOB, which may still be running. */
sigrun_client_status sigrun_client_cancel(sigrun_client* client, const char* id, const char* grace, char** job);

/* Takes some output: `stream` is stdout, stderr or system; `offset` counts all bytes that the job's attempts wrote. Bytes that are not kept
 * are told with data NULL and their number as length. Called by the thread that called sigrun_client_logs; must not use that client.
 * Other than 0: no more, which ends the call with STOPPED. */
typedef int (*sigrun_client_sink)(void* user, const char* stream, uint64_t offset, const char* data, size_t length);
/* Output of a job from `offset` on; with `follow` until the job has ended. Goes on over broken connections, no byte twice. */
sigrun_client_status sigrun_client_logs(sigrun_client* client, const char* id, uint64_t offset, int follow,
                                        sigrun_client_sink sink, void* user);

/* Any request: `verb` GET, POST or DELETE, `path` with its query, such as /v1/runners?limit=10. `document` NULL: no body. `repeatable` other
 * than 0: doing it twice is the same as once. */
sigrun_client_status sigrun_client_request(sigrun_client* client, const char* verb, const char* path,
                                           const char* document, int repeatable, char** answer);

/* The member `path` of a JSON object, of inner objects with dots: "runner.name". Text without its escapes; numbers, true and false as they
 * are written; NULL: there is none, it is null, or an object or array. */
char* sigrun_json_text(const char* json, const char* path);
/* The same as a number; `otherwise` where it is none. */
double sigrun_json_number(const char* json, const char* path, double otherwise);

#ifdef __cplusplus
}
#endif
#endif
