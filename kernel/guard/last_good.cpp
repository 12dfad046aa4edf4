#include "kernel/guard/last_good.hpp"

#include "kernel/base/json.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"

#include <sys/stat.h>

#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t k_max_description = 256 * 1024;

}  // namespace

// "~" cannot stand in an id, so the one before never has the name of another plugin.
std::string last_good::path(std::string_view id, bool before, const char* end) const {
    return folder_ + "/" + std::string(id) + (before ? "~" : "") + end;
}

result<last_good> last_good::open(const std::string& state_dir, limits most) {
    const fs::path folder = fs::path(state_dir) / "good";
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (!ec) fs::permissions(folder, fs::perms::owner_all, ec);
    if (ec) return make_problem(errc::io, "folder '" + folder.string() + "' cannot be made: " + ec.message());
    return last_good(folder.string(), most);
}

result<good_version> last_good::read(const std::string& description) const {
    SIGRUN_TRY(text, read_file(description, k_max_description));
    SIGRUN_TRY(o, parse_object(text));
    good_version out{std::string(text_or(o, "id")),
                     std::string(text_or(o, "version")),
                     std::string(text_or(o, "sha256")),
                     std::string(text_or(o, "file")),
                     number_or<std::int64_t>(o, "since_ns", 0),
                     std::string(text_or(o, "signature"))};
    if (out.id.empty() || out.sha256.size() != 64) return bad_value(description, "id and sha256", "something else");
    return out;
}

std::vector<good_version> last_good::versions(std::string_view id_or_file) const {
    std::vector<good_version> newest, before;
    std::error_code ec;
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
        if (it->path().extension() != ".json") continue;
        auto one = read(it->path().string());
        if (!one || (one->id != id_or_file && one->file != id_or_file)) continue;
        (it->path().stem().string().ends_with('~') ? before : newest).push_back(std::move(*one));
    }
    newest.insert(newest.end(), before.begin(), before.end());
    return newest;
}

result<std::string> last_good::bytes(const good_version& which) const {
    for (bool before : {false, true}) {
        auto bytes = read_file(path(which.id, before, ".so"), limits_.file);
        if (bytes && sha256_hex(*bytes) == which.sha256) return bytes;
    }
    return bad_value("last good version", "a file with the SHA-256 " + which.sha256, "none in " + folder_);
}

std::size_t last_good::used() const {
    std::size_t out = 0;
    std::error_code ec;
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
        std::error_code gone;
        if (const auto n = it->file_size(gone); !gone) out += n;
    }
    return out;
}

result<void> last_good::keep(const good_version& what, std::string_view bytes) {
    if (sha256_hex(bytes) != what.sha256) return bad_value("sha256", what.sha256, "other bytes");
    if (bytes.size() > limits_.file)
        return problem{errc::too_large, "this version is not kept", "size",
                       "at most " + std::to_string(limits_.file) + " bytes", std::to_string(bytes.size())};
    auto newest = read(path(what.id, false, ".json"));
    if (newest && newest->sha256 == what.sha256 && newest->file == what.file && this->bytes(*newest)) return {};
    if (used() + bytes.size() > limits_.all)
        return problem{errc::too_large, "this version is not kept", folder_,
                       "at most " + std::to_string(limits_.all) + " bytes in all",
                       std::to_string(used() + bytes.size())};
    if (newest && newest->sha256 != what.sha256 && this->bytes(*newest)) {
        std::error_code ec;
        fs::rename(path(what.id, false, ".so"), path(what.id, true, ".so"), ec);
        if (!ec) fs::rename(path(what.id, false, ".json"), path(what.id, true, ".json"), ec);
        if (ec) return make_problem(errc::io, "the last good version cannot be set aside: " + ec.message());
    }
    // The description comes last: until it is there, the hash does not fit and the one before counts.
    SIGRUN_CHECK_OK(write_whole_file(path(what.id, false, ".so"), bytes, 0500));
    return write_whole_file(path(what.id, false, ".json"),
                            json::serialize(json::object{{"id", what.id},
                                                         {"version", what.version},
                                                         {"sha256", what.sha256},
                                                         {"file", what.file},
                                                         {"since_ns", what.since_ns},
                                                         {"signature", what.signature}}),
                            0600);
}

void last_good::drop(std::string_view id, std::string_view sha256) {
    for (bool before : {false, true}) {
        auto one = read(path(id, before, ".json"));
        if (!one || one->sha256 != sha256) continue;
        std::error_code ignored;
        fs::remove(path(id, before, ".json"), ignored);
        fs::remove(path(id, before, ".so"), ignored);
    }
}

}  // namespace sigrun
