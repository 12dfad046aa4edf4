/* sigrun/balancer.h: interface "sigrun.balancer/1": view in, picks out, feedback in.
 *
 * The host finds the runners that satisfy a requirement and hands the balancer only their pages; the balancer ranks;
 * the host claims the place itself. A faulty balancer can be unfair, never wrong.
 *
 * Index model. A *slot* is the position of one runner. A *page* is 1 << page_shift consecutive slots of one *cohort*
 * (runners with the same static signature). A *tier* is one of 8 ordered bitsets of the slots that can take a job now:
 * lower tiers are better, a slot's bit is in at most one of them.
 * sigrun_cohort, sigrun_req, sigrun_pick and sigrun_done are frozen in this revision. */
#ifndef SIGRUN_BALANCER_H
#define SIGRUN_BALANCER_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIGRUN_KIND_BALANCER "sigrun.balancer/1"
#define SIGRUN_TIERS 8
#define SIGRUN_LEVELS 64
#define SIGRUN_ZONES 1024
#define SIGRUN_MATCH_PAGES 512

typedef struct sigrun_cohort {
    uint32_t pages_off; /* first page of this cohort in the host's own list; reserved for the host */
    uint32_t n_pages;
    uint32_t n_runners;
    uint32_t size_class; /* reserved, 0 */
    uint16_t zone;       /* of its runners; 0 = they name none */
    uint16_t protos;     /* bit per protocol id that runners of this cohort have */
    uint16_t places;     /* jobs a runner can run at once */
    uint16_t weight;     /* relative share; 1024 = weight 1.0 */
    uint64_t level_mask; /* bit q set: some runner has q jobs in flight; 0 = not kept */
} sigrun_cohort;

/* Bits of a hot word: 0-15 jobs in flight | 16-31 cost | 32-47 invcap | 48-50 tier | 51-55 flags | 56-63 generation.
 *   cost    256 * (log2 R + 64); R = expected cost of a job there, relative to the mean of all runners, per success: twice
 *           as slow adds 256. 16384 where nothing was measured.
 *   invcap  4096 - 256 * log2(places)
 * Both are integers, so that costs are compared by adding; see sigrun/cpp/expected_cost.hpp. */
#define SIGRUN_HOT_INFLIGHT(word) ((uint32_t)((word)&0xffffu))
#define SIGRUN_HOT_COST(word) ((uint32_t)(((word) >> 16) & 0xffffu))
#define SIGRUN_HOT_INVCAP(word) ((uint32_t)(((word) >> 32) & 0xffffu))
#define SIGRUN_HOT_TIER(word) ((uint32_t)(((word) >> 48) & 7u))

/* What one zone costs a job from elsewhere, and what a job that waits for a place there waits for. */
typedef struct sigrun_zone {
    uint32_t places;    /* jobs that its open runners can run at once; 0 = it has none */
    uint32_t exec_us;   /* mean time that a job holds a place, its way included; SIGRUN_UNKNOWN_US where none ended */
    uint32_t egress_us; /* for jobs from other zones: what using it costs, as the time one would wait to avoid it */
    uint32_t reserved;
} sigrun_zone;

#define SIGRUN_UNKNOWN_US 4294967295u
/* Source of a job in a zone that nobody declared and no runner names. */
#define SIGRUN_ZONE_UNKNOWN 4294967295u

/* Read-only; valid during the call. Words change while you read them: load each once. */
typedef struct sigrun_view {
    uint32_t struct_size;
    uint32_t abi;
    uint64_t epoch;                         /* changes when slots, pages or cohorts change */
    const uint64_t* hot;                    /* one word per slot */
    const uint64_t* idle[SIGRUN_TIERS];     /* bit per slot: can take a job now, in this tier */
    const uint64_t* page_any[SIGRUN_TIERS]; /* bit per page: some slot of it may be in this tier */
    const uint32_t* page_cohort;            /* cohort of each page */
    const sigrun_cohort* cohort;
    /* A row of SIGRUN_ZONES per source zone, of which the first n_zones are set: the zones, nearest first; those whose
     * distance is unknown come last. NULL: the host knows no zones. Zone 0 is runners that name none, and as a source the
     * place of the host. */
    const uint16_t* zone_order;
    uint32_t n_slots;
    uint32_t n_pages;
    uint32_t n_cohorts;
    uint32_t n_zones;
    uint32_t page_shift; /* slots per page = 1 << page_shift; at least 6 */
    uint32_t reserved;
    /* SIGRUN_LEVELS planes each, like idle and page_any but by jobs in flight: plane q has the slots that can take a job
     * now and run exactly q, the last one those that run SIGRUN_LEVELS - 1 or more. NULL unless a balancer with
     * SIGRUN_BALANCER_NEEDS_LEVELS is loaded. */
    const uint64_t* const* level;
    const uint64_t* const* level_any;
    /* A number per slot that stays the runner's own when it reconnects, moves to another slot or the host restarts; 0 for
     * slots without a runner. */
    const uint64_t* identity;
    /* Rows like zone_order, by zone: the round trip from the source to it; SIGRUN_UNKNOWN_US. */
    const uint32_t* zone_rtt_us;
    const sigrun_zone* zone; /* by zone */
    const uint32_t* waiting; /* jobs that wait for a place, wherever */
    /* Changes when a page comes, goes or is given to another cohort, not when runners merely take slots in pages that are
     * there: far more seldom than epoch. 0: go by epoch. */
    uint64_t layout;
    /* All tiers together, and a bit per page: what idle and page_any say, or-ed. NULL: do that yourself. */
    const uint64_t* idle_all;
    const uint64_t* page_any_all;
    /* Where runners of a cohort differ in what the request asks for: match[page / SIGRUN_MATCH_PAGES] has a word per page, its
     * bits are the slots that satisfy it; NULL: all slots of the feasible pages there do. match NULL: of all pages. Whoever
     * does not look at it proposes slots that are refused. */
    const uint64_t* const* match;
} sigrun_view;

