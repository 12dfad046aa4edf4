// Machines for tests, described in a few words: facts with every status, and labels.
#pragma once

#include "kernel/select/requirement.hpp"

#include <string>
#include <utility>
#include <vector>

namespace sigrun::test {

struct fact_options {
    fact_status status = fact_status::ok;
    fact_volatility volatility = fact_volatility::boot;
    bool unique = false;
    std::uint32_t ttl_s = 0;
    std::int64_t observed_ns = 0;
    std::string method{};
};

class machine {
public:
    machine& set(std::string key, json::value value, fact_options o = {}) {
        fact f;
        f.key = std::move(key);
        if (o.status == fact_status::ok || o.status == fact_status::stale) f.value = std::move(value);
        f.status = o.status;
        f.volatility = o.volatility;
        f.unique = o.unique;
        f.ttl_s = o.ttl_s;
        f.observed_ns = o.observed_ns;
        f.method = o.method;
        facts_.push_back(std::move(f));
        return *this;
    }
    machine& status(std::string key, fact_status s) { return set(std::move(key), nullptr, {s}); }
    machine& label(const std::string& name, std::string value) {
        labels_[name] = std::move(value);
        return *this;
    }
    sheet_ptr facts() const { return fact_sheet::of(capability_document(facts_)); }
    std::shared_ptr<const label_map> labels() const { return std::make_shared<const label_map>(labels_); }

    truth judge(std::string_view text) const {
        const auto r = requirement::compile(text).value();
        const auto f = facts();
        return r->matches({f.get(), &labels_});
    }

private:
    std::vector<fact> facts_;
    label_map labels_;
};

inline requirement_ptr compiled(std::string_view text) { return requirement::compile(text).value(); }

}  // namespace sigrun::test
