// The journal's way into a store plugin: turns batches into calls, and knows which instance they go to. The instance can
// be exchanged between two batches.
#pragma once

#include "kernel/store/group_commit.hpp"

#include <sigrun/store.h>

#include <atomic>
#include <mutex>

namespace sigrun {

/// [any] unless said otherwise. In a shared_ptr: a batch under way keeps it.
class store_outlet : public std::enable_shared_from_this<store_outlet> {
public:
    store_outlet(plugin_host& host, std::shared_ptr<instance> store, metrics& numbers);

    void write(const group_commit::batch& batch, bool fsync, group_commit::stored_callback stored);

    /// Lets the store give space of deleted records back, if it can; what comes of it is not waited for.
    void compact();

    /// A copy of all there is, as the store makes it; `done` has its answer.
    void copy(const std::string& target, std::function<void(result<buffer_ref>)> done);
    /// In parts of any size; 0 of 0: none is under way.
    std::pair<std::uint64_t, std::uint64_t> copy_progress() const;

    // These wait for the store's answer.
    /// Takes the shard, with an epoch above every earlier one; batches carry it from here on.
    result<std::uint64_t> take();
    result<buffer_ref> scan(std::uint64_t position, std::uint32_t max);
    void release();
    /// Whether `standby` can go on in the place of the present instance: it finds the shard with our epoch, and can begin a
    /// transaction. No batch may be written meanwhile, or it may have to wait for long.
    result<void> confirm(const std::shared_ptr<instance>& standby, nanoseconds limit);

    bool uses(const std::shared_ptr<instance>& which) const;
    /// The next batch goes to `now`, if those before went to `old`.
    void exchange(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// Lets go of the instance; nothing may be asked any more.
    void close();
    const std::string& name() const noexcept { return name_; }

private:
    struct target {
        std::shared_ptr<instance> store;
        const sigrun_store* table = nullptr;
    };
    struct meters {
        explicit meters(metrics& m);
        counter commits, records, failures;
        histogram seconds;
    };
    target present() const;
    sigrun_fence fence() const noexcept;
    result<buffer_ref> ask(const target& to, nanoseconds limit,
                           const std::function<sigrun_result(const target&, sigrun_op)>& start);

    plugin_host& host_;
    const std::string name_;
    meters meter_;
    std::atomic<std::uint64_t> epoch_{0};
    mutable std::mutex mutex_;
    target target_;
};

}  // namespace sigrun
