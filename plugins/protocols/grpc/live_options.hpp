// Options that are replaced while other threads read them: a reader has a whole set, the old one or the new one, for as
// long as it likes. Replaced sets are kept until the end, a few hundred bytes each: nobody has to say when he is done.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sigrun::grpc {

template <class Options>
class live_options {
public:
    explicit live_options(Options first) { set(std::move(first)); }
    /// [any]
    const Options& now() const noexcept { return *now_.load(std::memory_order_acquire); }
    void set(Options next) {
        std::lock_guard lock(mutex_);
        sets_.push_back(std::make_unique<const Options>(std::move(next)));
        now_.store(sets_.back().get(), std::memory_order_release);
    }

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<const Options>> sets_;
    std::atomic<const Options*> now_{nullptr};
};

}  // namespace sigrun::grpc
