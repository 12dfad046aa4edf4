// Facts about a machine: what probes say, with status, source and age. Unknown is never a default value.
#pragma once

#include "kernel/base/json.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

enum class fact_status : std::uint8_t { ok, absent, denied, unsupported, timeout, error, stale };
enum class fact_volatility : std::uint8_t { fixed, boot, slow, fast };  // "static" "boot" "slow" "fast"

struct fact {
    std::string key;
    json::value value;  // null unless status is ok or stale
    fact_status status = fact_status::ok;
    fact_volatility volatility = fact_volatility::boot;
    bool unique = false;  // identity: kept out of class_hash
    std::uint8_t confidence = 100;
    std::uint32_t ttl_s = 0;       // 0 = no limit
    std::int64_t observed_ns = 0;  // wall clock
    std::string method, source, detail;
};
std::string_view to_string(fact_status s) noexcept;
/// "cpu.features" with value and the rest as capabilities.md section 2 names them.
json::object to_json(const fact& f);
result<fact> fact_from_json(const json::value& v);

/// All facts of one machine. Immutable; share it by pointer. Lookups are a binary search over sorted keys.
class capability_document {
public:
    capability_document() = default;
    /// Later facts of the same key win unless their confidence is lower.
    explicit capability_document(std::vector<fact> facts);
    static result<std::shared_ptr<const capability_document>> from_json(const json::array& facts);

    const fact* find(std::string_view key) const noexcept;  // aliases (os.arch -> host.arch) resolved
    const std::vector<fact>& facts() const noexcept { return facts_; }
    json::array to_json() const;
    /// XXH3-128 as hex over key, value and status of all static and boot facts; class_hash without unique
    /// ones, and without what no requirement sees: that a value is stale, and which patterns a failed probe declares.
    const std::string& inventory_hash() const noexcept { return inventory_hash_; }
    const std::string& class_hash() const noexcept { return class_hash_; }

private:
    std::vector<fact> facts_;
    std::string inventory_hash_, class_hash_;
};
using capability_ptr = std::shared_ptr<const capability_document>;
using label_map = std::map<std::string, std::string, std::less<>>;

}  // namespace sigrun
