#include "kernel/config/option_value.hpp"
#include "kernel/config/settings.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <stdexcept>

namespace sigrun {
namespace {

struct bound_value {
    sigrun_opt option{};  // its texts belong to the table's owner; only numbers are used after bind
    std::string written;
    std::vector<option_item> items;
};

}  // namespace

struct bound_section::impl {
    std::string section;
    std::map<std::string, bound_value, std::less<>> values;
    sigrun_config abi{};

    const bound_value& declared(std::string_view key) const {
        auto found = values.find(key);
        if (found == values.end())
            throw std::logic_error("section [" + section + "] has no option '" + std::string(key) + "'");
        return found->second;
    }
    const option_item& first(std::string_view key) const {
        const auto& value = declared(key);
        if (value.items.empty())
            throw std::logic_error("[" + section + "] " + std::string(key) + " has neither value nor default");
        return value.items.front();
    }
    // Null: no value at this index.
    static const option_item* item(const sigrun_config* config, sigrun_str key, std::uint32_t index) noexcept {
        const auto& values = static_cast<const impl*>(config->ctx)->values;
        auto found = values.find(sdk::view(key));
        if (found == values.end() || index >= found->second.items.size()) return nullptr;
        return &found->second.items[index];
    }
};

namespace {

std::string with_origin(const std::string& text, const setting* value) {
    return value ? text + " (" + value->origin + ")" : text + " (default)";
}

problem unknown_key(const std::string& section, const std::string& key, const setting& value,
                    std::span<const sigrun_opt> table) {
    std::vector<std::string> names;
    for (const auto& option : table) names.emplace_back(sdk::view(option.key));
    std::string near = nearest_name(key, names);
    std::string expected = near.empty() ? "one of its keys" : "\"" + near + "\"";
    if (near.empty()) {
        for (std::size_t i = 0; i < names.size(); ++i) expected += (i ? ", " : ": ") + names[i];
        if (names.empty()) expected = "no key (it has no options)";
    }
    return {errc::unknown_field, "unknown key", section + "." + key, expected, with_origin("\"" + key + "\"", &value)};
}

}  // namespace

bound_section::bound_section() : impl_(std::make_unique<impl>()) {}
bound_section::~bound_section() = default;

result<std::shared_ptr<const bound_section>> bound_section::bind(const config_section* values,
                                                                 std::span<const sigrun_opt> table,
                                                                 std::span<const std::string_view> reserved,
                                                                 std::uint64_t revision, std::string_view path_base) {
    std::shared_ptr<bound_section> bound(new bound_section);
    impl& to = *bound->impl_;
    if (values) to.section = values->name;

    for (const auto& option : table) {
        const std::string key(sdk::view(option.key));
        const setting* set = nullptr;
        if (values)
            if (auto found = values->values.find(key); found != values->values.end()) set = &found->second;
        bound_value& value = to.values[key];
        value.option = option;
        value.written = set ? set->value : std::string(sdk::view(option.def));
        auto items = parse_option(option, value.written);
        const std::string field = to.section.empty() ? key : to.section + "." + key;
        if (!items) {
            problem p = items.error();
            p.field = field;
            p.found = option.type == SIGRUN_OPT_SECRET ? with_origin("something else", set) : with_origin(p.found, set);
            return p;
        }
        value.items = std::move(*items);
        if (option.type == SIGRUN_OPT_PATH && !path_base.empty())
            for (auto& item : value.items)
                if (!item.text.empty() && item.text.front() != '/')
                    item.text = std::string(path_base) + "/" + item.text;
        if (value.items.empty() && (option.flags & SIGRUN_OPT_REQUIRED))
            return bad_value(field, "a value (it is required)",
                             set      ? with_origin("nothing", set)
                             : values ? "nothing (" + values->origin + ")"
                                      : "nothing");
    }
    if (values)
        for (const auto& [key, value] : values->values) {
            if (std::find(reserved.begin(), reserved.end(), key) != reserved.end()) continue;
            if (!to.values.contains(key)) return unknown_key(to.section, key, value, table);
        }

    to.abi.struct_size = sizeof to.abi;
    to.abi.ctx = &to;
    to.abi.revision = revision;
    to.abi.get_str = [](const sigrun_config* c, sigrun_str key, std::uint32_t index,
                        sigrun_str* out) noexcept -> sigrun_result {
        const option_item* item = impl::item(c, key, index);
        if (!item) return SIGRUN_E_NOT_FOUND;
        *out = sdk::str(item->text);
        return SIGRUN_OK;
    };
    to.abi.get_i64 = [](const sigrun_config* c, sigrun_str key, std::uint32_t index,
                        std::int64_t* out) noexcept -> sigrun_result {
        const option_item* item = impl::item(c, key, index);
        if (!item) return SIGRUN_E_NOT_FOUND;
        *out = item->integer;
        return SIGRUN_OK;
    };
    to.abi.get_f64 = [](const sigrun_config* c, sigrun_str key, std::uint32_t index,
                        double* out) noexcept -> sigrun_result {
        const option_item* item = impl::item(c, key, index);
        if (!item) return SIGRUN_E_NOT_FOUND;
        *out = item->real;
        return SIGRUN_OK;
    };
    return std::shared_ptr<const bound_section>(std::move(bound));
}

const sigrun_config* bound_section::abi() const noexcept { return &impl_->abi; }

std::string bound_section::text(std::string_view key) const {
    const auto& value = impl_->declared(key);
    return value.items.empty() ? std::string() : is_list(value.option) ? value.written : value.items.front().text;
}

bool bound_section::has(std::string_view key) const { return !impl_->declared(key).items.empty(); }
std::int64_t bound_section::integer(std::string_view key) const { return impl_->first(key).integer; }
double bound_section::real(std::string_view key) const { return impl_->first(key).real; }

std::vector<std::string> bound_section::list(std::string_view key) const {
    std::vector<std::string> out;
    for (const auto& item : impl_->declared(key).items) out.push_back(item.text);
    return out;
}

std::map<std::string, std::string> bound_section::dump() const {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : impl_->values) {
        bool hidden = value.option.type == SIGRUN_OPT_SECRET && !value.items.empty();
        out[key] = hidden ? "***" : value.written;
    }
    return out;
}