/* Which pages changed since from_epoch; pages == NULL: everything. */
typedef struct sigrun_delta {
    uint32_t struct_size;
    uint32_t n_pages;
    uint64_t from_epoch;
    const uint32_t* pages;
} sigrun_delta;

/* Flags of a request. */
enum {
    SIGRUN_REQ_EXPLORE = 1, /* disregard tiers and costs: a runner once thought slow must be tried again now and then */
    SIGRUN_REQ_MAY_WAIT = 2 /* SIGRUN_WHY_WAIT is an answer */
};

/* One job to place. Time and random bits come with it, so that pick is deterministic. */
typedef struct sigrun_req {
    uint64_t pred_pages_off; /* this request's feasible pages begin at pred_pages[pred_pages_off], a bit per page */
    uint64_t affinity_key;   /* requests with the same key prefer the same runner; 0 = none */
    uint64_t now_ns;
    uint64_t deadline_ns; /* 0 = none */
    uint64_t rng;
    uint32_t pred_id;
    uint32_t src_zone; /* the zone it comes from; 0 = the host's place, SIGRUN_ZONE_UNKNOWN */
    uint16_t protos;   /* protocol ids the job allows, a bit each */
    uint16_t prio;     /* 0 critical .. 4 background */
    uint16_t flags;    /* SIGRUN_REQ_* */
    uint16_t want_k;   /* alternates wanted, 1..4 */
} sigrun_req;

/* Why a slot was picked; kept in the explain record. */
enum {
    SIGRUN_WHY_NONE = 0,
    SIGRUN_WHY_IDLE_TIER = 1,
    SIGRUN_WHY_LEAST_COUNT = 2,
    SIGRUN_WHY_SED = 3,
    SIGRUN_WHY_STRIDE = 4,
    SIGRUN_WHY_AFFINITY = 5,
    SIGRUN_WHY_ZONE = 6,
    SIGRUN_WHY_RETRY_ALTERNATE = 7,
    SIGRUN_WHY_BUILTIN_FALLBACK = 8,
    SIGRUN_WHY_AFFINITY_SPILL = 9, /* the runner of the key is as loaded as it may be */
    SIGRUN_WHY_HCL_COLD = 10,      /* prequal: the lowest latency among those with few jobs in flight */
    SIGRUN_WHY_HCL_HOT = 11,       /* prequal: all have many; the fewest */
    SIGRUN_WHY_ZONE_SPILL = 12,    /* another zone is nearer, but would make the job wait longer */
    SIGRUN_WHY_LATE_BOUND = 13,    /* it waited, and a place became free */
    SIGRUN_WHY_EARLY_REOFFER = 14, /* the first runner did not acknowledge in time */
    SIGRUN_WHY_RUN_HEDGE = 15,     /* a copy of a job that takes longer than usual */
    SIGRUN_WHY_PANIC = 16,         /* most runners that match are out: ejected ones are used, too */
    SIGRUN_WHY_EXPLORE = 17,
    SIGRUN_WHY_POWER_OF_D = 18, /* the least loaded of a few random ones */
    SIGRUN_WHY_WAIT = 19        /* with n = 0: to wait for a place costs less than to take one that is free */
};

typedef struct sigrun_pick {
    uint32_t slot[4]; /* ranked; n of them are set */
    uint8_t n;        /* 0 = nothing suitable is free */
    uint8_t proto;    /* reserved, 0: the host ranks protocols */
    uint8_t reason;   /* SIGRUN_WHY_* */
    uint8_t tier;
    uint16_t score_q; /* 0 = no score */
    uint16_t conf;    /* 0 = no confidence */
} sigrun_pick;

/* How a job that was placed ended. */
typedef struct sigrun_done {
    uint32_t slot;
    uint16_t proto;
    uint16_t status; /* 0 succeeded, 1 failed by the user's fault, 2 failed by infrastructure */
    uint64_t wait_us;
    uint64_t exec_us;
    uint64_t bytes;
} sigrun_done;

typedef struct sigrun_params {
    uint32_t struct_size;
    uint32_t d;
    double credit;
    double hot_quantile;
    double affinity_bound;
    double spill;
} sigrun_params;

