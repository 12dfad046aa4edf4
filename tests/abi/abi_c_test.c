/* The ABI from the side of a C plugin: every header compiles as C11 without extensions, and one of each table
 * can be written down. Fails by not compiling, or with the line that is wrong. */
#include <sigrun/balancer.h>
#include <sigrun/base.h>
#include <sigrun/broker.h>
#include <sigrun/executor.h>
#include <sigrun/host.h>
#include <sigrun/plugin.h>
#include <sigrun/probe.h>
#include <sigrun/protocol.h>
#include <sigrun/store.h>

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            ++failures;                                             \
        }                                                           \
    } while (0)

static int failures;

static const void* get_interface(sigrun_instance* i, sigrun_str id) {
    (void)id;
    return i->self;
}
static sigrun_result start(sigrun_instance* i, sigrun_error* e) {
    (void)i;
    if (e) e->code = SIGRUN_E_BUSY;
    return SIGRUN_E_BUSY;
}
static void destroy(sigrun_instance* i) { i->self = NULL; }

static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) {
    *(uint32_t*)ctx = frame->kind;
    return SIGRUN_OK;
}

static uint32_t pick(void* tls, const sigrun_view* view, const sigrun_req* req, uint32_t n, const uint64_t* pages,
                     sigrun_pick* out) {
    (void)tls;
    (void)view;
    (void)req;
    (void)pages;
    for (uint32_t i = 0; i < n; ++i) out[i].n = 0;
    return 0;
}
static sigrun_result probe_run(sigrun_instance* i, const sigrun_probe_req* r, const sigrun_sink* s, sigrun_op op) {
    (void)i;
    (void)r;
    (void)s;
    (void)op;
    return SIGRUN_PENDING;
}
static sigrun_result recognise(sigrun_instance* i, sigrun_bytes first, uint32_t flags) {
    (void)i;
    (void)flags;
    return first.len ? SIGRUN_OK : SIGRUN_NEED_MORE;
}
static sigrun_result scan(sigrun_instance* i, uint32_t shard, uint64_t position, uint32_t max, sigrun_op op) {
    (void)i;
    (void)shard;
    (void)position;
    (void)max;
    (void)op;
    return SIGRUN_PENDING;
}
static sigrun_result execute(sigrun_instance* i, const sigrun_task* t, const sigrun_sink* s, sigrun_op op) {
    (void)i;
    (void)t;
    (void)s;
    (void)op;
    return SIGRUN_PENDING;
}

SIGRUN_EMIT_NOTE("test.c", "1.0.0", 0);

static const sigrun_opt option = {.struct_size = sizeof(sigrun_opt), .type = SIGRUN_OPT_INT, .min = 1, .max = 2};
static const sigrun_component component = {.struct_size = sizeof(sigrun_component), .n_opts = 1, .opts = &option};
static const sigrun_entry entry = {
    .struct_size = sizeof(sigrun_entry), .abi_major = SIGRUN_ABI_MAJOR, .n_components = 1, .components = &component};
static const sigrun_balancer balancer = {.struct_size = sizeof(sigrun_balancer), .abi = 1, .pick = pick};
static const sigrun_probe probe = {.struct_size = sizeof(sigrun_probe), .run = probe_run};
static const sigrun_store store = {.struct_size = sizeof(sigrun_store), .scan = scan};
static const sigrun_executor executor = {.struct_size = sizeof(sigrun_executor), .run = execute};
static const sigrun_serve serve = {.struct_size = sizeof(sigrun_serve), .recognise = recognise};
static const sigrun_link_ops link_ops = {.struct_size = sizeof(sigrun_link_ops)};
static const sigrun_protocol protocol = {.struct_size = sizeof(sigrun_protocol), .serve = &serve, .link = &link_ops};

static void check_has(void) {
    sigrun_instance instance = {
        .struct_size = sizeof instance, .get_interface = get_interface, .start = start, .destroy = destroy};
    sigrun_instance* whole = &instance;
    sigrun_instance* none = NULL;
    CHECK(SIGRUN_HAS(whole, start));
    CHECK(!SIGRUN_HAS(whole, drain)); /* there, but not set */
    CHECK(!SIGRUN_HAS(none, start));
    whole->struct_size = (uint32_t)offsetof(sigrun_instance, destroy); /* as an older plugin would say */
    CHECK(SIGRUN_HAS(whole, start));
    CHECK(!SIGRUN_HAS(whole, destroy));
    whole->struct_size += (uint32_t)sizeof(whole->destroy) - 1;
    CHECK(!SIGRUN_HAS(whole, destroy)); /* half a slot is none */
    whole->struct_size += 1;
    CHECK(SIGRUN_HAS(whole, destroy));
}

int main(void) {
    uint32_t kind = 0;
    sigrun_sink sink = {sizeof sink, 0, &kind, on_frame};
    sigrun_frame frame = {.struct_size = sizeof frame, .kind = SIGRUN_BEAT};
    sigrun_error error = {.struct_size = sizeof error};
    sigrun_pick picked = {.n = 9};

    check_has();
    CHECK(sink.on_frame(sink.ctx, &frame) == SIGRUN_OK && kind == SIGRUN_BEAT);
    CHECK(start(NULL, &error) < 0 && error.code == SIGRUN_E_BUSY);
    CHECK(SIGRUN_HAS(&balancer, pick) && balancer.pick(NULL, NULL, NULL, 1, NULL, &picked) == 0 && picked.n == 0);
    CHECK(SIGRUN_HAS(&probe, run) && !SIGRUN_HAS(&probe, watch));
    CHECK(SIGRUN_HAS(&store, scan) && !SIGRUN_HAS(&store, append));
    CHECK(SIGRUN_HAS(&executor, run) && !SIGRUN_HAS(&executor, attach));
    CHECK(SIGRUN_HAS(&protocol, serve) && !SIGRUN_HAS(&protocol, dial));
    CHECK(SIGRUN_HAS(protocol.serve, recognise) && !SIGRUN_HAS(protocol.link, close));
    CHECK(entry.components->opts->max > entry.components->opts->min);
    CHECK(SIGRUN_HOT_INFLIGHT(0x0005000200030007ull) == 7 && SIGRUN_HOT_TIER(0x0005000200030007ull) == 5);
    CHECK(sigrun_note_v1.namesz == strlen(SIGRUN_NOTE_OWNER) + 1);
    CHECK(offsetof(sigrun_note, desc) == 20 && sizeof(sigrun_note_desc) % 4 == 0); /* as ELF lays notes out */
    return failures ? 1 : 0;
}
