// What a runner measures its way to this daemon with. Transfers are rationed: a whole fleet that comes back at once must not fill
// the line with measurements.
#include "kernel/auth/gate.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/noise.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

#include <map>
#include <mutex>

namespace sigrun {
namespace {

constexpr std::uint64_t k_most_bytes = 1 << 20;
constexpr std::chrono::milliseconds k_apart{500};
constexpr std::chrono::seconds k_pair{5};

/// One pair of transfers each k_apart: who was let in once, over a connection, may do a second one soon. [any]
class ration {
public:
    /// zero: go ahead; else: not before that.
    nanoseconds take(std::uint64_t session, time_point now) {
        std::lock_guard lock(mutex_);
        std::erase_if(second_, [now](const auto& one) { return one.second <= now; });
        if (second_.erase(session)) return nanoseconds{0};
        if (now < next_) return next_ - now;
        next_ = now + k_apart;
        second_.emplace(session, now + k_pair);
        return nanoseconds{0};
    }

private:
    std::mutex mutex_;
    time_point next_{};
    std::map<std::uint64_t, time_point> second_;  // by session, until when; at most k_pair / k_apart
};

buffer_ref noise(std::uint64_t bytes) {
    auto made = buffer_ref::with_capacity(bytes);
    fill_with_noise({made.get()->bytes(), bytes}, random_u64() | 1);
    made.get()->length = bytes;
    return made;
}

}  // namespace

void add_path_methods(router& r, controller& c) {
    auto transfers = std::make_shared<ration>();
    r.add("path.measure",
          plain({"bytes"}, [&c, transfers](const json::object& o, const call_input& in, const call_ptr& call) {
              const auto bytes = number_param(o, "bytes", 0, 0, k_most_bytes);
              if (!bytes) return void(call->fail(bytes.error()));
              if (*bytes || in.payload) {
                  if (const auto wait = transfers->take(in.session, c.time.now()); wait > nanoseconds{0}) {
                      auto busy = make_problem(errc::busy, "other runners measure their way to this daemon");
                      busy.retry_after_ms = static_cast<std::uint32_t>(wait / std::chrono::milliseconds(1) + 1);
                      return void(call->fail(busy));
                  }
              }
              const auto back = *bytes ? noise(*bytes) : buffer_ref();
              json::object answer{{"time_ns", c.time.wall_ns()}};
              if (auto from = c.who->address_of(in.session); !from.empty()) answer["seen_as"] = from;
              call->last(json::serialize(answer), back.get());
          }));
}

}  // namespace sigrun
