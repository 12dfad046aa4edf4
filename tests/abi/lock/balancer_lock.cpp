// Frozen layout of <sigrun/balancer.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/balancer.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_cohort) == 32);
SLOT(sigrun_cohort, pages_off, 0, uint32_t);
SLOT(sigrun_cohort, n_pages, 4, uint32_t);
SLOT(sigrun_cohort, n_runners, 8, uint32_t);
SLOT(sigrun_cohort, size_class, 12, uint32_t);
SLOT(sigrun_cohort, zone, 16, uint16_t);
SLOT(sigrun_cohort, protos, 18, uint16_t);
SLOT(sigrun_cohort, places, 20, uint16_t);
SLOT(sigrun_cohort, weight, 22, uint16_t);
SLOT(sigrun_cohort, level_mask, 24, uint64_t);

static_assert(sizeof(sigrun_zone) == 16);
SLOT(sigrun_zone, places, 0, uint32_t);
SLOT(sigrun_zone, exec_us, 4, uint32_t);
SLOT(sigrun_zone, egress_us, 8, uint32_t);
SLOT(sigrun_zone, reserved, 12, uint32_t);

static_assert(sizeof(sigrun_view) == 280);
SLOT(sigrun_view, struct_size, 0, uint32_t);
SLOT(sigrun_view, abi, 4, uint32_t);
SLOT(sigrun_view, epoch, 8, uint64_t);
SLOT(sigrun_view, hot, 16, const uint64_t*);
SLOT(sigrun_view, idle, 24, const uint64_t* [SIGRUN_TIERS]);
SLOT(sigrun_view, page_any, 88, const uint64_t* [SIGRUN_TIERS]);
SLOT(sigrun_view, page_cohort, 152, const uint32_t*);
SLOT(sigrun_view, cohort, 160, const sigrun_cohort*);
SLOT(sigrun_view, zone_order, 168, const uint16_t*);
SLOT(sigrun_view, n_slots, 176, uint32_t);
SLOT(sigrun_view, n_pages, 180, uint32_t);
SLOT(sigrun_view, n_cohorts, 184, uint32_t);
SLOT(sigrun_view, n_zones, 188, uint32_t);
SLOT(sigrun_view, page_shift, 192, uint32_t);
SLOT(sigrun_view, reserved, 196, uint32_t);
SLOT(sigrun_view, level, 200, const uint64_t* const*);
SLOT(sigrun_view, level_any, 208, const uint64_t* const*);
SLOT(sigrun_view, identity, 216, const uint64_t*);
SLOT(sigrun_view, zone_rtt_us, 224, const uint32_t*);
SLOT(sigrun_view, zone, 232, const sigrun_zone*);
SLOT(sigrun_view, waiting, 240, const uint32_t*);
SLOT(sigrun_view, layout, 248, uint64_t);
SLOT(sigrun_view, idle_all, 256, const uint64_t*);
SLOT(sigrun_view, page_any_all, 264, const uint64_t*);
SLOT(sigrun_view, match, 272, const uint64_t* const*);

static_assert(sizeof(sigrun_delta) == 24);
SLOT(sigrun_delta, struct_size, 0, uint32_t);
SLOT(sigrun_delta, n_pages, 4, uint32_t);
SLOT(sigrun_delta, from_epoch, 8, uint64_t);
SLOT(sigrun_delta, pages, 16, const uint32_t*);

static_assert(sizeof(sigrun_req) == 56);
SLOT(sigrun_req, pred_pages_off, 0, uint64_t);
SLOT(sigrun_req, affinity_key, 8, uint64_t);
SLOT(sigrun_req, now_ns, 16, uint64_t);
SLOT(sigrun_req, deadline_ns, 24, uint64_t);
SLOT(sigrun_req, rng, 32, uint64_t);
SLOT(sigrun_req, pred_id, 40, uint32_t);
SLOT(sigrun_req, src_zone, 44, uint32_t);
SLOT(sigrun_req, protos, 48, uint16_t);
SLOT(sigrun_req, prio, 50, uint16_t);
SLOT(sigrun_req, flags, 52, uint16_t);
SLOT(sigrun_req, want_k, 54, uint16_t);

