#include "kernel/net/tls_contexts.hpp"

namespace sigrun {
namespace {

constexpr std::size_t k_most = 256;

}  // namespace

result<ssl_context> tls_contexts::get(const tls_client_options& wanted) {
    const std::string key =
        wanted.ca + '\n' + wanted.certificate + '\n' + wanted.key + (wanted.allow_1_2 ? "\n2" : "\n3");
    auto stamps = stamps_of({wanted.ca, wanted.certificate, wanted.key});
    if (const auto found = known_.find(key); found != known_.end() && found->second.stamps == stamps)
        return found->second.context;
    SIGRUN_TRY(made, make_client_context(wanted));
    if (known_.size() >= k_most) known_.clear();
    known_[key] = {made, std::move(stamps)};
    return made;
}

}  // namespace sigrun
