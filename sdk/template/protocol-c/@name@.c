/* A protocol in C that shares the daemon's port: a client sends one line, "@name@ METHOD {parameters}", and gets the answer
 * of that method of the daemon as JSON; then the connection ends.
 *
 * It has no thread of its own: the host watches the descriptors (io lane). One step of a connection starts the next,
 * so only the list of connections needs a lock:  reading -> calling -> writing -> gone. */
#include <sigrun/protocol.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

SIGRUN_EMIT_NOTE("@id@", "1.0.0", 0);

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }
#define GREETING "@name@ "

enum { LINE_MAX_BYTES = 16 * 1024, ANSWER_MAX_BYTES = 4 * 1024 * 1024, ANSWER_RESERVE = 4096 };

typedef struct protocol protocol;

typedef struct connection {
    struct connection *before, *after;
    protocol* owner;
    int fd;
    uint64_t session, watch;
    sigrun_op lifetime;
    size_t n_line, n_answer, n_sent;
    char* answer;
    char line[LINE_MAX_BYTES];
} connection;

struct protocol {
    sigrun_instance abi; /* first: the host's pointer to it is the pointer to the whole */
    const sigrun_host* host;
    const sigrun_svc_sched* sched;
    const sigrun_svc_call* calls;
    const sigrun_svc_buffer* buffers;
    pthread_mutex_t mutex; /* never held across a call into the host */
    pthread_cond_t changed;
    connection* first;
    sigrun_op drained; /* to complete when the last connection is gone; 0 = none */
    int draining;
};

/* The last step. [any] */
static void gone(void* ctx) {
    connection* c = ctx;
    protocol* self = c->owner;
    const sigrun_host* host = self->host;
    const sigrun_op lifetime = c->lifetime;
    sigrun_op drained = 0;
    pthread_mutex_lock(&self->mutex);
    close(c->fd); /* under the lock: drain shuts down the descriptors of the list */
    if (c->before) c->before->after = c->after;
    if (c->after) c->after->before = c->before;
    if (self->first == c) self->first = c->after;
    if (!self->first) {
        drained = self->drained;
        self->drained = 0;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    free(c->answer);
    free(c);
    /* From here on the instance may be destroyed. */
    host->complete(host, lifetime, SIGRUN_OK, NULL);
    if (drained) host->complete(host, drained, SIGRUN_OK, NULL);
}

/* [io] The socket takes more of the answer. */
static void on_writable(void* ctx, int32_t fd, uint32_t events) {
    connection* c = ctx;
    (void)events;
    while (c->n_sent < c->n_answer) {
        const ssize_t n = send(fd, c->answer + c->n_sent, c->n_answer - c->n_sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n < 0) break; /* the client went away */
        c->n_sent += (size_t)n;
    }
    c->owner->sched->stop(c->owner->host, c->watch, gone, c);
}

/* [io] */
static void begin_writing(void* ctx) {
    connection* c = ctx;
    if (c->owner->sched->fd_watch(c->owner->host, c->fd, SIGRUN_FD_WRITE, on_writable, c, &c->watch) < 0) gone(c);
}

/* [any] After this the connection belongs to the io lane again. Watches are begun there, so that none of its calls comes
 * before its id is known. */
static void start_writing(connection* c) {
    if (c->owner->sched->post(c->owner->host, SIGRUN_LANE_IO, begin_writing, c) < 0) gone(c);
}

static int append(connection* c, const void* bytes, size_t n) {
    char* more = realloc(c->answer, c->n_answer + n + 1);
    if (!more) return 0;
    c->answer = more;
    if (n) memcpy(more + c->n_answer, bytes, n);
    more[c->n_answer + n] = '\n';
    c->n_answer += n;
    return 1;
}

/* [any] One piece of the answer; the last one starts the writing. Touches nothing of the connection after that. */
static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) {
    connection* c = ctx;
    void* payload = NULL;
    uint64_t n_payload = 0;
    const size_t limit = ANSWER_MAX_BYTES + ((frame->flags & SIGRUN_FRAME_LAST) ? ANSWER_RESERVE : 0);
    if (frame->payload) c->owner->buffers->view(frame->payload, &payload, &n_payload, NULL);
    /* Refused as a whole: the host sends an error in its place. */
    if (c->n_answer + frame->json.len + n_payload > limit) return SIGRUN_E_INVALID;
    if (!append(c, frame->json.ptr, (size_t)frame->json.len)) return SIGRUN_E_NOMEM;
    if (frame->json.len) ++c->n_answer; /* the line end that append wrote */
    if (n_payload && !append(c, payload, (size_t)n_payload)) return SIGRUN_E_NOMEM;
    if (frame->flags & SIGRUN_FRAME_LAST) start_writing(c);
    return SIGRUN_OK;
}