/* The jobs of one requirement. What cannot be said is NaN. */
typedef struct sigrun_class_stats {
    uint32_t class_id;    /* 0: every class of which nothing is known yet */
    uint32_t runners;     /* that match and are open */
    uint32_t places;      /* jobs that those can run at once */
    uint32_t dispatchers; /* threads that pick */
    double idle;          /* share of the places that are free */
    double exec_cv;
    double rtt_over_exec;
    double key_reuse;   /* share of jobs whose affinity key came before, in the last window; NaN where nothing is known */
    double load_age_s;  /* how old the counts of jobs in flight are; 0 = the host counts them itself */
    double wait_p99_us; /* from submit to start, in the last window */
} sigrun_class_stats;

/* Why a policy is the one that picks. */
enum {
    SIGRUN_CHOICE_PRIOR = 0,    /* by what is known without evidence */
    SIGRUN_CHOICE_EVIDENCE = 1, /* jobs were done sooner with it than with the one before */
    SIGRUN_CHOICE_ROLLBACK = 2, /* the one after it was no better */
    SIGRUN_CHOICE_LOST = 3      /* the one before it is not there any more */
};
#define SIGRUN_PRIORITIES 5

typedef struct sigrun_choice {
    uint32_t class_id;
    uint32_t policy;      /* the policy that picks */
    uint32_t explore_ppm; /* this share of picks is for `other` */
    uint16_t other;       /* 0 = none */
    uint8_t priorities;   /* a bit per priority it is for; 0 = all */
    uint8_t why;          /* SIGRUN_CHOICE_* */
} sigrun_choice;

/* What became of the jobs that one policy placed in a window. Times from submit to end, relative to the mean execution time
 * of the class; of jobs that succeeded. */
typedef struct sigrun_policy_stats {
    uint32_t class_id;
    uint32_t policy;
    uint64_t jobs;
    double mean;
    double deviation; /* standard deviation of one job */
    double p99;
    double window_s;
} sigrun_policy_stats;

/* A balancer that can be chosen. */
typedef struct sigrun_policy_name {
    sigrun_str name;      /* of the instance */
    sigrun_str component; /* what it is an instance of */
    uint32_t policy;
    uint32_t reserved;
} sigrun_policy_name;

/* Capabilities of a balancer. */
enum {
    SIGRUN_BALANCER_NEEDS_FEEDBACK = 1,
    SIGRUN_BALANCER_STATELESS = 2,
    SIGRUN_BALANCER_THREAD_LOCAL_STATE = 4,
    SIGRUN_BALANCER_USES_KEY = 8,
    SIGRUN_BALANCER_DETERMINISTIC = 16,
    SIGRUN_BALANCER_NEEDS_LEVELS = 32 /* the host keeps sigrun_view.level, at some cost per claim */
};

typedef struct sigrun_balancer {
    uint32_t struct_size;
    uint32_t abi; /* 1 */
    uint32_t caps;
    uint32_t reserved;
    /* [work] State of one dispatching thread; passed to pick and done, which then never share it. May return NULL. */
    void* (*thread_init)(sigrun_instance* instance, uint32_t tid);
    void (*thread_fini)(sigrun_instance* instance, void* tls);
    /* [work] Optional: a new view is published. May allocate. from_epoch 0 with n_pages 0: everything is new to it. */
    sigrun_result (*on_snapshot)(sigrun_instance* instance, const sigrun_view* view, const sigrun_delta* delta);
    /* [hot] Places n >= 1 requests: fills out[i] for req[i]; returns how many of them have n > 0. */
    uint32_t (*pick)(void* tls, const sigrun_view* view, const sigrun_req* req, uint32_t n, const uint64_t* pred_pages,
                     sigrun_pick* out);
    /* [hot] Optional: feedback in batches. */
    void (*done)(void* tls, const sigrun_done* done, uint32_t n);
    /* [ctl] Optional. */
    sigrun_result (*tune)(sigrun_instance* instance, const sigrun_params* params);
    /* [work] Optional, once a second: choose the policy per requirement class; returns how many choices were written. Who
     * has this slot chooses among the other balancers: jobs that are for it are placed by the policy that it chose, and its
     * own pick is not asked. stats: class 0 and the classes that had jobs lately; out has room for SIGRUN_PRIORITIES
     * choices per class. Where nothing is chosen, what was chosen before stays. */
    uint32_t (*decide)(sigrun_instance* instance, const sigrun_class_stats* stats, uint32_t n, sigrun_choice* out);
    /* [work] Optional: from now on these can be chosen; those that are not among them are gone. Before decide. */
    sigrun_result (*policies)(sigrun_instance* instance, const sigrun_policy_name* names, uint32_t n);
    /* [work] Optional, at the end of each window, before decide: per class the policy that picks and the one that is tried.
     * Never called while switching is off. */
    void (*observe)(sigrun_instance* instance, const sigrun_policy_stats* stats, uint32_t n);
} sigrun_balancer;

#ifdef __cplusplus
}
#endif
#endif
