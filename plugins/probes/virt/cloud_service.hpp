// What each cloud tells its machines at its metadata address: which questions, and what the answers mean. Pure: no I/O.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sigrun::virt {

/// Empty: it was not told.
struct cloud_facts {
    std::string instance_type, region, zone;
    std::optional<bool> preemptible;
};

struct cloud_question {
    std::string_view target;
    /// Of the body. False: this is not what the provider answers.
    bool (*understand)(std::string_view body, cloud_facts& out);
};

struct cloud_service {
    std::string_view provider;
    std::string_view header,
        header_value;               // sent with each question, so that no page in a browser can ask; empty: none
    std::string_view token_target;  // PUT there first, and send what comes back as `token_header`; empty: no token
    std::string_view token_ttl_header, token_header;
    std::span<const cloud_question> questions;
};

/// By cloud.provider; null: nothing is known of how it tells.
const cloud_service* cloud_service_of(std::string_view provider) noexcept;

/// A name as providers write them: "m7i.large", "eu-central-1a", "uiZt:EU-FRANKFURT-1-AD-1". Else empty.
std::string cloud_name(std::string_view text);

}  // namespace sigrun::virt
