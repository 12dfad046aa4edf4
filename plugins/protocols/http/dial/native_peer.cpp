#include "dial/native_peer.hpp"

#include <boost/json.hpp>

namespace sigrun::http {
namespace {
namespace json = boost::json;

std::string_view text_member(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    if (!v || !v->is_string()) return {};
    return {v->get_string().data(), v->get_string().size()};
}

}  // namespace

bool is_native(const client_result& r) {
    const auto found = r.headers.find("Server");
    if (found != r.headers.end() && found->value().substr(0, 7) == "Sigrun/") return true;
    boost::system::error_code ec;
    const auto value = json::parse(r.body, ec);
    const auto* o = ec ? nullptr : value.if_object();
    if (!o) return false;
    if (r.status == 200) return text_member(*o, "name").substr(0, 6) == "sigrun";
    const auto code = text_member(*o, "code");
    return (r.status == 401 && code == "unauthenticated") || (r.status == 403 && code == "forbidden");
}

}  // namespace sigrun::http