/* [io] The line is there, and no read is running any more: hands the call to the host. */
static void on_line(void* ctx) {
    connection* c = ctx;
    const protocol* self = c->owner;
    char* end = memchr(c->line, '\n', c->n_line);
    const char* method = c->line + sizeof GREETING - 1;
    const char* space;
    sigrun_call call;
    sigrun_sink replies;
    char room[1024];
    sigrun_error error;
    uint64_t id = 0;
    if (!end || end < method) { /* no whole line came */
        gone(c);
        return;
    }
    if (end > method && end[-1] == '\r') --end;
    space = memchr(method, ' ', (size_t)(end - method));
    memset(&call, 0, sizeof call);
    call.struct_size = sizeof call;
    call.method.ptr = method;
    call.method.len = (uint64_t)((space ? space : end) - method);
    if (space) {
        call.params.ptr = space + 1;
        call.params.len = (uint64_t)(end - space - 1);
    }
    memset(&replies, 0, sizeof replies);
    replies.struct_size = sizeof replies;
    replies.ctx = c;
    replies.on_frame = on_frame;
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    error.msg = room;
    error.msg_cap = sizeof room;
    if (self->calls->begin(self->host, c->session, &call, &replies, &id, &error) >= 0) return; /* perhaps gone already */
    if (append(c, room, error.msg_len)) ++c->n_answer;
    start_writing(c);
}

/* [io] */
static void on_readable(void* ctx, int32_t fd, uint32_t events) {
    connection* c = ctx;
    const ssize_t n = recv(fd, c->line + c->n_line, sizeof c->line - c->n_line, 0);
    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) c->n_line += (size_t)n;
    /* A whole line, the end of what comes, or more than a line may have: on to the next step, when no read is running. */
    if (n <= 0 || c->n_line == sizeof c->line || memchr(c->line, '\n', c->n_line))
        c->owner->sched->stop(c->owner->host, c->watch, on_line, c);
}

/* [io] */
static void begin_reading(void* ctx) {
    connection* c = ctx;
    if (c->owner->sched->fd_watch(c->owner->host, c->fd, SIGRUN_FD_READ, on_readable, c, &c->watch) < 0) gone(c);
}

/* [io] Pure. */
static sigrun_result recognise(sigrun_instance* instance, sigrun_bytes first, uint32_t flags) {
    const size_t whole = sizeof GREETING - 1, seen = first.len < whole ? (size_t)first.len : whole;
    (void)instance;
    (void)flags;
    if (seen && memcmp(first.ptr, GREETING, seen) != 0) return SIGRUN_NOT_MINE;
    return seen == whole ? SIGRUN_OK : SIGRUN_NEED_MORE;
}

