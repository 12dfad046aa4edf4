/* sigrun/shim.h: how an executor talks to sigrun-shim, the small program that owns one attempt's process tree, and the file
 * that both write the attempt's output and end into.
 *
 * The executor starts `sigrun-shim` with
 *   fd 0, 1, 2  /dev/null
 *   fd 3  one end of a SOCK_STREAM socketpair, the control socket
 *   fd 4  the spool: an open file with a sigrun_spool_head in it, locked by flock(LOCK_EX)
 *   fd 5  with SIGRUN_SHIM_OUTLIVES: the folder to wait in for the next executor
 *   fd 6  with SIGRUN_SHIM_GROUPED: the folder of a cgroup v2 that is the attempt's own
 *   fd 7, 8, 9  with SIGRUN_SHIM_BY_V1: the folders of its cgroups v1 of the controllers memory, pids and cpu, those it has
 * Both sides run on one machine, so numbers are in host byte order. A message is a sigrun_shim_head and `length` bytes.
 *
 * executor -> shim: START once, then KILL, PROGRESS and DISCARD any number of times.
 * shim -> executor: STARTED per step; WRITTEN when there is output beyond what the last PROGRESS has read; at the end MEASURED
 *   when the attempt has limits or has failed, and EXITED, when no process of the tree is left and both are in the spool. Then
 *   the shim exits.
 *
 * An executor that dies closes the socket. Without SIGRUN_SHIM_OUTLIVES the shim then ends the tree with the grace of START.
 * With it the job goes on: the shim listens on the UNIX socket SIGRUN_SHIM_SOCKET in its folder for at most orphan_grace_ns; who
 * connects (the same user or root) is its executor from then on. Only then does it end the tree. The lock on the spool is the
 * proof that a shim lives: it ends with the last of its holders.
 *
 * The shim is a child subreaper: whatever a job starts, with setsid or a double fork, stays its descendant. "No process
 * is left" is the kernel's word for it: wait() finds no child, and the cgroup, where there is one, is not populated. */
#ifndef SIGRUN_SHIM_H
#define SIGRUN_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_SHIM_CONTROL_FD 3
#define SIGRUN_SHIM_SPOOL_FD 4
#define SIGRUN_SHIM_FOLDER_FD 5
#define SIGRUN_SHIM_GROUP_FD 6
#define SIGRUN_SHIM_MEMORY_FD 7
#define SIGRUN_SHIM_PIDS_FD 8
#define SIGRUN_SHIM_CPUS_FD 9
#define SIGRUN_SHIM_MAX_MESSAGE (8u << 20)
#define SIGRUN_SHIM_SOCKET "shim.sock"

enum {
    SIGRUN_SHIM_START = 1,
    SIGRUN_SHIM_KILL = 2,
    SIGRUN_SHIM_PROGRESS = 3,
    SIGRUN_SHIM_DISCARD = 4, /* no body: output is read and thrown away from now on */
    SIGRUN_SHIM_STARTED = 16,
    SIGRUN_SHIM_EXITED = 18,
    SIGRUN_SHIM_WRITTEN = 19,
    SIGRUN_SHIM_MEASURED = 20
};

typedef struct sigrun_shim_head {
    uint32_t type;
    uint32_t length;
} sigrun_shim_head;

enum { SIGRUN_SHIM_OUTLIVES = 1, SIGRUN_SHIM_GROUPED = 2, SIGRUN_SHIM_LIMITED = 4, SIGRUN_SHIM_SET = 8, SIGRUN_SHIM_STEPWISE = 16 };

/* Body of START: this, with SIGRUN_SHIM_LIMITED a sigrun_shim_limits, with SIGRUN_SHIM_SET a sigrun_shim_setting, n_groups uint32_t
 * and n_filter struct sock_filter, then n_steps uint32_t (the argument count of each step, at least 1, perhaps with
 * SIGRUN_SHIM_STEP_MAY_FAIL: the next one is begun also if this one fails), then NUL-terminated
 * strings: the working directory, with one of these two the workspace, n_env times NAME=VALUE, n_writable paths, the arguments of
 * the steps in order, and n_secrets texts that the shim replaces by *** in the output before it is written anywhere, each as it is,
 * by lines and in base64. */
#define SIGRUN_SHIM_STEP_MAY_FAIL 0x80000000u
typedef struct sigrun_shim_start {
    uint64_t grace_ns;        /* between TERM and KILL when nobody comes, or the deadline passes */
    uint64_t orphan_grace_ns; /* how long the job goes on without an executor */
    uint64_t deadline_ns;     /* CLOCK_MONOTONIC end of the run timeout, kept also without an executor; 0 = none */
    uint64_t drain_ns;        /* for pipes that stay open after the last process */
    uint32_t flags;
    uint32_t n_steps;
    uint32_t n_env;
    uint32_t n_secrets;
} sigrun_shim_start;

