/* sigrun/base.h: the words every Sigrun plugin and the host share.
 *
 * Part of the Sigrun plugin ABI, major 1. C11; also valid C17 and C++17/20.
 *
 * Rules that hold for every header of this folder:
 *  - Every table begins with `uint32_t struct_size`. Slots are appended, never reordered, retyped or reused.
 *    A reader asks SIGRUN_HAS(table, slot) before it uses a slot that may be missing.
 *  - Strings and bytes are {ptr, len}, borrowed for the duration of the call. To keep one, copy it.
 *  - Nobody frees what the other side allocated. Larger data travels in a reference-counted sigrun_buf.
 *  - No exception, longjmp, FILE*, errno, locale or C++ type crosses the border.
 *
 * Thread tags in comments:
 *   [ctl]   the host's control thread; serial per plugin; may block until its deadline
 *   [io]    a host I/O thread; must never block
 *   [work]  a host pool thread; may block until its deadline
 *   [hot]   lock-free: no allocation, no system call, no call into the host
 *   [any]   any thread, also several at once; must never block
 * A call into the host may call back into the same plugin on the same stack: hold no lock of the plugin across it.
 */
#ifndef SIGRUN_BASE_H
#define SIGRUN_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_ABI_MAJOR 1
#define SIGRUN_ABI_MINOR 1

/* Outcome of a call: 0 = done, < 0 = error, > 0 = information. */
typedef int32_t sigrun_result;

enum {
    SIGRUN_OK = 0,
    SIGRUN_PENDING = 1,   /* accepted; the op will be completed later, exactly once */
    SIGRUN_NEED_MORE = 2, /* recognise(): not enough bytes to tell */
    SIGRUN_NOT_MINE = 3,  /* recognise(): certainly another protocol */

    SIGRUN_E_INVALID = -1,     /* an argument is wrong; the text names it */
    SIGRUN_E_UNSUPPORTED = -2, /* this implementation cannot do it, ever */
    SIGRUN_E_BUSY = -3,        /* a queue or window is full; try again after retry_after_ms or resume */
    SIGRUN_E_TIMEOUT = -4,
    SIGRUN_E_CANCELLED = -5,
    SIGRUN_E_NOMEM = -6,
    SIGRUN_E_CONFIG = -7, /* configuration value refused; the text names key, expected, found */
    SIGRUN_E_IO = -8,     /* the operating system or the peer failed */
    SIGRUN_E_NOT_FOUND = -9,
    SIGRUN_E_DENIED = -10, /* authentication or permission */
    SIGRUN_E_FENCED = -11, /* a newer owner exists; stop writing */
    SIGRUN_E_EXISTS = -12,
    SIGRUN_E_INTERNAL = -99
};

/* Borrowed UTF-8 text, not NUL-terminated. ptr may be NULL only if len is 0. */
typedef struct sigrun_str {
    const char* ptr;
    uint64_t len;
} sigrun_str;

/* Borrowed bytes. ptr may be NULL only if len is 0. */
typedef struct sigrun_bytes {
    const void* ptr;
    uint64_t len;
} sigrun_bytes;

/* Caller-owned room for the text of a failure. The callee writes at most msg_cap bytes to msg, sets msg_len and
 * code, and optionally retry_after_ms. A message names the field, what was expected and what was found.
 * Any pointer to a sigrun_error may be NULL: the caller does not want the text. */
typedef struct sigrun_error {
    uint32_t struct_size;
    int32_t code;
    uint32_t retry_after_ms;
    uint32_t msg_cap;
    uint32_t msg_len;
    uint32_t reserved;
    char* msg;
} sigrun_error;

/* A host-owned, reference-counted byte buffer; handled through the service "sigrun.host.buffer/1". */
typedef struct sigrun_buf sigrun_buf;

/* Token of one asynchronous operation. The host mints it, the callee completes it exactly once through
 * sigrun_host.complete, from any thread, possibly before the starting call returns. 0 = no operation.
 * If the starting call returns an error, the op is void and must not be completed. */
typedef uint64_t sigrun_op;

typedef void (*sigrun_fn)(void* ctx);

/* True if `table` is there, large enough to hold `slot`, and the slot is set. */
#ifdef __cplusplus
#define SIGRUN_TYPEOF(x) decltype(x)
#else
#define SIGRUN_TYPEOF(x) __typeof__(x)
#endif
#define SIGRUN_HAS(table, slot)                                                                    \
    ((table) != NULL &&                                                                            \
     (uint64_t)(table)->struct_size >=                                                             \
         (uint64_t)((const char*)&(table)->slot - (const char*)(table)) + sizeof((table)->slot) && \
     (table)->slot)

