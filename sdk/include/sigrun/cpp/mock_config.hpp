// sigrun/cpp/mock_config.hpp: validates options against a component's table as the real host does, for
// mock_host. Tests only. Immutable after construction.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/plugin.h>

#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace sigrun::sdk::mock {

class config {
public:
    /// Throws failure(E_CONFIG) that names key, expected and found.
    config(const sigrun_component& component, const std::map<std::string, std::string>& options) {
        abi_ = {sizeof abi_, 0, this, 1, &config::get_str, &config::get_i64, &config::get_f64};
        auto unused = options;
        const char* next = reinterpret_cast<const char*>(component.opts);
        for (std::uint32_t i = 0; i < component.n_opts; ++i) {
            const auto& opt = *reinterpret_cast<const sigrun_opt*>(next);
            next += opt.struct_size;
            auto key = std::string(sdk::view(opt.key));
            auto given = unused.find(key);
            std::string text(given != unused.end() ? std::string_view(given->second) : sdk::view(opt.def));
            if (given != unused.end()) {
                unused.erase(given);
            } else if (!opt.def.len) {
                if (opt.flags & SIGRUN_OPT_REQUIRED)
                    throw failure(SIGRUN_E_CONFIG, concat(key, ": expected a value, found none"));
                continue;
            }
            values_.emplace(key, parse(opt, key, text));
        }
        if (!unused.empty())
            throw failure(SIGRUN_E_CONFIG, concat("component '", sdk::view(component.id), "' has no option '",
                                                  unused.begin()->first, "'"));
    }
    config(const config&) = delete;
    config& operator=(const config&) = delete;
    const sigrun_config* abi() const noexcept { return &abi_; }

private:
    struct value {
        std::vector<std::string> items;
        std::int64_t integer = 0;
        double real = 0;
        bool numeric = false;
    };

    static value parse(const sigrun_opt& opt, const std::string& key, const std::string& text) {
        auto refuse = [&](std::string_view expected) -> failure {
            return {SIGRUN_E_CONFIG, concat(key, ": expected ", expected, ", found \"", text, "\"")};
        };
        value v;
        v.items = {text};
        switch (opt.type) {
            case SIGRUN_OPT_BOOL:
                v.numeric = true;
                if (text == "yes" || text == "true" || text == "on" || text == "1") {
                    v.integer = 1;
                } else if (text != "no" && text != "false" && text != "off" && text != "0") {
                    throw refuse("yes or no");
                }
                break;
            case SIGRUN_OPT_INT:
                if (!number(text, v, {{"", 1}})) throw refuse("a whole number");
                break;
            case SIGRUN_OPT_FLOAT:
                if (!number(text, v, {{"", 1}}, true)) throw refuse("a number");
                break;
            case SIGRUN_OPT_SIZE:
                if (!number(text, v, k_sizes)) throw refuse("a size such as 64KiB");
                break;
            case SIGRUN_OPT_DURATION:
                if (text != "0" && !number(text, v, k_durations)) throw refuse("a duration such as 250ms");
                v.numeric = true;
                break;
            case SIGRUN_OPT_CHOICE: {
                bool known = false;
                for (const auto& choice : split(std::string(sdk::view(opt.choices)))) known = known || choice == text;
                if (!known) throw refuse(concat("one of ", sdk::view(opt.choices)));
                break;
            }
            case SIGRUN_OPT_LIST: v.items = split(text); break;
            default: break;
        }
        if (v.numeric && (opt.min != 0 || opt.max != 0) && (v.real < opt.min || v.real > opt.max))
            throw refuse(concat("a value from ", opt.min, " to ", opt.max));
        return v;
    }

    using units = std::map<std::string_view, double>;
    static inline const units k_sizes{{"", 1},           {"k", 1e3},           {"M", 1e6},
                                      {"G", 1e9},        {"T", 1e12},          {"Ki", 1024.0},
                                      {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
    static inline const units k_durations{{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                          {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};

    /// A number with a unit; durations may chain them ("1h30m").
    static bool number(std::string_view text, value& v, const units& known, bool fraction = false) {
        const char* at = text.data();
        const char* end = at + text.size();
        if (at == end) return false;
        while (at != end) {
            double n = 0;
            auto [stop, error] = std::from_chars(at, end, n, std::chars_format::fixed);
            if (error != std::errc() || (!fraction && known.size() == 1 && n != std::floor(n))) return false;
            const char* unit = stop;
            while (stop != end && (*stop < '0' || *stop > '9')) ++stop;
            std::string_view name(unit, static_cast<std::size_t>(stop - unit));
            if (&known == &k_sizes && !name.empty() && name.back() == 'B') name.remove_suffix(1);
            auto found = known.find(name);
            if (found == known.end() || (stop != end && &known != &k_durations)) return false;
            v.real += n * found->second;
            at = stop;
        }
        if (std::abs(v.real) > 9e18) return false;
        v.integer = static_cast<std::int64_t>(v.real);
        return v.numeric = true;
    }
    static std::vector<std::string> split(const std::string& text) {
        std::vector<std::string> items;
        for (std::size_t at = 0; at <= text.size();) {
            auto comma = std::min(text.find(',', at), text.size());
            auto first = text.find_first_not_of(" \t", at);
            auto last = text.find_last_not_of(" \t", comma ? comma - 1 : 0);
            if (comma > at && first < comma) items.push_back(text.substr(first, last - first + 1));
            at = comma + 1;
        }
        return items;
    }

    const value* find(sigrun_str key) const {
        auto found = values_.find(std::string(sdk::view(key)));
        return found == values_.end() ? nullptr : &found->second;
    }
    static const config& of(const sigrun_config* c) noexcept { return *static_cast<const config*>(c->ctx); }
    static sigrun_result get_str(const sigrun_config* c, sigrun_str key, std::uint32_t index,
                                 sigrun_str* out) noexcept {
        const value* v = of(c).find(key);
        if (!v || index >= v->items.size()) return SIGRUN_E_NOT_FOUND;
        *out = str(v->items[index]);
        return SIGRUN_OK;
    }
    static sigrun_result get_i64(const sigrun_config* c, sigrun_str key, std::uint32_t index,
                                 std::int64_t* out) noexcept {
        const value* v = of(c).find(key);
        if (!v || index) return SIGRUN_E_NOT_FOUND;
        if (!v->numeric) return SIGRUN_E_INVALID;
        *out = v->integer;
        return SIGRUN_OK;
    }
    static sigrun_result get_f64(const sigrun_config* c, sigrun_str key, std::uint32_t index, double* out) noexcept {
        const value* v = of(c).find(key);
        if (!v || index) return SIGRUN_E_NOT_FOUND;
        if (!v->numeric) return SIGRUN_E_INVALID;
        *out = v->real;
        return SIGRUN_OK;
    }

    sigrun_config abi_;
    std::map<std::string, value> values_;
};

}  // namespace sigrun::sdk::mock
