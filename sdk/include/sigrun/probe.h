/* sigrun/probe.h: interface "sigrun.probe/1": finds facts about the machine.
 *
 * Facts are STATE frames whose json is {"facts":[FACT, ...]} with
 *   FACT = {"key":"memory.total_bytes","value":25213878272,"status":"ok","method":"read",
 *           "source":"/proc/meminfo","confidence":100,"ttl_s":0,"volatility":"boot"}
 *   status: ok absent denied unsupported timeout error   (value only with ok; "detail" may say why otherwise)
 *   method: read derived measured declared               volatility: static boot slow fast; "unique":true for identity
 * Unknown is a status, never a default value. */
#ifndef SIGRUN_PROBE_H
#define SIGRUN_PROBE_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_PROBE "sigrun.probe/1"

enum {
    /* Reads only procfs, sysfs and local files below req->sysroot; no foreign library that could exit or hang.
     * Without this flag the host may run the probe in a process of its own. */
    SIGRUN_PROBE_IN_PROCESS = 1,
    SIGRUN_PROBE_EVENTS = 2, /* implements watch */
    SIGRUN_PROBE_LIST = 4,   /* facts are lists whose length may change */
    /* Costs the machine something to run: the host runs it only for who asks for that, and nothing beside it. */
    SIGRUN_PROBE_ON_REQUEST = 8
};

typedef struct sigrun_probe_req {
    uint32_t struct_size;
    uint32_t flags;       /* reserved, 0 */
    sigrun_str scope;     /* "machine" */
    sigrun_str sysroot;   /* prefix for /sys, /proc and /etc; empty = the real ones */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC */
} sigrun_probe_req;

typedef struct sigrun_probe {
    uint32_t struct_size;
    uint32_t flags;
    uint32_t soft_ms; /* after this the host calls cancel */
    uint32_t hard_ms; /* after this the facts are published as `timeout` */
    sigrun_str keys;  /* comma separated patterns: "memory.*" */
    /* [work] Sends facts to the sink when known and completes op when all are sent. May block until the deadline. */
    sigrun_result (*run)(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* facts,
                         sigrun_op op);
    /* [any] May race with run; must not block; run still completes its op. May be NULL. */
    void (*cancel)(sigrun_instance* instance, sigrun_op op);
    /* [ctl] Optional: STATE frames when something changed, until destroy. */
    sigrun_result (*watch)(sigrun_instance* instance, const sigrun_sink* facts, sigrun_op op);
} sigrun_probe;

#ifdef __cplusplus
}
#endif
#endif
