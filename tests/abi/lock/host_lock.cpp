// Frozen layout of <sigrun/host.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/host.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_host) == 40);
SLOT(sigrun_host, struct_size, 0, uint32_t);
SLOT(sigrun_host, abi_major, 4, uint16_t);
SLOT(sigrun_host, abi_minor, 6, uint16_t);
SLOT(sigrun_host, ctx, 8, void*);
SLOT(sigrun_host, generation, 16, uint64_t);
SLOT(sigrun_host, get_service, 24, const void* (*)(const sigrun_host* host, sigrun_str id));
SLOT(sigrun_host, complete, 32, void (*)(const sigrun_host* host, sigrun_op op, sigrun_result result, sigrun_buf* out));

static_assert(sizeof(sigrun_svc_log) == 24);
SLOT(sigrun_svc_log, struct_size, 0, uint32_t);
SLOT(sigrun_svc_log, reserved, 4, uint32_t);
SLOT(sigrun_svc_log, level, 8, uint32_t (*)(const sigrun_host* host));
SLOT(sigrun_svc_log, write, 16,
     void (*)(const sigrun_host* host, uint32_t level, sigrun_str message, const sigrun_str* kv, uint32_t n_pairs));

static_assert(sizeof(sigrun_svc_buffer) == 48);
SLOT(sigrun_svc_buffer, struct_size, 0, uint32_t);
SLOT(sigrun_svc_buffer, reserved, 4, uint32_t);
SLOT(sigrun_svc_buffer, create, 8, sigrun_buf* (*)(const sigrun_host* host, uint64_t capacity));
SLOT(sigrun_svc_buffer, retain, 16, void (*)(sigrun_buf* buf));
SLOT(sigrun_svc_buffer, release, 24, void (*)(sigrun_buf* buf));
SLOT(sigrun_svc_buffer, view, 32, sigrun_result (*)(sigrun_buf* buf, void** ptr, uint64_t* len, uint64_t* capacity));
SLOT(sigrun_svc_buffer, set_len, 40, sigrun_result (*)(sigrun_buf* buf, uint64_t len));

static_assert(sizeof(sigrun_svc_sched) == 56);
SLOT(sigrun_svc_sched, struct_size, 0, uint32_t);
SLOT(sigrun_svc_sched, reserved, 4, uint32_t);
SLOT(sigrun_svc_sched, post, 8, sigrun_result (*)(const sigrun_host* host, uint32_t lane, sigrun_fn fn, void* ctx));
SLOT(sigrun_svc_sched, timer, 16,
     sigrun_result (*)(const sigrun_host* host, uint64_t delay_ns, uint64_t period_ns, sigrun_fn fn, void* ctx,
                       uint64_t* id));
SLOT(sigrun_svc_sched, fd_watch, 24,
     sigrun_result (*)(const sigrun_host* host, int32_t fd, uint32_t events,
                       void (*cb)(void* ctx, int32_t fd, uint32_t events), void* ctx, uint64_t* id));
SLOT(sigrun_svc_sched, stop, 32,
     sigrun_result (*)(const sigrun_host* host, uint64_t id, sigrun_fn done, void* done_ctx));
SLOT(sigrun_svc_sched, thread_enter, 40, sigrun_result (*)(const sigrun_host* host, sigrun_str name, uint64_t* token));
SLOT(sigrun_svc_sched, thread_leave, 48, void (*)(const sigrun_host* host, uint64_t token));

static_assert(sizeof(sigrun_svc_call) == 32);
SLOT(sigrun_svc_call, struct_size, 0, uint32_t);
SLOT(sigrun_svc_call, reserved, 4, uint32_t);
SLOT(sigrun_svc_call, begin, 8,
     sigrun_result (*)(const sigrun_host* host, uint64_t session, const sigrun_call* call, const sigrun_sink* replies,
                       uint64_t* call_id, sigrun_error* error));
SLOT(sigrun_svc_call, resume, 16, void (*)(const sigrun_host* host, uint64_t call_id));
SLOT(sigrun_svc_call, end, 24, void (*)(const sigrun_host* host, uint64_t call_id, sigrun_fn done, void* ctx));

static_assert(sizeof(sigrun_svc_link) == 16);
SLOT(sigrun_svc_link, struct_size, 0, uint32_t);
SLOT(sigrun_svc_link, reserved, 4, uint32_t);
SLOT(sigrun_svc_link, adopt, 8,
     sigrun_result (*)(const sigrun_host* host, uint64_t session, sigrun_str ticket, sigrun_link* link,
                       const sigrun_sink** frames, sigrun_error* error));

static_assert(sizeof(sigrun_svc_metric) == 40);
SLOT(sigrun_svc_metric, struct_size, 0, uint32_t);
SLOT(sigrun_svc_metric, reserved, 4, uint32_t);
SLOT(sigrun_svc_metric, counter, 8,
     sigrun_metric* (*)(const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv,
                        uint32_t n_pairs));
SLOT(sigrun_svc_metric, gauge, 16,
     sigrun_metric* (*)(const sigrun_host* host, sigrun_str name, sigrun_str help, const sigrun_str* kv,
                        uint32_t n_pairs));
SLOT(sigrun_svc_metric, add, 24, void (*)(sigrun_metric* metric, double value));
SLOT(sigrun_svc_metric, set, 32, void (*)(sigrun_metric* metric, double value));

static_assert(SIGRUN_LOG_ERROR == 1);
static_assert(SIGRUN_LOG_WARNING == 2);
static_assert(SIGRUN_LOG_INFO == 3);
static_assert(SIGRUN_LOG_DEBUG == 4);
static_assert(SIGRUN_LOG_TRACE == 5);
static_assert(SIGRUN_LANE_CTL == 1);
static_assert(SIGRUN_LANE_IO == 2);
static_assert(SIGRUN_LANE_WORK == 3);
static_assert(SIGRUN_FD_READ == 1);
static_assert(SIGRUN_FD_WRITE == 2);
static_assert(std::string_view(SIGRUN_SVC_LOG) == "sigrun.host.log/1");
static_assert(std::string_view(SIGRUN_SVC_BUFFER) == "sigrun.host.buffer/1");
static_assert(std::string_view(SIGRUN_SVC_SCHED) == "sigrun.host.sched/1");
static_assert(std::string_view(SIGRUN_SVC_CALL) == "sigrun.host.call/1");
static_assert(std::string_view(SIGRUN_SVC_LINK) == "sigrun.host.link/1");
static_assert(std::string_view(SIGRUN_SVC_METRIC) == "sigrun.host.metric/1");
