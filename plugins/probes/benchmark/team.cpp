#include "team.hpp"

#include "processors.hpp"

#include <sched.h>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_stack = 256 * 1024;
constexpr milliseconds k_look{2};  // how often the box is asked while the members work

}  // namespace

team::team(std::vector<unsigned> processors) {
    members_.reserve(processors.size());
    threads_.reserve(processors.size());
    for (const unsigned processor : processors) {
        pthread_attr_t how;
        ::pthread_attr_init(&how);
        ::pthread_attr_setstacksize(&how, k_stack);
        if (processor != k_anywhere) {
            const auto mask = mask_of(processor);
            ::pthread_attr_setaffinity_np(&how, mask.size(), reinterpret_cast<const cpu_set_t*>(mask.data()));
        }
        members_.push_back({this, members_.size()});
        pthread_t thread{};
        error_ = ::pthread_create(&thread, &how, &team::serve, &members_.back());
        ::pthread_attr_destroy(&how);
        if (error_ != 0) break;
        threads_.push_back(thread);
    }
}

team::~team() {
    {
        std::lock_guard lock(mutex_);
        over_ = true;
        stop_ = true;
    }
    begun_.notify_all();
    for (auto thread : threads_) ::pthread_join(thread, nullptr);
}

void* team::serve(void* me) {
    auto& self = *static_cast<member*>(me);
    self.whole->work(self.number);
    return nullptr;
}

void team::work(std::size_t number) {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
        begun_.wait(lock, [&] { return over_ || turn_ != seen; });
        if (over_) return;
        seen = turn_;
        const task& what = *what_;
        lock.unlock();
        what(number, stop_);
        lock.lock();
        if (--busy_ == 0) done_.notify_one();
    }
}

void team::run(time_box& box, const task& what) {
    if (!box.open()) return;
    std::unique_lock lock(mutex_);
    stop_ = false;
    what_ = &what;
    busy_ = threads_.size();
    ++turn_;
    begun_.notify_all();
    while (!done_.wait_for(lock, k_look, [&] { return busy_ == 0; })) {
        lock.unlock();
        if (!box.open()) stop_ = true;
        lock.lock();
    }
}

pinned_here::pinned_here() {
    const int here = ::sched_getcpu();
    auto before = own_mask();
    if (here < 0 || before.empty()) return;
    const auto mask = mask_of(static_cast<unsigned>(here));
    if (::sched_setaffinity(0, mask.size(), reinterpret_cast<const cpu_set_t*>(mask.data())) == 0)
        before_ = std::move(before);
}

pinned_here::~pinned_here() {
    if (!before_.empty()) ::sched_setaffinity(0, before_.size(), reinterpret_cast<const cpu_set_t*>(before_.data()));
}

}  // namespace sigrun::benchmark
