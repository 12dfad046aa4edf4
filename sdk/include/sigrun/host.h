/* sigrun/host.h: what the host gives a plugin. One sigrun_host per plugin generation, valid for the life of the
 * process; after the generation is retired every slot answers SIGRUN_E_CANCELLED. */
#ifndef SIGRUN_HOST_H
#define SIGRUN_HOST_H

#include <sigrun/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sigrun_host sigrun_host;
typedef struct sigrun_link sigrun_link; /* opaque; made and owned by a protocol plugin */

struct sigrun_host {
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor;
    void* ctx;
    uint64_t generation;
    /* [any] The table of a service by id, e.g. "sigrun.host.log/1"; NULL if this host does not offer it. */
    const void* (*get_service)(const sigrun_host* host, sigrun_str id);
    /* [any] Completes an op, exactly once. Takes over the caller's reference to `out` (may be NULL).
     * On success `out` holds what the op's owner documents; on error it may hold problem JSON text. */
    void (*complete)(const sigrun_host* host, sigrun_op op, sigrun_result result, sigrun_buf* out);
};

/* "sigrun.host.log/1": the host's log. Never write to stdout or stderr yourself. */
#define SIGRUN_SVC_LOG "sigrun.host.log/1"
enum { SIGRUN_LOG_ERROR = 1, SIGRUN_LOG_WARNING = 2, SIGRUN_LOG_INFO = 3, SIGRUN_LOG_DEBUG = 4, SIGRUN_LOG_TRACE = 5 };
typedef struct sigrun_svc_log {
    uint32_t struct_size;
    uint32_t reserved;
    uint32_t (*level)(const sigrun_host* host); /* [hot] the most verbose level that is written now */
    /* [any] kv holds n_pairs * 2 strings: key, value, key, value ... */
    void (*write)(const sigrun_host* host, uint32_t level, sigrun_str message, const sigrun_str* kv, uint32_t n_pairs);
} sigrun_svc_log;

/* "sigrun.host.buffer/1": reference-counted buffers. All [any]. */
#define SIGRUN_SVC_BUFFER "sigrun.host.buffer/1"
typedef struct sigrun_svc_buffer {
    uint32_t struct_size;
    uint32_t reserved;
    /* A buffer of length 0 and at least `capacity` bytes, one reference; NULL when out of memory. */
    sigrun_buf* (*create)(const sigrun_host* host, uint64_t capacity);
    void (*retain)(sigrun_buf* buf);
    void (*release)(sigrun_buf* buf);
    /* Pointer, length and capacity; any of the out pointers may be NULL. Writing is for the only holder. */
    sigrun_result (*view)(sigrun_buf* buf, void** ptr, uint64_t* len, uint64_t* capacity);
    sigrun_result (*set_len)(sigrun_buf* buf, uint64_t len); /* E_INVALID above the capacity */
} sigrun_svc_buffer;

/* "sigrun.host.sched/1": the host's threads. */
#define SIGRUN_SVC_SCHED "sigrun.host.sched/1"
enum { SIGRUN_LANE_CTL = 1, SIGRUN_LANE_IO = 2, SIGRUN_LANE_WORK = 3 };
enum { SIGRUN_FD_READ = 1, SIGRUN_FD_WRITE = 2 };
typedef struct sigrun_svc_sched {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] Runs fn(ctx) once on a thread of the lane. */
    sigrun_result (*post)(const sigrun_host* host, uint32_t lane, sigrun_fn fn, void* ctx);
    /* [any] First run after delay_ns, then every period_ns (0 = once), on the io lane. */
    sigrun_result (*timer)(const sigrun_host* host, uint64_t delay_ns, uint64_t period_ns, sigrun_fn fn, void* ctx,
                           uint64_t* id);
    /* [any] Calls cb(ctx, fd, events) on the io lane whenever fd is ready (level-triggered). */
    sigrun_result (*fd_watch)(const sigrun_host* host, int32_t fd, uint32_t events,
                              void (*cb)(void* ctx, int32_t fd, uint32_t events), void* ctx, uint64_t* id);
    /* [any] Ends a timer or watch. done(done_ctx) runs when no call is or will be running; done may be NULL. */
    sigrun_result (*stop)(const sigrun_host* host, uint64_t id, sigrun_fn done, void* done_ctx);
    /* [any] Every thread a plugin creates calls thread_enter first and thread_leave last; the host names and counts
     * it and will not unload the plugin while it lives. */
    sigrun_result (*thread_enter)(const sigrun_host* host, sigrun_str name, uint64_t* token);
    void (*thread_leave)(const sigrun_host* host, uint64_t token);
} sigrun_svc_sched;

/* "sigrun.host.call/1": a protocol plugin hands inbound method calls to the host. All [any]. */
#define SIGRUN_SVC_CALL "sigrun.host.call/1"
typedef struct sigrun_svc_call {
    uint32_t struct_size;
    uint32_t reserved;
    /* Starts a call that arrived on `session` (from sigrun_accept). The host copies `replies` and the texts.
     * OK: answered completely before begin returned, *call is 0. PENDING: more REPLY frames follow until one with
     * FRAME_LAST; *call names it until then. Error: no reply frame was or will be sent; `error` has problem JSON.
     * The first reply may arrive before begin returns. */
    sigrun_result (*begin)(const sigrun_host* host, uint64_t session, const sigrun_call* call,
                           const sigrun_sink* replies, uint64_t* call_id, sigrun_error* error);
    /* The sink said E_BUSY before; there is room again. */
    void (*resume)(const sigrun_host* host, uint64_t call_id);
    /* The caller went away. No reply is or will be running when done(ctx) is called; done may be NULL.
     * What the call started (a job) goes on. A call that has ended already is fine. */
    void (*end)(const sigrun_host* host, uint64_t call_id, sigrun_fn done, void* ctx);
} sigrun_svc_call;

/* "sigrun.host.link/1": turns an accepted connection into a link. */
#define SIGRUN_SVC_LINK "sigrun.host.link/1"
typedef struct sigrun_svc_link {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] `ticket` comes from a REPLY with FRAME_LINK on the same session. On OK the host uses the plugin's
     * link_ops on `link` until it called close and its op completed; *frames is where the plugin delivers what
     * arrives, valid until then. */
    sigrun_result (*adopt)(const sigrun_host* host, uint64_t session, sigrun_str ticket, sigrun_link* link,
                           const sigrun_sink** frames, sigrun_error* error);
} sigrun_svc_link;

/* "sigrun.host.metric/1": numbers for /metrics. */
#define SIGRUN_SVC_METRIC "sigrun.host.metric/1"
typedef struct sigrun_metric sigrun_metric; /* host-owned, lives as long as the sigrun_host */
typedef struct sigrun_svc_metric {
    uint32_t struct_size;
    uint32_t reserved;
    /* [ctl] Same name and labels: same handle. kv = n_pairs * 2 strings. NULL if the name is not
     * [a-zA-Z_:][a-zA-Z0-9_:]* or the host's limit of series is reached. */
    sigrun_metric* (*counter)(const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv,
                              uint32_t n_pairs);
    sigrun_metric* (*gauge)(const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv,
                            uint32_t n_pairs);
    void (*add)(sigrun_metric* metric, double value); /* [any] wait-free; a counter ignores negative values */
    void (*set)(sigrun_metric* metric, double value); /* [any] gauges only */
} sigrun_svc_metric;

#ifdef __cplusplus
}
#endif
#endif
