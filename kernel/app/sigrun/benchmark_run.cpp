#include "kernel/app/sigrun/benchmark_run.hpp"

#include "kernel/capability/tiers.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>

namespace sigrun::cli {
namespace {

constexpr std::chrono::milliseconds k_tick{100};

capability_ptr wait_for(context& ctx, std::future<capability_ptr> found) {
    const bool told = ::isatty(STDERR_FILENO) == 1;
    const auto begin = std::chrono::steady_clock::now();
    while (found.wait_for(k_tick) != std::future_status::ready) {
        const auto passed = std::chrono::steady_clock::now() - begin;
        if (passed >= ctx.daemon_timeout())
            throw failure(make_problem(errc::timeout, "the measurements did not end within " + ctx.options.timeout),
                          "allow more with --timeout");
        if (told)
            std::fprintf(stderr, "\rmeasuring processors, memory and disk, 3 s at most: %.1f s",
                         std::chrono::duration<double>(passed).count());
    }
    if (told) std::fputs("\r\x1b[K", stderr);
    return found.get();
}

}  // namespace

std::vector<std::string> with_tier_evidence(std::vector<std::string> only) {
    if (only.empty()) return only;
    for (auto& key : tier_evidence()) only.push_back(std::move(key));
    return only;
}

capability_ptr measure(context& ctx, detector& detect, const capability_document& known,
                       const std::vector<std::string>& only) {
    detect_options options;
    options.fresh = options.on_request = true;
    auto arrived = std::make_shared<std::promise<capability_ptr>>();
    auto found = arrived->get_future();
    detect.detect(options, [arrived](capability_ptr document) { arrived->set_value(std::move(document)); });
    const auto figures = wait_for(ctx, std::move(found));
    auto all = known.facts();
    all.insert(all.end(), figures->facts().begin(), figures->facts().end());
    add_tiers(all);
    if (!only.empty())
        std::erase_if(all, [&](const fact& f) {
            return std::none_of(only.begin(), only.end(),
                                [&](const auto& prefix) { return f.key.starts_with(prefix); });
        });
    return std::make_shared<const capability_document>(std::move(all));
}

}  // namespace sigrun::cli
