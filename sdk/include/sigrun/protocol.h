/* sigrun/protocol.h: interface "sigrun.protocol/1". A protocol plugin has two faces, either may be NULL:
 * `serve` takes connections that the host accepted, `dial` opens connections. What both end in is a link.
 *
 * Life of a link. The host gets one from `dial->open` or `adopt`. From then on:
 *   host -> plugin: execute, cancel, send ...       [any], until close
 *   plugin -> host: frames to the link's sink       [any], not overlapping, until BYE with FRAME_LAST
 * The host calls close exactly once, also for a link that died by itself; when its op completes, the plugin has
 * freed the link and the sink is silent. */
#ifndef SIGRUN_PROTOCOL_H
#define SIGRUN_PROTOCOL_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_PROTOCOL "sigrun.protocol/1"

/* Where to dial. */
typedef struct sigrun_endpoint {
    uint32_t struct_size;
    uint32_t flags;     /* reserved, 0 */
    sigrun_str uri;     /* "valkyrie://host:port", "valkyrie+unix:///path", "http://...": a scheme of this protocol */
    sigrun_str profile; /* "" = native Sigrun session; "rustci" = legacy HTTP contract */
    sigrun_str options; /* JSON object with per-runner settings, may be empty */
    uint64_t reserved;
} sigrun_endpoint;

/* A connection the host accepted. All bytes are still unread in fd, a stream socket. */
typedef struct sigrun_accept {
    uint32_t struct_size;
    int32_t fd;       /* non-blocking, close-on-exec */
    uint32_t flags;   /* SIGRUN_ACCEPT_* */
    uint32_t uid;     /* peer's user id when SIGRUN_ACCEPT_UNIX */
    uint64_t session; /* names the connection in calls and adopt */
    sigrun_str peer;  /* "127.0.0.1:43210", "unix" */
    sigrun_str local;
    sigrun_str alpn; /* what the host agreed on in the TLS handshake; empty on plain connections and without ALPN */
} sigrun_accept;
enum { SIGRUN_ACCEPT_UNIX = 1, SIGRUN_ACCEPT_TLS = 2 /* encrypted by the host: fd carries what was decrypted */ };

typedef struct sigrun_serve {
    uint32_t struct_size;
    uint32_t reserved;
    /* [io] Pure. Are these first bytes of a connection mine? OK, NOT_MINE or NEED_MORE. */
    sigrun_result (*recognise)(sigrun_instance* instance, sigrun_bytes first, uint32_t flags);
    /* [io] On OK the plugin owns fd and completes `lifetime` when the connection has ended. */
    sigrun_result (*on_accept)(sigrun_instance* instance, const sigrun_accept* accept, sigrun_op lifetime);
    /* [ctl] Optional: give an idle connection back for a newer generation, and take one over. */
    sigrun_result (*handoff_out)(sigrun_instance* instance, sigrun_op lifetime, int32_t* fd, sigrun_buf* state,
                                 sigrun_error* error);
    sigrun_result (*handoff_in)(sigrun_instance* instance, const sigrun_accept* accept, sigrun_bytes state,
                                sigrun_op lifetime, sigrun_error* error);
    /* [ctl] Optional. A newer generation accepts from now on, and this one goes without losing a call: each connection's
     * peer is told once to bring new calls elsewhere (BYE with "reconnect", or what the protocol has for it, such as
     * "Connection: close" on the next answer); calls that still arrive are served; a connection ends with its last call
     * or when the peer closes it. What is left at deadline_ns is cut. OK: `done` completes when no connection and no link
     * is left. E_*: nothing happened. NULL: the host waits until the connections have ended by themselves. */
    sigrun_result (*retire)(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done);
} sigrun_serve;

typedef struct sigrun_dial {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] Finds out whether the endpoint speaks this protocol, without side effect there. Completes op with OK and
     * JSON {"supported":bool,"version":"","latency_us":n,"features":[],"evidence":""}; numbers are measured or left out. A
     * silent or other peer: OK, supported=false, the reason as evidence, "reached":false if there was no connection. */
    sigrun_result (*detect)(sigrun_instance* instance, const sigrun_endpoint* endpoint, uint64_t deadline_ns,
                            sigrun_op op);
    /* [any] Opens a link. *link is valid at once but must not be used before op completed with OK; when op completes
     * with an error the plugin has freed it and close must not be called. `frames` is copied.
     * deadline: the plugin's option connect_timeout. */
    sigrun_result (*open)(sigrun_instance* instance, const sigrun_endpoint* endpoint, const sigrun_sink* frames,
                          sigrun_op op, sigrun_link** link);
} sigrun_dial;

/* All [any]: may run on another plugin's thread; hop to your own loop if you must. Slots that a protocol cannot
 * offer are NULL. Callers of one link may overlap; frames of one attempt keep their order. */
typedef struct sigrun_link_ops {
    uint32_t struct_size;
    uint32_t reserved;
    /* Gives an OFFER to the runner. OK: on its way; the answer is an ACK frame (or a STATE). E_BUSY, E_IO: not sent. */
    sigrun_result (*execute)(sigrun_link* link, const sigrun_frame* offer);
    /* Resumes watching a running attempt from log_offset; op: OK = the runner still has it, E_NOT_FOUND = it has not. */
    sigrun_result (*attach)(sigrun_link* link, const sigrun_attempt* attempt, uint64_t log_offset, sigrun_op op);
    /* Ends an attempt: TERM, grace, KILL. Answered by a final STATE. E_UNSUPPORTED: this runner cannot cancel. */
    sigrun_result (*cancel)(sigrun_link* link, const sigrun_attempt* attempt, uint64_t grace_ns);
    /* op: OK with facts as JSON {"facts":[...], "slots":n}. */
    sigrun_result (*describe)(sigrun_link* link, sigrun_op op);
    /* One round trip on the stream that carries work; op: OK with JSON {"rtt_ns":n}. */
    sigrun_result (*ping)(sigrun_link* link, sigrun_op op);
    /* Any other frame: ACK, LOG, STATE, BEAT, DRAIN, BYE, HELLO. E_BUSY = window full. */
    sigrun_result (*send)(sigrun_link* link, const sigrun_frame* frame);
    /* The dialling side calls a method of the other side; `replies` is copied. op: completed after the LAST reply was
     * delivered (OK), or with the transport's error. */
    sigrun_result (*call)(sigrun_link* link, const sigrun_call* call, const sigrun_sink* replies, sigrun_op op);
    void (*close)(sigrun_link* link, sigrun_result why, sigrun_op op);
} sigrun_link_ops;

enum { SIGRUN_PROTOCOL_FOREIGN = 1 /* runners of this protocol speak no session frames */ };

typedef struct sigrun_protocol {
    uint32_t struct_size;
    uint32_t flags;
    sigrun_str name;    /* "valkyrie" */
    sigrun_str schemes; /* comma separated: "http,https" */
    sigrun_str alpn;    /* comma separated; empty = none */
    const sigrun_serve* serve;
    const sigrun_dial* dial;
    const sigrun_link_ops* link;
} sigrun_protocol;

#ifdef __cplusplus
}
#endif
#endif