/* ---- Session frames -------------------------------------------------------------------------------------
 * What travels between a controller and a runner, the same on every native protocol: a protocol is only framing.
 * "Link" = a live way to one runner over one protocol, whoever dialled.
 *
 * kind     direction       attempt  content
 * HELLO    to controller   -        json {"facts":[...], "inventory_hash":"..", "slots":n}: facts changed after registration;
 *                                   with "inventory":[...] the answer to an empty HELLO of the controller
 * OFFER    to runner       yes      json = the job document; payload = the opaque payload of a `call` job
 * ACK      both            yes      stream = kind acknowledged (OFFER, LOG, STATE, ARTIFACT).
 *                                   OFFER: accepted, or with FRAME_ERROR refused, json {"code","message"},
 *                                   and "final":true where it would be refused whenever it came.
 *                                   LOG: offset = bytes stored so far. STATE: the final state is durable.
 *                                   ARTIFACT: offset = where to go on, perhaps beyond what was sent; with FRAME_ERROR they
 *                                   are not taken, json {"class","code","message"}
 * LOG      to controller   yes      offset = first byte in this attempt's log, stream 1 stdout / 2 stderr / 0 system,
 *                                   time_ns = wall clock, payload <= 64 KiB. With stream 3 the bytes of artifacts: offset =
 *                                   first byte in all artifacts of the attempt, one after another
 * STATE    to controller   yes      json {"state","exit_code","signal","failure","usage"}; FRAME_LAST = final;
 *                                   offset = log length; payload = result of a `call`. A final STATE with empty json
 *                                   means succeeded with exit code 0. It implies the ACK of the OFFER.
 *                                   {"state":"uploading","artifacts":[{"name","size","sha256"}]}, the state first: what the
 *                                   job has left; bytes follow once an ACK of ARTIFACT has told where to begin
 * BEAT     both            -        json {"free":n,"live":n,...}; proves life and renews leases
 * CANCEL   to runner       yes      time_ns = grace in nanoseconds between TERM and KILL; json {"reason"}; answered by STATE
 * DRAIN    both            -        json {"reason","deadline_ms"}: no new OFFER
 * BYE      both            -        json {"reason"}; with FRAME_LAST: the link is gone, no frame follows;
 *                                   a plugin delivers BYE|LAST to the link's sink exactly once.
 *                                   From the accepting side with "reconnect":true and without LAST: this link goes on, but
 *                                   open another one soon, bring new calls there, and then close this one
 * REPLY    to a caller     -        answer of a method call; FRAME_LAST ends it, FRAME_ERROR marks problem json
 */
enum {
    SIGRUN_HELLO = 1,
    SIGRUN_OFFER = 2,
    SIGRUN_ACK = 3,
    SIGRUN_LOG = 4,
    SIGRUN_STATE = 5,
    SIGRUN_BEAT = 6,
    SIGRUN_CANCEL = 7,
    SIGRUN_DRAIN = 8,
    SIGRUN_BYE = 9,
    SIGRUN_ARTIFACT = 10, /* in ACK alone: these bytes travel in LOG */
    SIGRUN_REPLY = 32
};

enum {
    SIGRUN_FRAME_LAST = 1,
    SIGRUN_FRAME_ERROR = 2,
    /* On a REPLY: json has a member "ticket"; the plugin wraps this connection as a sigrun_link and adopts it
     * (service "sigrun.host.link/1") right after it queued the reply. */
    SIGRUN_FRAME_LINK = 4
};

enum { SIGRUN_STREAM_SYSTEM = 0, SIGRUN_STREAM_STDOUT = 1, SIGRUN_STREAM_STDERR = 2, SIGRUN_STREAM_ARTIFACT = 3 };

/* Largest payload of one LOG frame, in bytes. */
#define SIGRUN_LOG_MAX 65536u

/* One try to run a job. `token` is the fencing token of its lease: who does not hold the newest one is ignored. */
typedef struct sigrun_attempt {
    uint32_t struct_size;
    uint32_t number; /* from 1 */
    sigrun_str job;  /* UUID text */
    sigrun_str token;
} sigrun_attempt;

typedef struct sigrun_frame {
    uint32_t struct_size;
    uint32_t kind;
    uint32_t flags;
    uint32_t stream;
    uint64_t seq; /* from 1 per direction and session generation; 0 = this protocol does not number frames */
    uint64_t ack; /* highest seq processed in order */
    uint64_t offset;
    uint64_t time_ns;
    uint64_t hash;                 /* reserved for the rolling log hash; 0 = none */
    const sigrun_attempt* attempt; /* NULL: the frame is about the session */
    sigrun_str json;               /* may be empty */
    sigrun_buf* payload;           /* may be NULL; borrowed, retain it to keep it */
} sigrun_frame;

/* Where frames go: one type for links, calls, executors and probes.
 * on_frame is [any] but calls for one sink never overlap. SIGRUN_E_BUSY = window full: keep the frame and offer it
 * again after `resume` (calls) or the next ACK (links). Everything in the frame is borrowed for the call. */
typedef struct sigrun_sink {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    sigrun_result (*on_frame)(void* ctx, const sigrun_frame* frame);
} sigrun_sink;

/* A method call, e.g. method "jobs.submit". A protocol plugin never interprets a method. */
typedef struct sigrun_call {
    uint32_t struct_size;
    uint32_t flags; /* reserved, 0 */
    sigrun_str method;
    sigrun_str params; /* JSON object of arguments (ids, query, wait, idempotency key), may be empty */
    sigrun_str json;   /* the document, e.g. a job; may be empty */
    /* What the peer presented, with its scheme: "bearer ...", "cert <sha256>", "uid 0"; may be empty. */
    sigrun_str auth;
    sigrun_buf* payload;  /* opaque bytes beside the document; may be NULL; borrowed */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0 = none */
} sigrun_call;

#ifdef __cplusplus
}
#endif
#endif
