// The job document: text -> checked, immutable description of what to run and where.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/guard/job_signature.hpp"
#include "kernel/guard/secret_box.hpp"
#include "kernel/job/artifact.hpp"
#include "kernel/job/demand.hpp"
#include "kernel/job/job_class.hpp"
#include "kernel/job/run_group.hpp"
#include "kernel/job/wait_accounts.hpp"
#include "kernel/plugin/buffer.hpp"
#include "kernel/select/requirement_texts.hpp"
#include "kernel/select/selector.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sigrun {

enum class priority_band : std::uint8_t { critical, high, normal, low, background };
enum class durability : std::uint8_t { fsync, relaxed, memory };
constexpr std::size_t k_priority_bands = 5;
std::string_view to_string(priority_band p) noexcept;
std::optional<priority_band> parse_priority(std::string_view text) noexcept;
std::string_view to_string(durability d) noexcept;

/// How far ahead the start of a job may be.
constexpr nanoseconds k_longest_delay = std::chrono::hours(24) * 366;

struct preference {
    predicate_ptr pred;  // the requirement and the preference together
    std::int64_t weight = 0;
};

/// Shared by all jobs submitted with the same text.
struct job_spec {
    std::string document;         // as submitted, for the eyes of the runner alone: secrets are in it in clear
    std::string public_document;  // without secrets; "" = there are none
    std::string sealed_secrets;   // for the disk; "" = none, or the job never gets there
    std::string secrets_lost;     // why those of an earlier life of the daemon cannot be opened; "" = they can
    std::string kind = "process";
    std::vector<std::string> command;  // empty when steps are given
    std::size_t steps = 0;
    buffer_ref payload;  // from the document
    std::vector<artifact_wish> artifacts;
    std::string requires_text;
    requirement_ptr requirement;  // requires_text, and that the runner runs this kind
    predicate_ptr pred;
    std::vector<preference> prefers;  // heaviest first
    std::string queue = "default", tenant;
    account_ptr queue_account, tenant_account;
    std::shared_ptr<const group_terms> group;  // null: it is in none
    class_ptr cls;
    demand_ptr demand;  // where its jobs count; null: nowhere
    priority_band priority = priority_band::normal;
    std::string balancer;  // that the document, its queue or the rule for its priority names; "" = default
    std::uint16_t balancer_id = 0;
    std::uint64_t affinity_key = 0;  // of `affinity`; 0 = none
    std::string zone;                // it comes from there; "" = from where the controller is
    std::uint32_t source_zone = 0;   // that, for the selector
    std::string protocol = "auto";
    bool names_protocol = false;     // protocol is not "auto"
    std::string preferred_protocol;  // taken unless another one is clearly better
    nanoseconds max_latency{0};      // of a round trip to the runner; 0 = any
    label_map labels;
    nanoseconds queue_timeout{0};                         // 0 = none
    nanoseconds start_timeout = std::chrono::minutes(1);  // from a runner's yes until it has started it; 0 = none
    bool names_start_timeout = false;                     // it is the document's own
    nanoseconds run_timeout = std::chrono::hours(1);
    nanoseconds silent_timeout{0};  // of an attempt without output, kept by the runner; 0 = none
    nanoseconds total_timeout{0};   // from submit on, over all attempts; 0 = none
    // Not before; at most one of the two is not 0.
    std::int64_t start_at_ns = 0;                    // wall clock
    nanoseconds delay{0};                            // after submit
    std::shared_ptr<const job_signature> signature;  // null: nobody signed it
    std::uint32_t retry_user = 0, retry_infrastructure = 3;
    double memory_factor = 1;  // of limits.memory, for each attempt that ended for lack of it
    // For idempotency keys: secrets as a mark of them, and without a signature. "" = as submitted.
    std::string compared_document;
    durability keep = durability::fsync;
    bool idempotent = true;
    bool explain = false;  // what its picks saw is kept
    bool hedge = false;    // where it takes longer than usual, it may be begun a second time beside the first

    /// What others than the runner may see of it.
    const std::string& told_document() const noexcept { return public_document.empty() ? document : public_document; }
};
using spec_ptr = std::shared_ptr<const job_spec>;
struct document_of {
    std::string_view operator()(const job_spec& s) const noexcept { return s.document; }
};

/// What a [queue NAME] section says.
struct queue_rules {
    std::uint64_t most = 0;  // jobs that may wait; 0 = any number
    std::string balancer;    // of jobs that name none; "" = none
    priority_band priority = priority_band::normal;
};
/// What the configuration says for documents that leave it open.
struct spec_rules {
    std::map<std::string, queue_rules, std::less<>> queues;
    std::array<std::string, k_priority_bands> balancers;  // by priority; "" = default
};

struct spec_defaults {
    std::uint32_t retry_infrastructure = 3;
    std::shared_ptr<const spec_rules> rules = std::make_shared<spec_rules>();
    std::vector<std::string> protocols;  // names that a job may ask for
    std::shared_ptr<wait_accounts> queues = std::make_shared<wait_accounts>();
    std::shared_ptr<wait_accounts> tenants = std::make_shared<wait_accounts>();
    std::shared_ptr<job_classes> classes = std::make_shared<job_classes>();
    std::shared_ptr<demand_board> demand = std::make_shared<demand_board>();
    std::shared_ptr<secret_box> secrets;  // null: documents with secrets are refused
    std::shared_ptr<run_groups> groups = std::make_shared<run_groups>();
    std::shared_ptr<requirement_texts> requirements = std::make_shared<requirement_texts>();
};

/// The same for the same text, and never 0.
std::uint64_t affinity_key_of(std::string_view text) noexcept;

/// Parses and checks; unknown fields are refused with the nearest known one. Interns the requirement in `select`.
/// At most 1 MiB of text, 64 KiB per word, 4096 words.
result<spec_ptr> parse_job_spec(std::string_view document, selector& select, const spec_defaults& defaults);

}  // namespace sigrun
