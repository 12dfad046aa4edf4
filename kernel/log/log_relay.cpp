#include "kernel/log/log_relay.hpp"

#include "kernel/log/relay_channel.hpp"

#include <Poco/Logger.h>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

class function_channel final : public Poco::Channel {
public:
    using taker = std::function<void(log_level, std::string_view)>;
    explicit function_channel(taker take) : take_(std::move(take)) {}
    void log(const Poco::Message& message) override {
        // Poco counts fatal, critical, error, warning, notice, information, debug, trace, from 1.
        constexpr log_level levels[] = {log_level::error, log_level::error, log_level::error, log_level::warning,
                                        log_level::info,  log_level::info,  log_level::debug, log_level::trace};
        take_(levels[std::clamp(static_cast<int>(message.getPriority()), 1, 8) - 1], message.getText());
    }

private:
    const taker take_;
};

}  // namespace

void relay_log_lines(std::function<void(log_level level, std::string_view text)> take) {
    logger::get("relay");  // at the latest now all loggers share their channel
    auto channel = Poco::Logger::root().getChannel();
    if (auto* relay = dynamic_cast<relay_channel*>(&*channel)) relay->retarget(new function_channel(std::move(take)));
}

}  // namespace sigrun
