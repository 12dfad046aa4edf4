// sigrun/cpp/fact_writer.hpp: facts as JSON text, without a JSON library. Header-only.
//
//   facts.ok("memory.total_bytes", bytes, {.source = "/proc/meminfo"});
//   facts.none("memory.type", "unsupported", {.source = "/sys/firmware/dmi", .detail = "no SMBIOS table"});
#pragma once

#include <sigrun/base.h>
#include <sigrun/cpp/sysroot.hpp>
#include <sigrun/cpp/text.hpp>

#include <cmath>
#include <concepts>
#include <optional>

namespace sigrun::sdk {

/// `text` in quotes. Control characters are escaped; bytes that are not UTF-8 become U+FFFD, one each.
inline std::string json_text(std::string_view text) {
    static constexpr char k_hex[] = "0123456789abcdef";
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    auto sequence = [&](std::size_t i) -> std::size_t {  // length of the valid UTF-8 sequence at i, or 0
        const unsigned char c = byte(i);
        if (c < 0x80) return 1;
        const std::size_t n = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
        if (n == 0 || i + n > text.size()) return 0;
        for (std::size_t k = 1; k < n; ++k)
            if ((byte(i + k) & 0xC0) != 0x80) return 0;
        const unsigned char d = byte(i + 1);
        if ((c == 0xE0 && d < 0xA0) || (c == 0xED && d > 0x9F) || (c == 0xF0 && d < 0x90) || (c == 0xF4 && d > 0x8F))
            return 0;
        return n;
    };
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char c = byte(i);
        const std::size_t n = sequence(i);
        if (n == 0) {
            out += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += text[i];
        } else if (c < 0x20 || c == 0x7F) {
            out += "\\u00";
            out += k_hex[c >> 4];
            out += k_hex[c & 15];
        } else {
            out.append(text, i, n);
        }
        i += n ? n : 1;
    }
    return out += '"';
}

/// A value of a fact, already as JSON.
class fact_value {
public:
    fact_value(bool b) : json_(b ? "true" : "false") {}
    template <std::integral N>
    requires(!std::same_as<N, bool>) fact_value(N n) : json_(std::to_string(n)) {}
    /// Keeps a fraction ("2.0"), so that the type survives the way through JSON.
    fact_value(double d) : json_(std::isfinite(d) ? concat(d) : std::string()) {
        if (!json_.empty() && json_.find_first_of(".e") == json_.npos) json_ += ".0";
    }
    fact_value(std::string_view text) : json_(json_text(text)) {}
    fact_value(const std::string& text) : fact_value(std::string_view(text)) {}
    fact_value(const char* text) : fact_value(std::string_view(text)) {}
    /// A set: sorted here, so that equal sets give equal texts.
    fact_value(std::vector<std::string> set) {
        std::sort(set.begin(), set.end());
        set.erase(std::unique(set.begin(), set.end()), set.end());
        json_ = "[";
        for (const auto& item : set) (json_ += json_.size() > 1 ? "," : "") += json_text(item);
        json_ += ']';
    }
    /// A list of records or anything else that is JSON already.
    static fact_value raw(std::string json) {
        fact_value v(false);
        v.json_ = std::move(json);
        return v;
    }
    const std::string& json() const noexcept { return json_; }

private:
    std::string json_;
};

/// One record of a list value: record().add("id", 0).add("cpus", "0-3").
class record {
public:
    record& add(std::string_view name, const fact_value& value) {
        (json_ += json_.size() > 1 ? "," : "") += json_text(name) + ":" + value.json();
        return *this;
    }
    std::string json() const { return json_ + "}"; }

private:
    std::string json_ = "{";
};
inline fact_value records(const std::vector<record>& list) {
    std::string json = "[";
    for (const auto& r : list) (json += json.size() > 1 ? "," : "") += r.json();
    return fact_value::raw(json + "]");
}

/// What is known about a value besides the value.
struct fact_info {
    std::string_view source{};
    std::string_view method = "read";      // read derived measured declared
    std::string_view volatility = "boot";  // static boot slow fast
    std::uint32_t ttl_s = 0;
    unsigned confidence = 100;
    bool unique = false;
    std::string_view detail{};
};

class fact_writer {
public:
    static constexpr std::size_t k_max_value = 64 * 1024;

    void ok(std::string_view key, const fact_value& value, const fact_info& info) {
        if (value.json().empty()) return none(key, "error", with_detail(info, "not a finite number"));
        if (value.json().size() > k_max_value)
            return none(key, "error", with_detail(info, "the value is larger than 64 KiB"));
        begin(key, "ok");
        json_ += ",\"value\":" + value.json();
        finish(info);
    }
    /// status: absent denied unsupported timeout error
    void none(std::string_view key, std::string_view status, const fact_info& info) {
        begin(key, status);
        finish(info);
    }
    /// ok with the value if there is one, else absent or what reading the file said.
    template <class T>
    void maybe(std::string_view key, const std::optional<T>& value, const file_text& file, fact_info info) {
        if (info.source.empty()) info.source = file.path;
        if (value) return ok(key, *value, info);
        missing(key, file, info, "the file does not say");
    }
    /// The same for a file that should hold exactly this value: text that is there but was not understood is
    /// an error.
    template <class T>
    void parsed(std::string_view key, const std::optional<T>& value, const file_text& file, fact_info info) {
        if (value || !file || file.trim().empty()) return maybe(key, value, file, info);
        if (info.source.empty()) info.source = file.path;
        none(key, "error", with_detail(info, "not understood"));
    }
    /// Why there is no value: the file's own state, or absent because of `otherwise` if it could be read.
    void missing(std::string_view key, const file_text& file, fact_info info, std::string_view otherwise) {
        if (info.source.empty()) info.source = file.path;
        if (file) return none(key, "absent", with_detail(info, otherwise));
        const std::string why = file.why();
        none(key, word(file.status), with_detail(info, why));
    }
    static std::string_view word(read_status s) noexcept {
        constexpr std::string_view k_words[] = {"ok", "absent", "denied", "unsupported", "error"};
        return k_words[static_cast<std::size_t>(s)];
    }

    bool empty() const noexcept { return json_.empty(); }
    /// {"facts":[...]} with everything since the last take.
    std::string take() {
        std::string all = "{\"facts\":[" + json_ + "]}";
        json_.clear();
        return all;
    }

private:
    static fact_info with_detail(fact_info info, std::string_view detail) {
        if (info.detail.empty()) info.detail = detail;
        return info;
    }
    void begin(std::string_view key, std::string_view status) {
        if (!json_.empty()) json_ += ',';
        json_ += "{\"key\":" + json_text(key) + ",\"status\":" + json_text(status);
    }
    void finish(const fact_info& info) {
        json_ += ",\"method\":" + json_text(info.method) + ",\"source\":" + json_text(info.source.substr(0, 300)) +
                 ",\"confidence\":" + std::to_string(info.confidence) + ",\"ttl_s\":" + std::to_string(info.ttl_s) +
                 ",\"volatility\":" + json_text(info.volatility);
        if (info.unique) json_ += ",\"unique\":true";
        if (!info.detail.empty()) json_ += ",\"detail\":" + json_text(info.detail.substr(0, 160));
        json_ += '}';
    }
    std::string json_;
};

}  // namespace sigrun::sdk
