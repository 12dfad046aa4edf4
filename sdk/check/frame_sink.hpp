// A sink that keeps what arrives, can refuse it, and can do something with each frame before it answers.
#pragma once

#include <sigrun/base.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::check {

class frame_sink {
public:
    struct frame {
        std::uint32_t kind, flags, stream;
        std::string json;
    };
    frame_sink() {
        abi_ = {sizeof abi_, 0, this, [](void* self, const sigrun_frame* f) -> sigrun_result {
                    return static_cast<frame_sink*>(self)->take(*f);
                }};
    }
    frame_sink(const frame_sink&) = delete;
    frame_sink& operator=(const frame_sink&) = delete;
    const sigrun_sink* abi() const noexcept { return &abi_; }
    std::vector<frame> frames() const {
        std::lock_guard lock(mutex_);
        return frames_;
    }
    /// Set before anything is delivered.
    sigrun_result answer = SIGRUN_OK;
    std::function<void()> before;

private:
    sigrun_result take(const sigrun_frame& f) {
        if (before) before();
        std::lock_guard lock(mutex_);
        frames_.push_back({f.kind, f.flags, f.stream,
                           f.json.len ? std::string(f.json.ptr, static_cast<std::size_t>(f.json.len)) : std::string()});
        return answer;
    }
    sigrun_sink abi_{};
    mutable std::mutex mutex_;
    std::vector<frame> frames_;
};

}  // namespace sigrun::check