static_assert(sizeof(sigrun_pick) == 24);
SLOT(sigrun_pick, slot, 0, uint32_t[4]);
SLOT(sigrun_pick, n, 16, uint8_t);
SLOT(sigrun_pick, proto, 17, uint8_t);
SLOT(sigrun_pick, reason, 18, uint8_t);
SLOT(sigrun_pick, tier, 19, uint8_t);
SLOT(sigrun_pick, score_q, 20, uint16_t);
SLOT(sigrun_pick, conf, 22, uint16_t);

static_assert(sizeof(sigrun_done) == 32);
SLOT(sigrun_done, slot, 0, uint32_t);
SLOT(sigrun_done, proto, 4, uint16_t);
SLOT(sigrun_done, status, 6, uint16_t);
SLOT(sigrun_done, wait_us, 8, uint64_t);
SLOT(sigrun_done, exec_us, 16, uint64_t);
SLOT(sigrun_done, bytes, 24, uint64_t);

static_assert(sizeof(sigrun_params) == 40);
SLOT(sigrun_params, struct_size, 0, uint32_t);
SLOT(sigrun_params, d, 4, uint32_t);
SLOT(sigrun_params, credit, 8, double);
SLOT(sigrun_params, hot_quantile, 16, double);
SLOT(sigrun_params, affinity_bound, 24, double);
SLOT(sigrun_params, spill, 32, double);

static_assert(sizeof(sigrun_class_stats) == 64);
SLOT(sigrun_class_stats, class_id, 0, uint32_t);
SLOT(sigrun_class_stats, runners, 4, uint32_t);
SLOT(sigrun_class_stats, places, 8, uint32_t);
SLOT(sigrun_class_stats, dispatchers, 12, uint32_t);
SLOT(sigrun_class_stats, idle, 16, double);
SLOT(sigrun_class_stats, exec_cv, 24, double);
SLOT(sigrun_class_stats, rtt_over_exec, 32, double);
SLOT(sigrun_class_stats, key_reuse, 40, double);
SLOT(sigrun_class_stats, load_age_s, 48, double);
SLOT(sigrun_class_stats, wait_p99_us, 56, double);

static_assert(sizeof(sigrun_choice) == 16);
SLOT(sigrun_choice, class_id, 0, uint32_t);
SLOT(sigrun_choice, policy, 4, uint32_t);
SLOT(sigrun_choice, explore_ppm, 8, uint32_t);
SLOT(sigrun_choice, other, 12, uint16_t);
SLOT(sigrun_choice, priorities, 14, uint8_t);
SLOT(sigrun_choice, why, 15, uint8_t);

static_assert(sizeof(sigrun_policy_stats) == 48);
SLOT(sigrun_policy_stats, class_id, 0, uint32_t);
SLOT(sigrun_policy_stats, policy, 4, uint32_t);
SLOT(sigrun_policy_stats, jobs, 8, uint64_t);
SLOT(sigrun_policy_stats, mean, 16, double);
SLOT(sigrun_policy_stats, deviation, 24, double);
SLOT(sigrun_policy_stats, p99, 32, double);
SLOT(sigrun_policy_stats, window_s, 40, double);

static_assert(sizeof(sigrun_policy_name) == 40);
SLOT(sigrun_policy_name, name, 0, sigrun_str);
SLOT(sigrun_policy_name, component, 16, sigrun_str);
SLOT(sigrun_policy_name, policy, 32, uint32_t);
SLOT(sigrun_policy_name, reserved, 36, uint32_t);

