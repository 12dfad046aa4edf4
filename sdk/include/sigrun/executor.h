/* sigrun/executor.h: interface "sigrun.executor/1": runs a job on the runner. One op per attempt. */
#ifndef SIGRUN_EXECUTOR_H
#define SIGRUN_EXECUTOR_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_EXECUTOR "sigrun.executor/1"

typedef struct sigrun_task {
    uint32_t struct_size;
    uint32_t flags; /* reserved, 0 */
    const sigrun_attempt* attempt;
    sigrun_str kind;      /* "process", "call" ... */
    sigrun_str json;      /* the job document */
    sigrun_str workspace; /* absolute path of this attempt's directory; empty for inline executors */
    sigrun_buf* payload;  /* may be NULL; borrowed */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC end of the run timeout; 0 = none */
    sigrun_str state_dir; /* absolute path of a folder for what `attach` needs; empty: the task need not outlive the agent.
                             It is this attempt's alone; files of an earlier one may lie in it and may be written over */
} sigrun_task;

enum {
    /* run is [any], finishes within microseconds, never blocks, and completes before it returns. */
    SIGRUN_EXECUTOR_INLINE = 1
};

typedef struct sigrun_executor {
    uint32_t struct_size;
    uint32_t flags;
    sigrun_str kinds; /* comma separated job kinds it runs: "process" */
    /* [work] op: OK with facts as JSON {"facts":[...]}. Optional. */
    sigrun_result (*describe)(sigrun_instance* instance, sigrun_op op);
    /* [work] (or [any] when INLINE) Starts the task. The sink gets LOG frames (payload, stream, time_ns; the host sets
     * offset) and one STATE {"state":"running"} once it runs. op completes when every process of the task is gone:
     *   OK   + JSON {"exit_code":n,"signal":n,"usage":{...}}, or for `call` the raw result bytes (INLINE executors)
     *   error + JSON {"class","code","message","exit_code","signal"}; class as in jobs: user, user_timeout, resource,
     *           infra_runner, cancelled.
     * If the sink says E_BUSY the executor stops reading output until its next try succeeds; see resume. */
    sigrun_result (*run)(sigrun_instance* instance, const sigrun_task* task, const sigrun_sink* sink, sigrun_op op);
    /* [work] Optional: goes on with a task that `run` of an earlier agent has begun, by what it left in state_dir; `task` says
     * what it said then. As run, but LOG frames carry their `offset`, they begin at log_offset or before, and what lies before
     * the log_offset of a later `stored` is not wanted. A task that cannot be found again completes with infra_runner. */
    sigrun_result (*attach)(sigrun_instance* instance, const sigrun_task* task, uint64_t log_offset,
                            const sigrun_sink* sink, sigrun_op op);
    /* [work] Ends the task with all its descendants: TERM, grace, KILL. Its op still completes, with CANCELLED. */
    sigrun_result (*cancel)(sigrun_instance* instance, sigrun_op op, uint64_t grace_ns);
    /* [any] Optional: the sink of this op said E_BUSY and has room now, so a try is worth while. Never blocks and does not
     * call the sink on this stack. It may come for nothing, and for an op that has completed. Executors without it, and
     * with it as well, try again from time to time. */
    void (*resume)(sigrun_instance* instance, sigrun_op op);
    /* [any] Optional, of use with attach: output before log_offset is stored where it is wanted and need not be kept or
     * delivered. Never blocks, does not call the sink on this stack; may come for an op that has completed. */
    void (*stored)(sigrun_instance* instance, sigrun_op op, uint64_t log_offset);
} sigrun_executor;

#ifdef __cplusplus
}
#endif
#endif
