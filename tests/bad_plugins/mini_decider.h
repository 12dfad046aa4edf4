/* A balancer that has every job placed by the first policy it was given. Hooks: POLICY (expression), MORE (choices beyond
 * the room there is). */
#include "mini.h"

#ifndef POLICY
#define POLICY first_policy
#endif
#ifndef MORE
#define MORE 0
#endif

static uint32_t first_policy;

static uint32_t pick(void* tls, const sigrun_view* view, const sigrun_req* requests, uint32_t n,
                     const uint64_t* pred_pages, sigrun_pick* out) {
    (void)tls, (void)view, (void)requests, (void)pred_pages;
    memset(out, 0, n * sizeof *out);
    return 0;
}

static sigrun_result policies(sigrun_instance* instance, const sigrun_policy_name* names, uint32_t n) {
    (void)instance;
    first_policy = n ? names[0].policy : 0;
    return SIGRUN_OK;
}

static uint32_t decide(sigrun_instance* instance, const sigrun_class_stats* stats, uint32_t n, sigrun_choice* out) {
    const uint32_t room = n * SIGRUN_PRIORITIES + MORE;
    uint32_t i, written = 0;
    (void)instance;
    if (!(POLICY)) return 0;
    for (i = 0; i < room; ++i) {
        const sigrun_choice choice = {.class_id = stats[i % n].class_id,
                                      .policy = POLICY,
                                      .priorities = (uint8_t)(1u << (i / n % SIGRUN_PRIORITIES))};
        out[written++] = choice;
    }
    return written;
}
static const sigrun_balancer mini_balancer = {.struct_size = sizeof(sigrun_balancer),
                                              .abi = 1,
                                              .caps = SIGRUN_BALANCER_STATELESS,
                                              .pick = pick,
                                              .decide = decide,
                                              .policies = policies};

#define MINI_KIND SIGRUN_KIND_BALANCER
#define MINI_TABLE &mini_balancer
#include "mini_plugin.h"
