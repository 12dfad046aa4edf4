// sigrun/cpp/job_container.hpp: the field `container` of a job document of kind "container", as the controller checks it and an
// executor reads it. Needs Boost.JSON. Header-only, pure.
#pragma once

#include <sigrun/cpp/job_setting.hpp>

#include <string>
#include <string_view>

namespace sigrun::sdk {

enum class image_pull : std::uint8_t { missing, always, never };

struct job_container {
    std::string image;  // as engines name it: "debian:12"
    image_pull pull = image_pull::missing;
};

namespace detail {

inline std::optional<setting_fault> read_container(const boost::json::value& v, job_container& out) {
    const auto* members = v.if_object();
    if (!members)
        return setting_fault{"container", "an object such as {\"image\": \"debian:12\"}", boost::json::serialize(v)};
    for (const auto& [key, value] : *members) {
        const std::string_view name(key.data(), key.size());
        const std::string_view text = value.is_string()
                                          ? std::string_view(value.get_string().data(), value.get_string().size())
                                          : std::string_view();
        if (name == "image") {
            const auto odd = [](char c) { return c <= ' ' || c == 0x7F; };
            if (text.empty() || text.size() > 512 || text[0] == '-' || std::any_of(text.begin(), text.end(), odd))
                return setting_fault{"container.image", "the name of an image such as debian:12",
                                     boost::json::serialize(value)};
            out.image = text;
        } else if (name == "pull") {
            if (text != "missing" && text != "always" && text != "never")
                return setting_fault{"container.pull", "missing, always or never", boost::json::serialize(value)};
            out.pull = text == "missing"  ? image_pull::missing
                       : text == "always" ? image_pull::always
                                          : image_pull::never;
        } else {
            return setting_fault{concat("container.", name), "image or pull", concat("\"", name, "\"")};
        }
    }
    return std::nullopt;
}

}  // namespace detail

/// Reads it of a whole document. Only a job of kind container has it, and it has to. Returns the first fault, or nothing.
inline std::optional<setting_fault> read_job_container(const boost::json::object& document, std::string_view kind,
                                                       job_container& out) {
    const auto* v = document.if_contains("container");
    if (detail::given(v) != (kind == "container"))
        return kind == "container"
                   ? setting_fault{"container", "an object such as {\"image\": \"debian:12\"}", "nothing"}
                   : setting_fault{"container", "kind = container beside it", concat("kind = ", kind)};
    if (!detail::given(v)) return std::nullopt;
    if (auto fault = detail::read_container(*v, out)) return fault;
    if (out.image.empty()) return setting_fault{"container.image", "the name of an image such as debian:12", "nothing"};
    return std::nullopt;
}

}  // namespace sigrun::sdk