/* Which limits the attempt's cgroups hold: the one of v2, or with BY_V1 those of v1. The last two: by RLIMIT_AS, RLIMIT_NPROC. */
enum {
    SIGRUN_SHIM_BY_MEMORY = 1,
    SIGRUN_SHIM_BY_PIDS = 2,
    SIGRUN_SHIM_BY_CPUS = 4,
    SIGRUN_SHIM_BY_V1 = 8,
    SIGRUN_SHIM_BY_AS = 16,
    SIGRUN_SHIM_BY_NPROC = 32
};
#define SIGRUN_SHIM_NO_LIMIT UINT64_MAX

/* The first five are resource limits, put on the first process of each step where they are lower than what it has. */
typedef struct sigrun_shim_limits {
    uint64_t address_space;
    uint64_t processes; /* of the user, all of them */
    uint64_t open_files;
    uint64_t file_size;
    uint64_t core;
    uint64_t workspace;   /* bytes below the workspace, looked up again and again; 0 = none */
    uint32_t controllers; /* SIGRUN_SHIM_BY_* */
    uint32_t reserved;
} sigrun_shim_limits;

/* What of the machine the attempt's processes do not share, and who they are. The name spaces are made once, for all its steps. */
enum {
    SIGRUN_SHIM_NS_MOUNT = 1,
    SIGRUN_SHIM_NS_PID = 2, /* with a /proc of its own if there is NS_MOUNT as well */
    SIGRUN_SHIM_NS_NET = 4, /* with a loopback */
    SIGRUN_SHIM_NS_IPC = 8,
    SIGRUN_SHIM_PRIVATE_TMP = 16, /* /tmp, /var/tmp and /dev/shm in memory, of tmp_bytes each; needs NS_MOUNT */
    SIGRUN_SHIM_AS_USER = 32,     /* uid, gid and the groups */
    SIGRUN_SHIM_NO_NEW_PRIVS = 64,
    SIGRUN_SHIM_READ_ONLY =
        128, /* by Landlock: written is below the workspace, the private folders and n_writable paths only */
    SIGRUN_SHIM_FILTERED = 256, /* the filter holds the step's first process and what comes of it */
    SIGRUN_SHIM_FILTER_FD =
        512, /* the filter is an open file, SIGRUN_SHIM_FILTER_AT, of each step: for a program that puts it on */
    SIGRUN_SHIM_PTY = 1024 /* standard input, output and error are one terminal; its output has the stream stdout */
};
#define SIGRUN_SHIM_FILTER_AT 3
typedef struct sigrun_shim_setting {
    uint32_t what; /* of the above */
    uint32_t uid, gid;
    uint32_t n_groups;   /* at most 65536 */
    uint32_t n_filter;   /* instructions of BPF, at most 4096 */
    uint32_t n_writable; /* at most 256 */
    uint16_t rows, columns;
    uint32_t reserved;
    uint64_t tmp_bytes; /* 0: what the kernel takes by itself */
} sigrun_shim_setting;

/* Why the kill ladder began; the first one counts. */
enum {
    SIGRUN_SHIM_CANCELLED = 1,
    SIGRUN_SHIM_TIMEOUT = 2,
    SIGRUN_SHIM_ORPHANED = 3,
    SIGRUN_SHIM_WORKSPACE = 4 /* over its limit */
};
typedef struct sigrun_shim_kill {
    uint64_t grace_ns; /* between TERM and KILL; a later KILL can only shorten it */
    uint32_t cause;
    uint32_t reserved;
} sigrun_shim_kill;

/* Positions count the bytes of records in the spool, offsets those of the log. */
typedef struct sigrun_shim_progress {
    uint64_t read_position; /* everything before it was read: tell when there is more */
    uint64_t free_position; /* everything before it is stored elsewhere: the room may be used again */
    uint64_t free_offset;   /* the same as an offset of the log */
} sigrun_shim_progress;

typedef struct sigrun_shim_written {
    uint64_t position; /* end of the last record */
    uint64_t base;     /* see sigrun_spool_mark */
} sigrun_shim_written;

typedef struct sigrun_shim_started {
    uint32_t step; /* from 0 */
    int32_t pid;
} sigrun_shim_started;

/* Where starting a step failed. */
enum {
    SIGRUN_SHIM_STAGE_FORK = 1,
    SIGRUN_SHIM_STAGE_WORKDIR = 2,
    SIGRUN_SHIM_STAGE_EXEC = 3,
    SIGRUN_SHIM_STAGE_LIMITS = 4, /* they could not be put on it */
    SIGRUN_SHIM_STAGE_NAMESPACE = 5,
    SIGRUN_SHIM_STAGE_USER = 6,
    SIGRUN_SHIM_STAGE_FILES = 7, /* Landlock */
    SIGRUN_SHIM_STAGE_FILTER = 8,
    SIGRUN_SHIM_STAGE_PTY = 9,
    SIGRUN_SHIM_STAGE_PRIVILEGES = 10
};

