// sigrun/cpp/balancer_plugin.hpp: the table of a balancer from a class that picks for one request.
//
//   struct picker {                                       // one per thread
//       explicit picker(my_balancer& whole);              // may throw: the thread then picks nothing
//       template <class Bits>                             // see bit_select.hpp
//       [[gnu::always_inline]] void pick(const sigrun_view&, const sigrun_req&, const std::uint64_t* pages,
//                                        sigrun_pick& out) noexcept;   // out comes empty
//       void done(const sigrun_done&) noexcept;           // optional
//   };
//   const void* my_balancer::interface(std::string_view id) noexcept {
//       return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<my_balancer, picker, caps>() : nullptr;
//   }
#pragma once

#include <sigrun/balancer.h>
#include <sigrun/cpp/bit_select.hpp>
#include <sigrun/cpp/plugin.hpp>

namespace sigrun::sdk {
namespace detail {

template <class Picker, class Bits>
[[gnu::always_inline]] inline std::uint32_t pick_each(void* tls, const sigrun_view* view, const sigrun_req* req,
                                                      std::uint32_t n, const std::uint64_t* pages,
                                                      sigrun_pick* out) noexcept {
    std::uint32_t placed = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
        out[i] = {};
        // Pages of another size are not for us; picking nothing leaves the choice to the host.
        if (tls && view->page_shift == 6)
            static_cast<Picker*>(tls)->template pick<Bits>(*view, req[i], pages + req[i].pred_pages_off, out[i]);
        placed += out[i].n > 0;
    }
    return placed;
}
template <class Picker>
std::uint32_t pick_portable(void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
                            const std::uint64_t* pages, sigrun_pick* out) noexcept {
    return pick_each<Picker, portable_bits>(tls, view, req, n, pages, out);
}
template <class Picker>
SIGRUN_FAST_BITS std::uint32_t pick_fast(void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
                                         const std::uint64_t* pages, sigrun_pick* out) noexcept {
    return pick_each<Picker, fast_bits>(tls, view, req, n, pages, out);
}

template <class Balancer, class Picker, std::uint32_t Caps>
constexpr sigrun_balancer make_balancer_table(decltype(sigrun_balancer::pick) pick) noexcept {
    sigrun_balancer table{};
    table.struct_size = sizeof table;
    table.abi = 1;
    table.caps = Caps;
    table.thread_init = [](sigrun_instance* i, std::uint32_t) noexcept -> void* {
        try {
            return new Picker(self<Balancer>(i));
        } catch (...) {
            return nullptr;
        }
    };
    table.thread_fini = [](sigrun_instance*, void* tls) noexcept { delete static_cast<Picker*>(tls); };
    table.pick = pick;
    if constexpr (requires(Picker & p, const sigrun_done& d) { p.done(d); })
        table.done = [](void* tls, const sigrun_done* done, std::uint32_t n) noexcept {
            for (std::uint32_t i = 0; tls && i < n; ++i) static_cast<Picker*>(tls)->done(done[i]);
        };
    return table;
}

}  // namespace detail

/// A picker of a class whose `pick` has no use for Bits; made of what `Balancer::per_thread()` returns.
template <class Balancer, class Choice>
class plain_picker {
public:
    explicit plain_picker(const Balancer& whole) : choice_(whole.per_thread()) {}
    template <class>
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept {
        choice_.pick(view, req, pages, out);
    }

private:
    Choice choice_;
};

template <class Balancer, class Picker, std::uint32_t Caps>
const sigrun_balancer* balancer_table() noexcept {
    static constexpr sigrun_balancer portable =
        detail::make_balancer_table<Balancer, Picker, Caps>(&detail::pick_portable<Picker>);
    static constexpr sigrun_balancer fast =
        detail::make_balancer_table<Balancer, Picker, Caps>(&detail::pick_fast<Picker>);
    return has_fast_bits() ? &fast : &portable;
}

}  // namespace sigrun::sdk
