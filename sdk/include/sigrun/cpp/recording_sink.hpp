// sigrun/cpp/recording_sink.hpp: a sigrun_sink that keeps copies of what it is given. Tests only;
// thread-safe.
//
//   recording_sink sink;                       // payloads are buffers of a mock_host
//   table->open(instance, &endpoint, sink.abi(), op, &link);
//   auto f = sink.wait_for([](const recorded_frame& f) { return f.kind == SIGRUN_STATE; });
#pragma once

#include <sigrun/cpp/mock_buffer.hpp>
#include <sigrun/cpp/text.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace sigrun::sdk {

/// A frame with everything it borrowed copied. attempt = 0: the frame was about the session.
struct recorded_frame {
    std::uint32_t kind = 0, flags = 0, stream = 0;
    std::uint64_t seq = 0, ack = 0, offset = 0, time_ns = 0;
    std::string job;
    std::uint32_t attempt = 0;
    std::string token, json, payload;
};

/// Must outlive everything that delivers to it.
class recording_sink {
public:
    recording_sink() : recording_sink(nullptr) {}
    /// For frames whose payloads belong to another host: its buffer service. Null: those of mock_host.
    explicit recording_sink(const sigrun_svc_buffer* buffers) : buffers_(buffers) {
        abi_ = {sizeof abi_, 0, this, [](void* self, const sigrun_frame* frame) noexcept -> sigrun_result {
                    return static_cast<recording_sink*>(self)->take(*frame);
                }};
    }
    recording_sink(const recording_sink&) = delete;
    recording_sink& operator=(const recording_sink&) = delete;

    const sigrun_sink* abi() const noexcept { return &abi_; }
    /// What on_frame answers from now on; with an error the frame is not kept, only counted as refused.
    void set_result(sigrun_result result) {
        std::lock_guard lock(mutex_);
        result_ = result;
    }
    std::vector<recorded_frame> frames() const {
        std::lock_guard lock(mutex_);
        return frames_;
    }
    std::size_t refused() const {
        std::lock_guard lock(mutex_);
        return refused_;
    }
    /// True once on_frame ran on two threads at once, which the ABI forbids.
    bool overlapped() const {
        std::lock_guard lock(mutex_);
        return overlapped_;
    }
    /// The first frame (also one from before) that fits; throws std::runtime_error with what did arrive on
    /// the deadline.
    recorded_frame wait_for(const std::function<bool(const recorded_frame&)>& fits,
                            std::chrono::milliseconds deadline = std::chrono::seconds(10)) const {
        std::unique_lock lock(mutex_);
        std::size_t seen = 0;
        const auto until = std::chrono::steady_clock::now() + deadline;
        for (;;) {
            for (; seen < frames_.size(); ++seen)
                if (fits(frames_[seen])) return frames_[seen];
            if (changed_.wait_until(lock, until) == std::cv_status::timeout && seen == frames_.size()) break;
        }
        std::string arrived;
        for (const auto& f : frames_) arrived += concat(" ", f.kind, "/", f.flags, " ", f.json);
        throw std::runtime_error(concat("no frame fitted before the deadline; ", frames_.size(), " arrived:", arrived));
    }
    /// Until at least `n` frames are kept; returns all.
    std::vector<recorded_frame> wait_count(std::size_t n,
                                           std::chrono::milliseconds deadline = std::chrono::seconds(10)) const {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, deadline, [&] { return frames_.size() >= n; }))
            throw std::runtime_error(concat("only ", frames_.size(), " of ", n, " frames before the deadline"));
        return frames_;
    }

private:
    sigrun_result take(const sigrun_frame& f) noexcept try {
        {
            std::lock_guard lock(mutex_);
            if (inside_++) overlapped_ = true;
        }
        recorded_frame copy{
            f.kind, f.flags, f.stream, f.seq, f.ack, f.offset, f.time_ns, {}, 0, {}, std::string(view(f.json)), {}};
        if (f.attempt) {
            copy.job = view(f.attempt->job);
            copy.attempt = f.attempt->number;
            copy.token = view(f.attempt->token);
        }
        if (f.payload) {
            void* p = nullptr;
            std::uint64_t n = 0;
            buffers_ ? buffers_->view(f.payload, &p, &n, nullptr) : mock::view(f.payload, &p, &n, nullptr);
            copy.payload.assign(static_cast<const char*>(p), static_cast<std::size_t>(n));
        }
        std::lock_guard lock(mutex_);
        --inside_;
        if (result_ < 0) {
            ++refused_;
        } else {
            frames_.push_back(std::move(copy));
        }
        changed_.notify_all();
        return result_;
    } catch (...) {
        return SIGRUN_E_NOMEM;
    }

    const sigrun_svc_buffer* buffers_;
    sigrun_sink abi_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::vector<recorded_frame> frames_;
    sigrun_result result_ = SIGRUN_OK;
    std::size_t refused_ = 0;
    unsigned inside_ = 0;
    bool overlapped_ = false;
};

}  // namespace sigrun::sdk
