// What a runner measures its way to this daemon with. Transfers are rationed: a whole fleet that comes back at once must not fill
// the line with measurements.
#include "kernel/base/id.hpp"
#include "kernel/base/noise.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

#include <sigrun/cpp/text.hpp>

#include <atomic>

namespace sigrun {
namespace {

constexpr std::uint64_t k_most_bytes = 1 << 20;
constexpr std::chrono::milliseconds k_apart{250};  // of transfers: with 256 KiB each, 1 MiB a second

/// One transfer each k_apart. [any]
class ration {
public:
    /// zero: go ahead; else: not before that.
    nanoseconds take(time_point now) {
        auto next = next_.load();
        const auto at = now.time_since_epoch().count();
        while (next <= at)
            if (next_.compare_exchange_weak(next, at + nanoseconds(k_apart).count())) return nanoseconds{0};
        return nanoseconds(next - at);
    }

private:
    std::atomic<std::int64_t> next_{0};
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
                  if (const auto wait = transfers->take(c.time.now()); wait > nanoseconds{0}) {
                      auto busy = make_problem(errc::busy, "other runners measure their way to this daemon");
                      busy.retry_after_ms = static_cast<std::uint32_t>(wait / std::chrono::milliseconds(1) + 1);
                      return void(call->fail(busy));
                  }
              }
              const auto back = *bytes ? noise(*bytes) : buffer_ref();
              call->last(sdk::concat(R"({"time_ns":)", c.time.wall_ns(), "}"), back.get());
          }));
}

}  // namespace sigrun
