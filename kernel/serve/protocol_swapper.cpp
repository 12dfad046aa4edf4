#include "kernel/serve/protocol_swapper.hpp"

#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/protocol.h>

namespace sigrun {
namespace {

constexpr std::chrono::minutes k_retire_time{10};  // for streams; what takes longer is cut

bool contains(std::string_view list, std::string_view word) {
    for (std::string_view rest = list; !rest.empty();) {
        const auto comma = rest.find(',');
        if (rest.substr(0, comma) == word) return true;
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
    return false;
}

// Links and endpoints know a protocol by its name and schemes, and count on what it could do.
result<void> can_take_over(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    const auto* before = old->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    const auto* after = now->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (!before || !after) return bad_value("get_interface", "a table for " SIGRUN_KIND_PROTOCOL, "NULL");
    if (sdk::view(before->name) != sdk::view(after->name))
        return bad_value("name", std::string(sdk::view(before->name)), std::string(sdk::view(after->name)));
    if ((before->flags ^ after->flags) & SIGRUN_PROTOCOL_FOREIGN)
        return bad_value("flags", std::to_string(before->flags), std::to_string(after->flags));
    for (auto rest = sdk::view(before->schemes); !rest.empty();) {
        const auto comma = rest.find(',');
        if (!contains(sdk::view(after->schemes), rest.substr(0, comma)))
            return bad_value("schemes", "\"" + std::string(rest.substr(0, comma)) + "\" among them, as before",
                             "\"" + std::string(sdk::view(after->schemes)) + "\"");
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
    const auto lost = [](const char* what) { return bad_value(what, "a table, as in the running version", "NULL"); };
    const auto takes = [](const sigrun_protocol* t) {
        return SIGRUN_HAS(t, serve) && SIGRUN_HAS(t->serve, recognise) && SIGRUN_HAS(t->serve, on_accept);
    };
    if (takes(before) && !takes(after)) return lost("serve");
    if (SIGRUN_HAS(before, dial) && !SIGRUN_HAS(after, dial)) return lost("dial");
    if (SIGRUN_HAS(before, link) && !SIGRUN_HAS(after, link)) return lost("link");
    return {};
}

// Links to runners go by the protocols that were there at the start.
result<void> only_serves(const instance& which, const char* what_then) {
    const auto* table = which.table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (!SIGRUN_HAS(table, link) && !SIGRUN_HAS(table, dial)) return {};
    return problem{errc::unsupported, std::string("a protocol that makes links to runners ") + what_then, "protocol",
                   "one that only serves callers", which.name()};
}

void retire(plugin_host& host, const std::shared_ptr<instance>& old) {
    const auto* table = old->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (!SIGRUN_HAS(table, serve) || !SIGRUN_HAS(table->serve, retire)) return;
    const auto deadline = (clock::system().now() + k_retire_time).time_since_epoch() / std::chrono::nanoseconds(1);
    const auto begin = [&](sigrun_op done) {
        return table->serve->retire(old->abi(), static_cast<std::uint64_t>(deadline), done);
    };
    // The op itself keeps the old generation from being destroyed.
    host.call_async(*old, begin, [name = old->name()](const result<buffer_ref>& r) {
        if (!r) SIGRUN_LOG(logs::plugin, warning, name, " did not retire: ", r.error().text());
    });
}

}  // namespace

swapper protocol_swapper(plugin_host& host, protocol_users users) {
    swapper how;
    how.check = [](const auto& old, const auto& now) { return can_take_over(old, now); };
    how.swap = [ears = users.ears, also = users.swap](const auto& old, const auto& now) {
        if (also) also(old, now);
        // Late or not, the listener itself holds the old one until it has exchanged it.
        if (ears) ears->replace(old, now);
        return true;
    };
    how.settle = [&host, also = users.settle](const auto& old, const auto& now) {
        if (also) also(old, now);
        retire(host, old);
    };
    how.add = [ears = users.ears](const auto& now) -> result<void> {
        SIGRUN_CHECK_OK(only_serves(*now, "is taken at the next start"));
        if (ears && !ears->replace(nullptr, now))
            return make_problem(errc::timeout, "the listener did not take it in time; restart");
        return {};
    };
    how.remove = [&host, ears = users.ears](const auto& old) -> result<void> {
        SIGRUN_CHECK_OK(only_serves(*old, "can be taken away only while the program does not run"));
        if (ears && !ears->replace(old, nullptr))
            return make_problem(errc::timeout, "the listener did not let go of it in time; restart");
        retire(host, old);
        return {};
    };
    return how;
}

}  // namespace sigrun
