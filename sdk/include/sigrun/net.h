/* sigrun/net.h: service "sigrun.host.net/1": the host opens connections for plugins. Name lookup, several addresses of one name,
 * proxies, TLS and the operator's security policy are the host's, so that every protocol has them alike, and a policy cannot be
 * gone around by choosing another protocol. What a plugin gets is a socket with plain bytes, encrypted or not.
 *
 * Accepted connections are the same from the other side: under TLS the host has done the handshake, and the fd of
 * sigrun_accept (with SIGRUN_ACCEPT_TLS) carries what was decrypted. */
#ifndef SIGRUN_NET_H
#define SIGRUN_NET_H

#include <sigrun/host.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SIGRUN_NET_TLS = 1 /* target: TLS with the peer's name verified; connection: it is encrypted */,
    SIGRUN_NET_UNIX = 2 /* connection: to a UNIX socket of this host */
};

/* Where to; borrowed for the call. */
typedef struct sigrun_net_target {
    uint32_t struct_size;
    uint32_t flags;     /* SIGRUN_NET_TLS */
    sigrun_str address; /* "host:port", "192.0.2.1:port", "[2001:db8::1]:port", "unix:/path" */
    sigrun_str
        alpn; /* with TLS: comma separated, best first; a peer that takes none of them is an error. Empty: no ALPN */
    sigrun_str
        options; /* the endpoint's options (sigrun_endpoint.options): the host reads its member "tls"; may be empty */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0 = the host's own limit */
} sigrun_net_target;

/* What was opened; the texts are borrowed for the call of `done`. */
typedef struct sigrun_connection {
    uint32_t struct_size;
    int32_t fd;     /* stream socket, non-blocking, close-on-exec; belongs to the receiver */
    uint32_t flags; /* SIGRUN_NET_* */
    uint32_t reserved;
    uint64_t connect_ns; /* from the first packet to the end of the last handshake, name lookup not counted */
    sigrun_str alpn;     /* what the peer chose; empty = none */
    sigrun_str peer;     /* "192.0.2.1:443", "unix" */
} sigrun_connection;

/* result OK: `connection` is set. Else `error` says why, in words, and connection is NULL. E_TIMEOUT: the deadline passed.
 * E_DENIED: the certificate, or a policy that forbids this target. E_IO: nothing answers, or the connection broke.
 * E_NOT_FOUND: the name does not exist. E_CANCELLED: given up. */
typedef void (*sigrun_dialled)(void* ctx, sigrun_result result, const sigrun_connection* connection,
                               const sigrun_error* error);

#define SIGRUN_SVC_NET "sigrun.host.net/1"
typedef struct sigrun_svc_net {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] OK: done(ctx, ...) is called exactly once, on a thread of the host, perhaps before dial returned; it must not
     * block. E_INVALID: the target cannot be understood, `error` names the field; E_BUSY: too many at once; done is not called. */
    sigrun_result (*dial)(const sigrun_host* host, const sigrun_net_target* target, sigrun_dialled done, void* ctx,
                          uint64_t* id, sigrun_error* error);
    /* [any] Gives up: done is called soon with E_CANCELLED, unless it was called or is being called with something else. */
    void (*cancel)(const sigrun_host* host, uint64_t id);
} sigrun_svc_net;

#ifdef __cplusplus
}
#endif
#endif