static_assert(sizeof(sigrun_balancer) == 88);
SLOT(sigrun_balancer, struct_size, 0, uint32_t);
SLOT(sigrun_balancer, abi, 4, uint32_t);
SLOT(sigrun_balancer, caps, 8, uint32_t);
SLOT(sigrun_balancer, reserved, 12, uint32_t);
SLOT(sigrun_balancer, thread_init, 16, void* (*)(sigrun_instance* instance, uint32_t tid));
SLOT(sigrun_balancer, thread_fini, 24, void (*)(sigrun_instance* instance, void* tls));
SLOT(sigrun_balancer, on_snapshot, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_view* view, const sigrun_delta* delta));
SLOT(sigrun_balancer, pick, 40,
     uint32_t (*)(void* tls, const sigrun_view* view, const sigrun_req* req, uint32_t n, const uint64_t* pred_pages,
                  sigrun_pick* out));
SLOT(sigrun_balancer, done, 48, void (*)(void* tls, const sigrun_done* done, uint32_t n));
SLOT(sigrun_balancer, tune, 56, sigrun_result (*)(sigrun_instance* instance, const sigrun_params* params));
SLOT(sigrun_balancer, decide, 64,
     uint32_t (*)(sigrun_instance* instance, const sigrun_class_stats* stats, uint32_t n, sigrun_choice* out));
SLOT(sigrun_balancer, policies, 72,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_policy_name* names, uint32_t n));
SLOT(sigrun_balancer, observe, 80, void (*)(sigrun_instance* instance, const sigrun_policy_stats* stats, uint32_t n));

static_assert(SIGRUN_REQ_EXPLORE == 1);
static_assert(SIGRUN_REQ_MAY_WAIT == 2);
static_assert(SIGRUN_WHY_NONE == 0);
static_assert(SIGRUN_WHY_IDLE_TIER == 1);
static_assert(SIGRUN_WHY_LEAST_COUNT == 2);
static_assert(SIGRUN_WHY_SED == 3);
static_assert(SIGRUN_WHY_STRIDE == 4);
static_assert(SIGRUN_WHY_AFFINITY == 5);
static_assert(SIGRUN_WHY_ZONE == 6);
static_assert(SIGRUN_WHY_RETRY_ALTERNATE == 7);
static_assert(SIGRUN_WHY_BUILTIN_FALLBACK == 8);
static_assert(SIGRUN_WHY_AFFINITY_SPILL == 9);
static_assert(SIGRUN_WHY_HCL_COLD == 10);
static_assert(SIGRUN_WHY_HCL_HOT == 11);
static_assert(SIGRUN_WHY_ZONE_SPILL == 12);
static_assert(SIGRUN_WHY_LATE_BOUND == 13);
static_assert(SIGRUN_WHY_EARLY_REOFFER == 14);
static_assert(SIGRUN_WHY_RUN_HEDGE == 15);
static_assert(SIGRUN_WHY_PANIC == 16);
static_assert(SIGRUN_WHY_EXPLORE == 17);
static_assert(SIGRUN_WHY_POWER_OF_D == 18);
static_assert(SIGRUN_WHY_WAIT == 19);
static_assert(SIGRUN_CHOICE_PRIOR == 0);
static_assert(SIGRUN_CHOICE_EVIDENCE == 1);
static_assert(SIGRUN_CHOICE_ROLLBACK == 2);
static_assert(SIGRUN_CHOICE_LOST == 3);
static_assert(SIGRUN_BALANCER_NEEDS_FEEDBACK == 1);
static_assert(SIGRUN_BALANCER_STATELESS == 2);
static_assert(SIGRUN_BALANCER_THREAD_LOCAL_STATE == 4);
static_assert(SIGRUN_BALANCER_USES_KEY == 8);
static_assert(SIGRUN_BALANCER_DETERMINISTIC == 16);
static_assert(SIGRUN_BALANCER_NEEDS_LEVELS == 32);
static_assert(SIGRUN_TIERS == 8);
static_assert(SIGRUN_LEVELS == 64);
static_assert(SIGRUN_ZONES == 1024);
static_assert(SIGRUN_MATCH_PAGES == 512);
static_assert(SIGRUN_UNKNOWN_US == 4294967295);
static_assert(SIGRUN_ZONE_UNKNOWN == 4294967295);
static_assert(SIGRUN_PRIORITIES == 5);
static_assert(std::string_view(SIGRUN_KIND_BALANCER) == "sigrun.balancer/1");
