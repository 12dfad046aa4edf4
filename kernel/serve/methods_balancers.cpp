// Recording what a balancer is asked and answers, for a replay elsewhere.
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

namespace sigrun {
namespace {

constexpr std::uint64_t k_usual_picks = 1000, k_most_picks = 1'000'000;
constexpr std::size_t k_bytes = 8u << 20;  // it is sent in one answer

void record(controller& c, const json::object& o, const call_ptr& call) {
    auto picks = number_param(o, "picks", k_usual_picks, 1, k_most_picks);
    if (!picks) return void(call->fail(picks.error()));
    auto begun = c.select.start_recording(text_or(o, "balancer"), static_cast<std::uint32_t>(*picks), k_bytes);
    if (!begun) return void(call->fail(begun.error()));
    call->last(R"({"recording":true})");
}

void tell(controller& c, bool end, const call_ptr& call) {
    const auto state = c.select.recording();
    const std::string answer = json::serialize(
        json::object{{"under_way", state.under_way && !end}, {"full", state.full}, {"picks", state.picks}});
    if (!end) return void(call->last(answer));
    auto bytes = c.select.end_recording();
    if (!bytes) return void(call->fail(bytes.error()));
    const auto payload = buffer_ref::copy_of(*bytes);
    call->last(answer, payload.get());
}

}  // namespace

void add_balancer_methods(router& r, controller& c) {
    r.add("balancers.record", plain({"balancer", "picks"}, [&c](const json::object& o, const call_input&,
                                                                const call_ptr& call) { record(c, o, call); }));
    r.add("balancers.recording", plain({"end"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto end = bool_param(o, "end", false);
              if (!end) return void(call->fail(end.error()));
              tell(c, *end, call);
          }));
    // The same with `end`, for protocols whose routes have a method each.
    r.add("balancers.recorded",
          plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) { tell(c, true, call); }));
}

}  // namespace sigrun