std::map<std::string, std::string, std::less<>> bound_section::written() const {
    std::map<std::string, std::string, std::less<>> out;
    for (const auto& [key, value] : impl_->values) {
        std::string& text = out[key];
        if (value.option.type != SIGRUN_OPT_PATH) {
            text = value.written;
            continue;
        }
        for (const auto& item : value.items) text += (text.empty() ? "" : ",") + item.text;
    }
    return out;
}

std::vector<std::string> bound_section::differing_keys(const bound_section& other) const {
    auto same = [](const bound_value& a, const bound_value& b) {
        const bool number = a.option.type == SIGRUN_OPT_BOOL || a.option.type == SIGRUN_OPT_INT ||
                            a.option.type == SIGRUN_OPT_FLOAT || a.option.type == SIGRUN_OPT_SIZE ||
                            a.option.type == SIGRUN_OPT_DURATION;
        return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                          [&](const option_item& x, const option_item& y) {
                              return number ? x.integer == y.integer && x.real == y.real : x.text == y.text;
                          });
    };
    std::vector<std::string> out;
    for (const auto& [key, value] : impl_->values) {
        auto found = other.impl_->values.find(key);
        if (found == other.impl_->values.end() || !same(value, found->second)) out.push_back(key);
    }
    return out;
}

std::vector<std::string> bound_section::secret_keys() const {
    std::vector<std::string> out;
    for (const auto& [key, value] : impl_->values)
        if (value.option.type == SIGRUN_OPT_SECRET) out.push_back(key);
    return out;
}

bool bound_section::hot(std::string_view key) const { return impl_->declared(key).option.flags & SIGRUN_OPT_HOT; }

}  // namespace sigrun
