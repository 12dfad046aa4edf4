#include "dial/dialler.hpp"

#include "dial/detect.hpp"
#include "dial/endpoint_options.hpp"
#include "dial/native_link.hpp"
#include "rustci/legacy_link.hpp"
#include "rustci/options.hpp"
#include "version.hpp"

namespace sigrun::http {

dialler::dialler(const sdk::host& host, const dial_options& options, std::vector<std::unique_ptr<loop>>& loops)
    : host_(host), options_(options), loops_(loops), dials_(std::make_shared<sdk::dial_group>(host)) {}

client_settings dialler::settings_for(const sigrun_endpoint& where) const {
    std::string why;
    auto peer = parse_endpoint(sdk::view(where.uri), why);
    if (!peer) throw sdk::failure(SIGRUN_E_INVALID, why);
    const auto profile = sdk::view(where.profile);
    if (!profile.empty() && profile != "rustci")
        throw sdk::failure(SIGRUN_E_INVALID,
                           sdk::concat("profile: expected \"\" or \"rustci\", found \"", profile, "\""));
    return {std::move(*peer), std::string(sdk::view(where.options)), k_server, options_.now().connect_timeout, dials_};
}

sigrun_result dialler::detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op) {
    auto settings = settings_for(where);
    const auto deadline =
        deadline_ns ? time_point(std::chrono::nanoseconds(deadline_ns)) : clock::now() + options_.now().connect_timeout;
    start_detection(host_, pick(), std::move(settings), sdk::view(where.profile) == "rustci", deadline, op);
    return SIGRUN_PENDING;
}

sigrun_result dialler::open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op, sigrun_link** link) {
    auto settings = settings_for(where);
    loop& on = pick();
    if (sdk::view(where.profile) == "rustci") {
        auto options = rustci::read_options(sdk::view(where.options));
        settings.user_agent = options.user_agent;
        settings.connect_timeout = options.connect_timeout;
        auto made = std::make_shared<rustci::legacy_link>(host_, on, std::move(settings), std::move(options), frames);
        *link = made.get();
        made->open(op);
        return SIGRUN_PENDING;
    }
    endpoint_options options(sdk::view(where.options));
    auto credentials = credentials_header(options);
    options.finish();
    auto made = std::make_shared<native_link>(host_, on, std::move(settings), std::move(credentials),
                                              options_.now().session_timeout, frames);
    *link = made.get();
    made->open(op);
    return SIGRUN_PENDING;
}

}  // namespace sigrun::http
