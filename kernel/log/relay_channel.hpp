// The one channel that all loggers share. Its target can be exchanged while other threads log, which Poco's
// own Logger::setChannel does not allow. One line at a time: Poco 1.11's AsyncChannel counts dropped lines in a
// plain integer.
#pragma once

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/Message.h>

#include <mutex>

namespace sigrun {

class relay_channel final : public Poco::Channel {
public:
    explicit relay_channel(Poco::AutoPtr<Poco::Channel> target) : target_(std::move(target)) {}

    void log(const Poco::Message& message) override {
        std::lock_guard lock(mutex_);
        target_->log(message);
    }

    /// Returns after the old target has written everything it had taken.
    void retarget(Poco::AutoPtr<Poco::Channel> to) {
        {
            std::lock_guard lock(mutex_);
            std::swap(target_, to);
        }
        to->close();
    }

private:
    std::mutex mutex_;
    Poco::AutoPtr<Poco::Channel> target_;
};

}  // namespace sigrun
