#include "kernel/select/selector.hpp"

#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

selector::selector() = default;
selector::~selector() = default;

result<std::unique_ptr<selector>> selector::create(const options& opts,
                                                   std::vector<std::shared_ptr<instance>> balancers) {
    constexpr std::uint32_t k_most = 4'000'000;
    if (!opts.max_runners || opts.max_runners > k_most)
        return bad_value("max_runners", "a number from 1 to 4000000", std::to_string(opts.max_runners));
    SIGRUN_TRY(set, balancer_set::create(std::move(balancers), opts.default_balancer));
    auto made = std::unique_ptr<selector>(new selector);
    try {
        made->impl_ = std::make_unique<impl>(opts, std::move(set));
    } catch (const std::bad_alloc&) {
        return bad_value("max_runners", "a number whose index fits into memory", std::to_string(opts.max_runners));
    }
    impl& i = *made->impl_;
    if (i.owned_balancers->chooser() < i.owned_balancers->size()) i.choose_policies(i.now_ns());
    return made;
}

result<slot_ref> selector::add(const runner_profile& profile) {
    std::lock_guard lock(impl_->mutex);
    return impl_->add(profile);
}
result<slot_ref> selector::update(slot_ref slot, const runner_profile& profile) {
    std::lock_guard lock(impl_->mutex);
    return impl_->update(slot, profile);
}
void selector::remove(slot_ref slot) {
    std::lock_guard lock(impl_->mutex);
    impl_->remove(slot);
}
void selector::set_open(slot_ref slot, bool open) {
    std::lock_guard lock(impl_->mutex);
    impl_->set_open(slot, open);
}

predicate_ptr selector::intern(const requirement_ptr& requirement) { return impl_->intern(requirement); }
std::uint16_t selector::balancer_id(std::string_view name) const noexcept {
    const read_section reading;
    const balancer_set& set = *impl_->balancers.load(std::memory_order_acquire);
    const std::size_t i = set.find(name);
    return i < set.size() ? static_cast<std::uint16_t>(i + 1) : std::uint16_t{0};
}
std::string_view selector::balancer_name(std::uint16_t id) const noexcept {
    if (id > impl_->n_balancers.load(std::memory_order_acquire)) return {};
    if (id) return impl_->balancer_names[id - 1u];
    const read_section reading;
    return impl_->balancer_names[impl_->balancers.load(std::memory_order_acquire)->default_index()];
}
std::vector<std::string> selector::balancer_names() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->owned_balancers->names();
}

bool selector::set_default(std::string_view name) {
    std::lock_guard lock(impl_->mutex);  // the set is not replaced meanwhile
    return impl_->owned_balancers->set_default(name);
}

result<void> selector::can_replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) const {
    std::lock_guard lock(impl_->mutex);
    SIGRUN_CHECK_OK(impl_->fit(impl_->owned_balancers->with(old, now)));
    return {};
}
bool selector::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    return impl_->replace(old, now);
}
result<void> selector::add_balancer(const std::shared_ptr<instance>& now) { return impl_->add_balancer(now); }
result<void> selector::remove_balancer(const std::shared_ptr<instance>& old) { return impl_->remove_balancer(old); }
call_counts selector::balancer_counts(const std::shared_ptr<instance>& which) const {
    std::lock_guard lock(impl_->mutex);
    return impl_->owned_balancers->counts(*which);
}

pick_result selector::pick(const pick_request& request) noexcept {
    if (!pick_timer::times_this_one()) [[likely]]
        return impl_->pick(request);
    const auto began = std::chrono::steady_clock::now();
    const pick_result out = impl_->pick(request);
    impl_->times.record(std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count());
    return out;
}
pick_time_counts selector::pick_times() const noexcept { return impl_->times.counts(); }
bool selector::release(slot_ref slot) noexcept { return impl_->release(slot); }
void selector::claim_existing(slot_ref slot) noexcept { impl_->claim_existing(slot); }

bool selector::matches(const predicate& pred, slot_ref slot) const noexcept {
    slot = impl_->resolve(slot);
    return page_of(slot.slot) < impl_->index.max_pages() && (pred.slots(page_of(slot.slot)) & bit_of(slot.slot));
}

bool selector::could_run(const pick_request& request) const noexcept { return impl_->could_run(request); }

std::uint32_t selector::current_slot(std::uint32_t slot) const noexcept { return impl_->current_slot(slot); }

