#include "kernel/plugin/generation.hpp"
#include "kernel/plugin/plugin_host.hpp"

namespace sigrun {

instance::instance(std::shared_ptr<generation> owner, std::string name, std::string plugin_id, std::string component,
                   std::string kind, sigrun_instance* abi)
    : owner_(std::move(owner)),
      name_(std::move(name)),
      plugin_id_(std::move(plugin_id)),
      component_(std::move(component)),
      kind_(std::move(kind)),
      abi_(abi) {}

instance::~instance() { abi_->destroy(abi_); }

std::uint64_t instance::generation_number() const noexcept { return owner_ ? owner_->number() : 0; }

std::shared_ptr<const bound_section> instance::values() const noexcept {
    std::lock_guard lock(values_mutex_);
    return values_;
}

void instance::set_values(std::shared_ptr<const bound_section> values) noexcept {
    std::lock_guard lock(values_mutex_);
    values_.swap(values);  // the old ones go after the lock
}

call_counts instance::calls() const noexcept { return owner_ ? owner_->calls().total() : call_counts{}; }
void instance::note_call(sigrun_result begun) const noexcept {
    if (owner_) owner_->calls().begun(begun);
}

}  // namespace sigrun