/* [io] The connection is ours from here on, with all its bytes unread. */
static sigrun_result on_accept(sigrun_instance* instance, const sigrun_accept* accept, sigrun_op lifetime) {
    protocol* self = (protocol*)instance;
    connection* c = calloc(1, sizeof *c);
    int draining;
    if (!c) return SIGRUN_E_NOMEM;
    c->owner = self;
    c->fd = accept->fd;
    c->session = accept->session;
    c->lifetime = lifetime;
    pthread_mutex_lock(&self->mutex);
    draining = self->draining;
    if (!draining) {
        c->after = self->first;
        if (self->first) self->first->before = c;
        self->first = c;
    }
    pthread_mutex_unlock(&self->mutex);
    if (draining) {
        free(c);
        return SIGRUN_E_CANCELLED;
    }
    if (self->sched->post(self->host, SIGRUN_LANE_IO, begin_reading, c) < 0) gone(c);
    return SIGRUN_OK;
}

static const sigrun_serve serve = {
    .struct_size = sizeof(sigrun_serve),
    .recognise = recognise,
    .on_accept = on_accept,
};

static const sigrun_protocol table = {
    .struct_size = sizeof(sigrun_protocol),
    .name = TEXT("@name@"),
    .schemes = TEXT("@name@"),
    .serve = &serve,
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
    return is(id, SIGRUN_KIND_PROTOCOL) ? &table : NULL;
}

/* [ctl] Nothing new; who still waits for a line reads its end, and what was asked is answered. */
static sigrun_result drain(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done) {
    protocol* self = (protocol*)instance;
    int empty;
    (void)deadline_ns;
    pthread_mutex_lock(&self->mutex);
    self->draining = 1;
    for (connection* c = self->first; c; c = c->after) shutdown(c->fd, SHUT_RD);
    empty = !self->first;
    if (!empty) self->drained = done;
    pthread_mutex_unlock(&self->mutex);
    if (empty) self->host->complete(self->host, done, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}

/* [ctl] The host lets go of its calls first, so each connection comes to its end. */
static void destroy(sigrun_instance* instance) {
    protocol* self = (protocol*)instance;
    pthread_mutex_lock(&self->mutex);
    for (connection* c = self->first; c; c = c->after) shutdown(c->fd, SHUT_RDWR);
    while (self->first) pthread_cond_wait(&self->changed, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static sigrun_result create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error) {
    const sigrun_str sched = TEXT(SIGRUN_SVC_SCHED), calls = TEXT(SIGRUN_SVC_CALL), buffers = TEXT(SIGRUN_SVC_BUFFER);
    protocol* made;
    (void)config;
    if (!is(component, "@name@")) return refuse(error, SIGRUN_E_NOT_FOUND, "component: expected @name@");
    made = calloc(1, sizeof *made);
    if (!made) return refuse(error, SIGRUN_E_NOMEM, "out of memory");
    made->abi.struct_size = sizeof made->abi;
    made->abi.get_interface = get_interface;
    made->abi.drain = drain;
    made->abi.destroy = destroy;
    made->host = host;
    made->sched = host->get_service(host, sched);
    made->calls = host->get_service(host, calls);
    made->buffers = host->get_service(host, buffers);
    /* By the last slot that is used: an older host's table may end before it. */
    if (!SIGRUN_HAS(made->sched, stop) || !SIGRUN_HAS(made->calls, begin) || !SIGRUN_HAS(made->buffers, view)) {
        free(made);
        return refuse(error, SIGRUN_E_UNSUPPORTED, "the host lacks one of the services sched/1, call/1, buffer/1");
    }
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
    *out = &made->abi;
    return SIGRUN_OK;
}

static const sigrun_component components[] = {{
    .struct_size = sizeof(sigrun_component),
    .id = TEXT("@name@"),
    .kind = TEXT(SIGRUN_KIND_PROTOCOL),
    .doc = TEXT("One method call per line"),
}};

static const sigrun_entry entry = {
    .struct_size = sizeof(sigrun_entry),
    .abi_major = SIGRUN_ABI_MAJOR,
    .abi_minor = SIGRUN_ABI_MINOR,
    .id = TEXT("@id@"),
    .version = TEXT("1.0.0"),
    .doc = TEXT("One method call per line"),
    .n_components = 1,
    .components = components,
    .create = create,
};

const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    return hello && hello->abi_major == SIGRUN_ABI_MAJOR ? &entry : NULL;
}