selector::group_ref selector::group_of(slot_ref slot) const noexcept {
    const std::uint32_t page = page_of(impl_->resolve(slot).slot);
    if (page >= impl_->index.max_pages()) return {};
    return {page, impl_->answers[page].load(std::memory_order_acquire)};
}

bool selector::may_match(const predicate& pred, std::uint32_t group) const noexcept {
    return group < impl_->index.max_pages() && pred.has_page(group);
}

protocol_mask selector::open_protocols(slot_ref slot) const noexcept {
    slot = impl_->resolve(slot);
    if (page_of(slot.slot) >= impl_->index.max_pages()) return 0;
    const page_facts facts = impl_->index.page(page_of(slot.slot));
    const std::uint64_t w = impl_->index.hot(slot.slot).load();
    return hot::generation(w) == slot.generation && hot::can_take(w, facts) ? facts.protocols : 0;
}

void selector::feedback(const job_feedback& f, std::uint16_t balancer) noexcept { impl_->feedback(f, balancer); }
void selector::straggler(slot_ref slot, const predicate& pred, nanoseconds age) noexcept {
    impl_->straggler(slot, pred, age);
}
runner_standing selector::standing(slot_ref slot) const noexcept { return impl_->standing(slot); }
class_standing selector::standing(const predicate& pred) const noexcept {
    const class_estimate& jobs = pred.jobs();
    return {jobs.samples(), jobs.mean_exec_us(), jobs.exec_cv(), jobs.failing()};
}
double selector::exec_quantile_us(const predicate& pred, double share) const noexcept {
    return pred.jobs().exec_quantile_us(share);
}
double selector::load(predicate& pred) noexcept { return impl_->load(pred); }
void selector::suppliers(const predicate& pred, protocol_mask allowed,
                         const std::function<void(const supplier&)>& see) const {
    impl_->suppliers(pred, allowed, see);
}
bool selector::known_to_match(const predicate& pred) const noexcept { return impl_->known_to_match(pred); }
selector::sights selector::look_around(const predicate& pred, protocol_mask allowed, slot_ref picked, std::size_t most,
                                       std::uint64_t random) const {
    return impl_->look_around(pred, allowed, picked, most, random);
}
bool selector::keeps_for_urgent(slot_ref slot) const noexcept {
    slot = impl_->resolve(slot);
    return page_of(slot.slot) < impl_->index.max_pages() &&
           hot::tier_plane(impl_->index.hot(slot.slot).load(), impl_->index.page(page_of(slot.slot))) == hot::k_kept;
}
void selector::protect(const protection& rules) {
    std::lock_guard lock(impl_->mutex);
    impl_->protect(rules);
}
std::vector<ejection> selector::tick() { return impl_->tick(); }
std::vector<balancer_suspension> selector::look_at_balancers() { return impl_->look_at_balancers(); }
std::vector<policy_switch> selector::policy_switches() {
    std::lock_guard lock(impl_->mutex);
    return std::exchange(impl_->untold_switches, {});
}
void selector::allow_switching(bool allowed) noexcept { impl_->switching = allowed; }
void selector::offer_geographic(bool offered) noexcept {
    if (impl_->geographic.exchange(offered) != offered) impl_->retell = true;
}
std::string selector::chooser(std::uint16_t balancer) const {
    const read_section reading;
    const balancer_set& set = *impl_->balancers.load(std::memory_order_acquire);
    const std::size_t at = balancer && balancer <= set.size() ? balancer - 1u : set.default_index();
    return set[at].chooses() ? set[at].name : std::string();
}
policy_standing selector::policy_of(const predicate& pred) const { return impl_->policy_of(pred); }

result<void> selector::start_recording(std::string_view balancer, std::uint32_t picks, std::size_t bytes) {
    std::lock_guard lock(impl_->mutex);
    return impl_->start_recording(balancer, {picks, bytes});
}
selector::recording_state selector::recording() const {
    std::lock_guard lock(impl_->mutex);
    const auto& tape = impl_->owned_taping;
    return tape ? recording_state{true, tape->by->full(), tape->by->picks()} : recording_state{};
}
result<std::string> selector::end_recording() { return impl_->end_recording(); }

selector::explanation selector::explain(const requirement& requirement, const explain_terms& asked) const {
    return impl_->explain(requirement, asked);
}
std::uint32_t selector::in_flight(slot_ref slot) const noexcept { return impl_->in_flight(slot); }
std::size_t selector::runners() const noexcept { return impl_->n_runners.load(); }
std::uint64_t selector::index_repairs() const noexcept { return impl_->repairs(); }
std::uint64_t selector::index_faults() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->faults();
}

}  // namespace sigrun
