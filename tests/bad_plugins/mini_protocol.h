/* A protocol that begins with "echo " and sends back what it gets, on the host's io lane. Hooks: RECOGNISE, DETECT, RETIRE
 * (functions), AT_END_OF_CONNECTION (statements). */
#include "mini.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct talk {
    struct talk* next;
    sigrun_op lifetime;
    uint64_t watch;
    int fd;
};
static pthread_mutex_t talks_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct talk* talks;

#ifndef AT_END_OF_CONNECTION
#define AT_END_OF_CONNECTION mini_host->complete(mini_host, lifetime, SIGRUN_OK, NULL);
#endif

static void ended(void* p) {
    struct talk* t = (struct talk*)p;
    const sigrun_op lifetime = t->lifetime;
    close(t->fd);
    free(t);
    (void)lifetime;
    AT_END_OF_CONNECTION
}
/* Only on the io lane; the watch's own function may be what runs. */
static void end(struct talk* t) {
    const sigrun_svc_sched* sched = (const sigrun_svc_sched*)service(SIGRUN_SVC_SCHED);
    struct talk** at;
    pthread_mutex_lock(&talks_mutex);
    for (at = &talks; *at && *at != t; at = &(*at)->next) {
    }
    if (*at) *at = t->next;
    pthread_mutex_unlock(&talks_mutex);
    sched->stop(mini_host, t->watch, ended, t);
}
static void readable(void* p, int32_t fd, uint32_t events) {
    struct talk* t = (struct talk*)p;
    char room[4096];
    const ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0 && send(fd, room, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n) return;
    end(t);
}
static sigrun_result on_accept(sigrun_instance* instance, const sigrun_accept* accept, sigrun_op lifetime) {
    const sigrun_svc_sched* sched = (const sigrun_svc_sched*)service(SIGRUN_SVC_SCHED);
    struct talk* t = (struct talk*)calloc(1, sizeof *t);
    (void)instance;
    if (!t || !SIGRUN_HAS(sched, stop)) {
        free(t);
        return SIGRUN_E_UNSUPPORTED;
    }
    t->fd = accept->fd;
    t->lifetime = lifetime;
    pthread_mutex_lock(&talks_mutex);
    t->next = talks;
    talks = t;
    pthread_mutex_unlock(&talks_mutex);
    sched->fd_watch(mini_host, t->fd, SIGRUN_FD_READ, readable, t, &t->watch);
    return SIGRUN_OK;
}

struct everything_ended {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int done;
};
static void end_all(void* p) {
    struct everything_ended* all = (struct everything_ended*)p;
    while (talks) end(talks);
    /* Behind the ends of the talks, on the same lane. */
    pthread_mutex_lock(&all->mutex);
    all->done += 1;
    pthread_cond_signal(&all->changed);
    pthread_mutex_unlock(&all->mutex);
}
/* [ctl] Waits until the io lane has ended every connection; twice, so that the stops' functions have run as well. */
static void end_connections(void) {
    const sigrun_svc_sched* sched = (const sigrun_svc_sched*)service(SIGRUN_SVC_SCHED);
    struct everything_ended all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    int i;
    if (!SIGRUN_HAS(sched, stop)) return;
    for (i = 1; i <= 2; ++i) {
        if (sched->post(mini_host, SIGRUN_LANE_IO, end_all, &all) < 0) return;
        pthread_mutex_lock(&all.mutex);
        while (all.done < i) pthread_cond_wait(&all.changed, &all.mutex);
        pthread_mutex_unlock(&all.mutex);
    }
}

#ifndef RECOGNISE
#define RECOGNISE recognise
static sigrun_result recognise(sigrun_instance* instance, sigrun_bytes first, uint32_t flags) {
    const uint64_t n = first.len < 5 ? first.len : 5;
    (void)instance;
    (void)flags;
    if (n && memcmp(first.ptr, "echo ", (size_t)n) != 0) return SIGRUN_NOT_MINE;
    return n == 5 ? SIGRUN_OK : SIGRUN_NEED_MORE;
}
#endif
#ifndef RETIRE
#define RETIRE retire
static sigrun_result retire(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done) {
    (void)instance;
    (void)deadline_ns;
    end_connections();
    mini_host->complete(mini_host, done, SIGRUN_OK, NULL);
    return SIGRUN_OK;
}
#endif
#ifndef DETECT
#define DETECT detect
static sigrun_result detect(sigrun_instance* instance, const sigrun_endpoint* endpoint, uint64_t deadline_ns,
                            sigrun_op op) {
    (void)instance;
    (void)endpoint;
    (void)deadline_ns;
    mini_host->complete(mini_host, op, SIGRUN_OK, buffer_of("{\"supported\":false,\"evidence\":\"it only serves\"}"));
    return SIGRUN_PENDING;
}
#endif
static const sigrun_serve mini_serve = {sizeof(sigrun_serve), 0, RECOGNISE, on_accept, NULL, NULL, RETIRE};
static const sigrun_dial mini_dial = {sizeof(sigrun_dial), 0, DETECT, NULL};
static const sigrun_protocol mini_protocol = {
    sizeof(sigrun_protocol), 0, TEXT("bad"), TEXT("bad"), {NULL, 0}, &mini_serve, &mini_dial, NULL};

#define MINI_KIND SIGRUN_KIND_PROTOCOL
#define MINI_TABLE &mini_protocol
#define AT_DRAIN       \
    end_connections(); \
    mini_host->complete(mini_host, done, SIGRUN_OK, NULL);
#define AT_DESTROY end_connections();
#include "mini_plugin.h"
