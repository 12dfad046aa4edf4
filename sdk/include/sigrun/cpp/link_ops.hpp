// sigrun/cpp/link_ops.hpp: sigrun_link_ops from a C++ class. A protocol defines sigrun_link with
//
//   sigrun_result send(const sigrun_frame&);
//   sigrun_result ping(sigrun_op);
//   sigrun_result call(const sigrun_call&, const sigrun_sink& replies, sigrun_op);
//   void close(sigrun_result why, sigrun_op);   // frees the link and completes the op
//
// and, where frames are not all there is to it, execute(offer), cancel(attempt, grace_ns), attach(attempt, log_offset, op) and
// describe(op); without the first two, OFFER and CANCEL are sent as frames, without the others the slots are empty. What these
// throw is answered as sigrun/cpp/error.hpp says.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/protocol.h>

namespace sigrun::sdk {

template <class Link>
struct link_slots {
    static sigrun_result execute(sigrun_link* link, const sigrun_frame* offer) noexcept {
        return guarded(nullptr, [&]() -> sigrun_result {
            if constexpr (requires(Link & l) { l.execute(*offer); }) return self(link).execute(*offer);
            if (offer->kind != SIGRUN_OFFER || !offer->attempt) return SIGRUN_E_INVALID;
            return self(link).send(*offer);
        });
    }
    static sigrun_result cancel(sigrun_link* link, const sigrun_attempt* attempt, std::uint64_t grace_ns) noexcept {
        return guarded(nullptr, [&]() -> sigrun_result {
            if constexpr (requires(Link & l) { l.cancel(*attempt, grace_ns); })
                return self(link).cancel(*attempt, grace_ns);
            sigrun_frame frame{};
            frame.struct_size = sizeof frame;
            frame.kind = SIGRUN_CANCEL;
            frame.attempt = attempt;
            frame.time_ns = grace_ns;
            return self(link).send(frame);
        });
    }
    static sigrun_result attach(sigrun_link* link, const sigrun_attempt* attempt, std::uint64_t offset,
                                sigrun_op op) noexcept {
        return guarded(nullptr, [&] { return self(link).attach(*attempt, offset, op); });
    }
    static sigrun_result describe(sigrun_link* link, sigrun_op op) noexcept {
        return guarded(nullptr, [&] { return self(link).describe(op); });
    }
    static sigrun_result ping(sigrun_link* link, sigrun_op op) noexcept {
        return guarded(nullptr, [&] { return self(link).ping(op); });
    }
    static sigrun_result send(sigrun_link* link, const sigrun_frame* frame) noexcept {
        return guarded(nullptr, [&] { return self(link).send(*frame); });
    }
    static sigrun_result call(sigrun_link* link, const sigrun_call* request, const sigrun_sink* replies,
                              sigrun_op op) noexcept {
        return guarded(nullptr, [&] { return self(link).call(*request, *replies, op); });
    }
    static void close(sigrun_link* link, sigrun_result why, sigrun_op op) noexcept {
        guarded(nullptr, [&] { self(link).close(why, op); });
    }
    static constexpr auto attach_slot() noexcept -> decltype(sigrun_link_ops::attach) {
        if constexpr (requires(Link & l, const sigrun_attempt& a, sigrun_op op) { l.attach(a, std::uint64_t{}, op); })
            return &attach;
        else
            return nullptr;
    }
    static constexpr auto describe_slot() noexcept -> decltype(sigrun_link_ops::describe) {
        if constexpr (requires(Link & l, sigrun_op op) { l.describe(op); })
            return &describe;
        else
            return nullptr;
    }

private:
    static Link& self(sigrun_link* link) noexcept { return static_cast<Link&>(*link); }
};

/// Instantiate where sigrun_link is complete: `constexpr sigrun_link_ops k_ops = sdk::link_ops<sigrun_link>;`
template <class Link>
inline constexpr sigrun_link_ops link_ops{sizeof(sigrun_link_ops),    0,
                                          &link_slots<Link>::execute, link_slots<Link>::attach_slot(),
                                          &link_slots<Link>::cancel,  link_slots<Link>::describe_slot(),
                                          &link_slots<Link>::ping,    &link_slots<Link>::send,
                                          &link_slots<Link>::call,    &link_slots<Link>::close};

}  // namespace sigrun::sdk
