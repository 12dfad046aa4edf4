/* A balancer in plain C11: takes the first runner that is free, in the best tier that has one. Requests of
 * one batch are spread over different runners. */
#include <sigrun/balancer.h>

#include <stdlib.h>
#include <string.h>

SIGRUN_EMIT_NOTE("example.first-fit", "1.0.0", 0);

#define TEXT(literal) \
    { literal, sizeof(literal) - 1 }
#define WORDS_PER_PAGE(view) (1u << ((view)->page_shift - 6))

static uint64_t load_word(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

/* Already picked in this batch? A batch is small, so looking back is cheap. */
static int taken(const sigrun_pick* out, uint32_t n, uint32_t slot) {
    for (uint32_t i = 0; i < n; ++i)
        if (out[i].n && out[i].slot[0] == slot) return 1;
    return 0;
}

/* Sets *out to the first free slot of one page; 0 if it has none. */
static int first_of_page(const sigrun_view* view, uint32_t tier, uint32_t page, const sigrun_pick* before, uint32_t n,
                         sigrun_pick* out) {
    const uint64_t* words = view->idle[tier] + (uint64_t)page * WORDS_PER_PAGE(view);
    for (uint32_t w = 0; w < WORDS_PER_PAGE(view); ++w) {
        uint64_t bits = load_word(&words[w]);
        for (; bits; bits &= bits - 1) {
            uint32_t slot = (page << view->page_shift) + 64 * w + (uint32_t)__builtin_ctzll(bits);
            if (slot >= view->n_slots || taken(before, n, slot)) continue;
            memset(out, 0, sizeof *out);
            out->slot[0] = slot;
            out->n = 1;
            out->reason = SIGRUN_WHY_IDLE_TIER;
            out->tier = (uint8_t)tier;
            return 1;
        }
    }
    return 0;
}

static int first_fit(const sigrun_view* view, const uint64_t* pages, const sigrun_pick* before, uint32_t n,
                     sigrun_pick* out) {
    for (uint32_t tier = 0; tier < SIGRUN_TIERS; ++tier)
        for (uint32_t base = 0; base < view->n_pages; base += 64) {
            uint64_t bits = load_word(&pages[base / 64]) & load_word(&view->page_any[tier][base / 64]);
            for (; bits; bits &= bits - 1) {
                uint32_t page = base + (uint32_t)__builtin_ctzll(bits);
                if (page < view->n_pages && first_of_page(view, tier, page, before, n, out)) return 1;
            }
        }
    return 0;
}

static uint32_t pick(void* tls, const sigrun_view* view, const sigrun_req* req, uint32_t n, const uint64_t* pred_pages,
                     sigrun_pick* out) {
    uint32_t placed = 0;
    (void)tls;
    for (uint32_t i = 0; i < n; ++i) {
        memset(&out[i], 0, sizeof out[i]);
        placed += (uint32_t)first_fit(view, pred_pages + req[i].pred_pages_off, out, i, &out[i]);
    }
    return placed;
}

static const sigrun_balancer balancer = {
    .struct_size = sizeof(sigrun_balancer),
    .abi = 1,
    .caps = SIGRUN_BALANCER_STATELESS | SIGRUN_BALANCER_DETERMINISTIC,
    .pick = pick,
};

/* Is the text this one? */
static int is(sigrun_str text, const char* word) {
    return text.len == strlen(word) && memcmp(text.ptr, word, (size_t)text.len) == 0;
}

static sigrun_result refuse(sigrun_error* error, sigrun_result code, const char* why) {
    if (error) {
        const size_t room = error->msg ? error->msg_cap : 0, n = strlen(why) < room ? strlen(why) : room;
        error->code = code;
        if (n) memcpy(error->msg, why, n);
        error->msg_len = (uint32_t)n;
    }
    return code;
}

static const void* get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    return is(id, SIGRUN_KIND_BALANCER) ? &balancer : NULL;
}

static void destroy(sigrun_instance* instance) { free(instance); }

static sigrun_result create(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                            sigrun_instance** out, sigrun_error* error) {
    sigrun_instance* made;
    (void)host;
    (void)config;
    if (!is(component, "first_fit")) return refuse(error, SIGRUN_E_NOT_FOUND, "component: expected first_fit");
    /* One of its own for each create, though it keeps no state: the host tells instances apart by their address. */
    made = calloc(1, sizeof *made);
    if (!made) return refuse(error, SIGRUN_E_NOMEM, "out of memory");
    made->struct_size = sizeof *made;
    made->get_interface = get_interface;
    made->destroy = destroy;
    *out = made;
    return SIGRUN_OK;
}

static const sigrun_component components[] = {{
    .struct_size = sizeof(sigrun_component),
    .id = TEXT("first_fit"),
    .kind = TEXT(SIGRUN_KIND_BALANCER),
    .doc = TEXT("Takes the first free runner"),
}};

static const sigrun_entry entry = {
    .struct_size = sizeof(sigrun_entry),
    .abi_major = SIGRUN_ABI_MAJOR,
    .abi_minor = SIGRUN_ABI_MINOR,
    .id = TEXT("example.first-fit"),
    .version = TEXT("1.0.0"),
    .vendor = TEXT("Example"),
    .doc = TEXT("First fit, in C"),
    .n_components = 1,
    .components = components,
    .create = create,
};

const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {
    return hello && hello->abi_major == SIGRUN_ABI_MAJOR ? &entry : NULL;
}
