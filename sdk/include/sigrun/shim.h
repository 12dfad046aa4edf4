/* sigrun/shim.h: how an executor talks to sigrun-shim, the small program that owns one attempt's process tree.
 *
 * The executor starts `sigrun-shim` with
 *   fd 0  /dev/null, fd 1 and 2  the write ends of the job's output pipes, fd 3  one end of a SOCK_STREAM socketpair.
 * Both sides run on one machine and come from one installation, so numbers are in host byte order.
 * A message is a sigrun_shim_head and `length` bytes of body.
 *
 * executor -> shim: START once, then KILL any number of times. Closing the socket means the executor died: the shim
 *   ends the tree with the grace of START and exits.
 * shim -> executor: STARTED or REFUSED per step, EXITED once, when no process of the tree is left. Then the shim exits.
 *
 * The shim is a child subreaper: whatever a job starts, with setsid or a double fork, stays its descendant. "No process
 * is left" is the kernel's word for it: wait() finds no child. */
#ifndef SIGRUN_SHIM_H
#define SIGRUN_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_SHIM_CONTROL_FD 3
#define SIGRUN_SHIM_MAX_MESSAGE (8u << 20)

enum {
    SIGRUN_SHIM_START = 1,
    SIGRUN_SHIM_KILL = 2,
    SIGRUN_SHIM_STARTED = 16,
    SIGRUN_SHIM_REFUSED = 17,
    SIGRUN_SHIM_EXITED = 18
};

typedef struct sigrun_shim_head {
    uint32_t type;
    uint32_t length;
} sigrun_shim_head;

/* Body of START: this, then n_steps uint32_t (the argument count of each step, at least 1), then NUL-terminated
 * strings: the working directory, n_env times NAME=VALUE, and the arguments of the steps in order. */
typedef struct sigrun_shim_start {
    uint64_t grace_ns; /* between TERM and KILL when the executor dies */
    uint32_t n_steps;
    uint32_t n_env;
} sigrun_shim_start;

typedef struct sigrun_shim_kill {
    uint64_t grace_ns; /* between TERM and KILL; a later KILL can only shorten it */
} sigrun_shim_kill;

typedef struct sigrun_shim_started {
    uint32_t step; /* from 0 */
    int32_t pid;
} sigrun_shim_started;

/* Where starting a step failed. */
enum { SIGRUN_SHIM_STAGE_FORK = 1, SIGRUN_SHIM_STAGE_WORKDIR = 2, SIGRUN_SHIM_STAGE_EXEC = 3 };
typedef struct sigrun_shim_refused {
    uint32_t step;
    uint32_t stage;
    int32_t error; /* errno */
    uint32_t reserved;
} sigrun_shim_refused;

typedef struct sigrun_shim_exited {
    uint32_t step;      /* the last one that ran */
    int32_t exit_code;  /* of that step; -1 when it ended by a signal or was never started */
    int32_t signal;     /* 0 = none */
    uint32_t ladder;    /* 1: the kill ladder had begun before the step ended */
    uint32_t leftovers; /* processes that still ran when the step's main process had ended */
    uint32_t survivors; /* processes that could not be killed; 0 means verified empty */
    uint64_t wall_ns;
    uint64_t user_ns; /* of every process that was waited for */
    uint64_t system_ns;
    uint64_t max_rss_bytes; /* of the largest process */
} sigrun_shim_exited;

#ifdef __cplusplus
}
#endif
#endif
