// sigrun/cpp/options.hpp: an option table as constexpr data, and typed reading of validated values.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/plugin.h>

#include <chrono>
#include <string>
#include <vector>

namespace sigrun::sdk {

/// Everything about one key but its type: option("threads", SIGRUN_OPT_INT, {.def = "1", .doc = "...", .min = 1, .max = 64}).
struct option_spec {
    std::string_view def{};
    std::string_view doc{};
    std::string_view choices{};
    std::string_view unit{};
    double min = 0;
    double max = 0;
    std::uint32_t flags = 0;
};

constexpr sigrun_opt option(std::string_view key, std::uint32_t type, option_spec spec) noexcept {
    return {sizeof(sigrun_opt), type,           spec.flags, 0,       str(key), str(spec.def), str(spec.doc),
            str(spec.choices),  str(spec.unit), spec.min,   spec.max};
}

/// Typed view of a sigrun_config. The host has validated every value, so a failure here names a key that the option
/// table does not declare or that has neither value nor default.
class config_reader {
public:
    explicit config_reader(const sigrun_config* abi) noexcept : abi_(abi) {}

    std::string text(std::string_view key, std::uint32_t index = 0) const {
        sigrun_str out{nullptr, 0};
        check(abi_->get_str(abi_, str(key), index, &out), key);
        return std::string(view(out));
    }
    std::string text_or(std::string_view key, std::string_view otherwise) const {
        sigrun_str out{nullptr, 0};
        if (abi_->get_str(abi_, str(key), 0, &out) != SIGRUN_OK) return std::string(otherwise);
        return std::string(view(out));
    }
    std::int64_t integer(std::string_view key) const {
        std::int64_t out = 0;
        check(abi_->get_i64(abi_, str(key), 0, &out), key);
        return out;
    }
    bool boolean(std::string_view key) const { return integer(key) != 0; }
    double real(std::string_view key) const {
        double out = 0;
        check(abi_->get_f64(abi_, str(key), 0, &out), key);
        return out;
    }
    std::chrono::nanoseconds duration(std::string_view key) const { return std::chrono::nanoseconds(integer(key)); }
    std::vector<std::string> list(std::string_view key) const {
        std::vector<std::string> items;
        sigrun_str out{nullptr, 0};
        for (std::uint32_t i = 0; abi_->get_str(abi_, str(key), i, &out) == SIGRUN_OK; ++i)
            items.emplace_back(view(out));
        return items;
    }

private:
    static void check(sigrun_result r, std::string_view key) {
        if (r < 0) throw failure(SIGRUN_E_CONFIG, concat("option '", key, "' has no value (result ", r, ")"));
    }
    const sigrun_config* abi_;
};

}  // namespace sigrun::sdk