/* How a step ended, or that its program could not be started. */
typedef struct sigrun_shim_stepped {
    int32_t exit_code; /* -1 when it ended by a signal or was not started for another reason than its program */
    int32_t signal;    /* 0 = none */
    uint64_t began_ns; /* CLOCK_REALTIME */
    uint64_t wall_ns;
} sigrun_shim_stepped;

/* Body of EXITED, and the end of an attempt in its spool. */
typedef struct sigrun_shim_exited {
    uint32_t step;      /* the last one that ran */
    int32_t exit_code;  /* of that step; -1 when it ended by a signal or was never started */
    int32_t signal;     /* 0 = none */
    uint32_t ladder;    /* why the kill ladder had begun before the step ended; 0: it had not */
    uint32_t leftovers; /* processes that still ran when the step's main process had ended */
    uint32_t survivors; /* processes that could not be killed; 0 means verified empty */
    uint64_t wall_ns;
    uint64_t user_ns; /* of every process that was waited for */
    uint64_t system_ns;
    uint64_t max_rss_bytes; /* of the largest process */
    uint32_t refused_stage; /* SIGRUN_SHIM_STAGE_* that failed when `step` was to be started; 0 = none */
    int32_t refused_error;  /* errno */
    uint64_t position;      /* end of the last record of output */
    uint64_t base;          /* see sigrun_spool_mark */
    uint64_t lost_bytes;    /* of output that found no room before the end */
} sigrun_shim_exited;

/* Body of MEASURED: what an attempt used, as far as somebody counted it. */
typedef struct sigrun_shim_measured {
    uint64_t memory_peak; /* bytes of all its processes at once; 0 = not counted, as in the next four */
    uint64_t oom_kills;   /* of processes, by the kernel, during the last step */
    uint64_t pids_peak;
    uint64_t pids_refused; /* forks, during the last step */
    uint64_t workspace_peak;
    uint64_t disk_free; /* where the last step worked, right after it had failed; SIGRUN_SHIM_NO_LIMIT: not looked up */
    uint64_t inodes_free; /* the same */
    uint32_t controllers; /* as in sigrun_shim_limits */
    uint32_t reserved;
} sigrun_shim_measured;

/* ---- The spool. One page of heads, then a ring of `capacity` bytes.
 *
 * Byte p of the records lies at SIGRUN_SPOOL_RING + (p - base) % capacity; a record can wrap around the end of the ring. The
 * checksum of each part is CRC32C over the nonce of the attempt and everything in the part but the checksum, so that what an
 * earlier attempt left in the same file is never taken for output. */
#define SIGRUN_SPOOL_MAGIC "SGSPOOL1"
#define SIGRUN_SPOOL_MARK 1024
#define SIGRUN_SPOOL_END 2048
#define SIGRUN_SPOOL_MEASURED 3072
#define SIGRUN_SPOOL_RING 4096

/* At 0, written by the executor before the shim starts, with zeros in the rest of the page. */
typedef struct sigrun_spool_head {
    char magic[8];
    uint64_t nonce;
    uint64_t capacity;
    uint32_t grouped; /* 1: `group` says where its cgroup is */
    uint32_t checksum;
    char group[512]; /* absolute path, NUL-terminated */
} sigrun_spool_head;

/* At SIGRUN_SPOOL_MARK: where the oldest record lies. Written by the shim at its start and before it uses room again. */
typedef struct sigrun_spool_mark {
    uint64_t position, offset, base;
    int32_t shim_pid; /* valid while the spool is locked */
    uint32_t checksum;
} sigrun_spool_mark;

/* At SIGRUN_SPOOL_END once the attempt is over. */
typedef struct sigrun_spool_end {
    sigrun_shim_exited exited;
    uint32_t reserved;
    uint32_t checksum;
} sigrun_spool_end;

/* At SIGRUN_SPOOL_MEASURED, written before the end; or nothing. */
typedef struct sigrun_spool_measured {
    sigrun_shim_measured measured;
    uint32_t reserved;
    uint32_t checksum;
} sigrun_spool_measured;

/* Behind the ring, at SIGRUN_SPOOL_RING + capacity, one for each step of an attempt with SIGRUN_SHIM_STEPWISE, in their order. Written when
 * the step has ended, before STARTED tells of the next one. */
typedef struct sigrun_spool_stepped {
    sigrun_shim_stepped stepped;
    uint32_t step; /* from 0 */
    uint32_t checksum;
} sigrun_spool_stepped;

/* In front of each piece of output. */
typedef struct sigrun_spool_record {
    uint32_t length; /* of the piece, 1 .. SIGRUN_LOG_MAX */
    uint32_t stream;
    uint64_t offset; /* of its first byte in the log */
    uint64_t time_ns;
    uint32_t reserved;
    uint32_t checksum; /* over the record and the piece */
} sigrun_spool_record;

#ifdef __cplusplus
}
#endif
#endif
