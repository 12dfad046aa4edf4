/* An executor that runs {"command":[...]} as one process and waits for it on the worker thread. It has no shim, so what
 * that process leaves behind lives on. Hooks: CANCEL_SIGNAL, ERROR_TEXT, TAKES_ALL, TAKE_DESCENDANTS (kills all that is
 * left when the process has ended). */
#include "mini.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CANCEL_SIGNAL
#define CANCEL_SIGNAL SIGKILL
#endif
#ifndef ERROR_TEXT
#define ERROR_TEXT "{\"class\":\"user\",\"code\":\"invalid\",\"message\":\"no such document\"}"
#endif
#ifndef TAKES_ALL
#define TAKES_ALL 0
#endif
#ifndef TAKE_DESCENDANTS
#define TAKE_DESCENDANTS 0
#endif

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pid_t running;
static int cancelled;

/* The quoted texts behind "command":[ as argv; 0 of them: not such a document. */
static int read_command(sigrun_str json, char* room, size_t size, char** argv, int most) {
    const char* at;
    int n = 0;
    if (json.len >= size) return 0;
    memcpy(room, json.ptr, (size_t)json.len);
    room[json.len] = '\0';
    at = strstr(room, "\"command\":[");
    if (!at) return 0;
    for (at += 11; n < most && (at = strchr(at, '"'));) {
        char* close = strchr(at + 1, '"');
        if (!close) return 0;
        *close = '\0';
        argv[n++] = (char*)at + 1;
        at = close + 1;
    }
    argv[n] = NULL;
    return n;
}

/* Everything whose parent is this process now: with a subreaper, whatever the task left. */
static void take_descendants(void) {
    char name[300], line[512];
    struct dirent* e;
    DIR* dir = opendir("/proc");
    while (dir && (e = readdir(dir))) {
        FILE* in;
        if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
        snprintf(name, sizeof name, "/proc/%s/stat", e->d_name);
        in = fopen(name, "r");
        if (!in) continue;
        if (fgets(line, sizeof line, in)) {
            const char* close = strrchr(line, ')');
            if (close && atoi(close + 4) == (int)getpid()) {
                kill((pid_t)atoi(e->d_name), SIGKILL);
                waitpid((pid_t)atoi(e->d_name), NULL, 0);
            }
        }
        fclose(in);
    }
    if (dir) closedir(dir);
}

static sigrun_result run(sigrun_instance* instance, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op) {
    char room[4096];
    char* argv[16];
    int status = 0;
    pid_t child = -1;
    const int n = TAKES_ALL ? 0 : read_command(task->json, room, sizeof room, argv, 15);
    (void)instance;
    pthread_mutex_lock(&mutex);
    cancelled = 0;
    if (n) child = running = fork();
    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    pthread_mutex_unlock(&mutex);
    if (child > 0) send_facts(sink, "{\"state\":\"running\"}");
    if (child > 0) waitpid(child, &status, 0);
    if (TAKE_DESCENDANTS) take_descendants();
    pthread_mutex_lock(&mutex);
    running = 0;
    pthread_mutex_unlock(&mutex);
    if (TAKES_ALL || (child > 0 && !cancelled && WIFEXITED(status) && WEXITSTATUS(status) == 0))
        mini_host->complete(mini_host, op, SIGRUN_OK, buffer_of("{\"exit_code\":0,\"signal\":null}"));
    else
        mini_host->complete(mini_host, op, cancelled ? SIGRUN_E_CANCELLED : SIGRUN_E_INVALID,
                            (ERROR_TEXT) != NULL ? buffer_of(ERROR_TEXT) : NULL);
    return SIGRUN_PENDING;
}
static sigrun_result cancel(sigrun_instance* instance, sigrun_op op, uint64_t grace_ns) {
    (void)instance;
    (void)op;
    (void)grace_ns;
    pthread_mutex_lock(&mutex);
    cancelled = 1;
    if (running > 0) kill(running, CANCEL_SIGNAL);
    pthread_mutex_unlock(&mutex);
    return SIGRUN_OK;
}
static const sigrun_executor mini_executor = {
    .struct_size = sizeof(sigrun_executor), .kinds = TEXT("process"), .run = run, .cancel = cancel};

#define MINI_KIND SIGRUN_KIND_EXECUTOR
#define MINI_TABLE &mini_executor
#include "mini_plugin.h"
