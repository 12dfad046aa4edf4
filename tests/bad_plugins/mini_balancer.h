/* A balancer that takes the first free slot after a random one. Hooks: CHOSEN (statements, may change `slot`), START,
 * PAGE_ALLOWED, IS_FREE, COUNT (expressions). */
#include "mini.h"

#ifndef CHOSEN
#define CHOSEN
#endif
#ifndef START
#define START (req->rng >> 32)
#endif
#ifndef PAGE_ALLOWED
#define PAGE_ALLOWED (pages[page / 64] >> (page % 64) & 1)
#endif
#ifndef IS_FREE
#define IS_FREE (view->idle[0][page] >> (slot % 64) & 1)
#endif
#ifndef COUNT
#define COUNT placed
#endif

static uint32_t pick(void* tls, const sigrun_view* view, const sigrun_req* requests, uint32_t n,
                     const uint64_t* pred_pages, sigrun_pick* out) {
    uint32_t i, k, placed = 0;
    (void)tls;
    for (i = 0; i < n; ++i) {
        const sigrun_req* req = &requests[i];
        const uint64_t* pages = pred_pages + req->pred_pages_off;
        const uint32_t first = (uint32_t)((START) % view->n_slots);
        (void)pages;
        memset(&out[i], 0, sizeof out[i]);
        for (k = 0; k < view->n_slots && !out[i].n; ++k) {
            uint32_t slot = (first + k) % view->n_slots;
            const uint32_t page = slot / 64;
            if (!(PAGE_ALLOWED) || !(IS_FREE)) continue;
            CHOSEN
            out[i].slot[0] = slot;
            out[i].n = 1;
            ++placed;
        }
    }
    return COUNT;
}
static const sigrun_balancer mini_balancer = {.struct_size = sizeof(sigrun_balancer),
                                              .abi = 1,
                                              .caps = SIGRUN_BALANCER_STATELESS | SIGRUN_BALANCER_DETERMINISTIC,
                                              .pick = pick};

#define MINI_KIND SIGRUN_KIND_BALANCER
#define MINI_TABLE &mini_balancer
#include "mini_plugin.h"
