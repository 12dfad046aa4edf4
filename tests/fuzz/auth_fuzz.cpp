// What callers bring to prove who they are, and the patterns and the file it is compared with. The first byte of the input
// chooses the reader. Nobody gets in who does not know a secret.
#include "kernel/auth/gate.hpp"

#include <sigrun/cpp/authorization.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace sigrun;

void check(bool holds) {
    if (!holds) std::abort();
}

struct guarded_daemon {
    guarded_daemon() {
        std::string made = "/tmp/sigrun-auth-fuzz-XXXXXX";
        if (!::mkdtemp(made.data())) std::abort();
        folder = made;
        check(store.open(folder + "/tokens.json").has_value());
        token_request wanted;
        wanted.name = "admin";
        wanted.grants = role::admin;
        admin = "bearer " + store.create(wanted)->text;
        wanted.join = true;
        wanted.runners = "build-*";
        join = "bearer " + store.create(wanted)->text;
        gate_options options;
        options.required = true;
        door.set_options(options);
        door.opened(k_far, {});
    }
    ~guarded_daemon() { std::filesystem::remove_all(folder); }
    static constexpr std::uint64_t k_far = 1;
    std::string folder, admin, join;
    metrics numbers;
    token_store store{clock::system()};
    gate door{store, numbers};
};

void read_credentials(guarded_daemon& d, std::string_view auth) {
    const auto who = d.door.identify(d.k_far, auth);
    if (auth == d.admin) return check(who.kind == caller::kind_t::token && d.door.check(who, "config.rollback"));
    check(who.kind == caller::kind_t::anonymous && !who.evidence.empty());
    for (const char* method : {"jobs.get", "jobs.submit", "tokens.create", "a.method.of.the.future"}) {
        const auto refused = d.door.check(who, method);
        check(!refused && refused.error().code == errc::unauthenticated);
    }
    if (auth == d.join) return;  // it would be used up
    const auto refused = d.door.admit_runner(7, who, auth, "build-7", "0123456789abcdef", {});
    check(!refused && refused.error().code == errc::unauthenticated);
}

void read_headers(std::string_view text) {
    std::vector<std::string_view> values;
    while (values.size() < 4) {
        const auto end = text.find('\n');
        values.push_back(text.substr(0, end));
        if (end == text.npos) break;
        text.remove_prefix(end + 1);
    }
    std::string auth;
    if (const auto bad = sdk::read_authorization(values, auth)) {
        check(auth.empty() && !bad->found.empty() && sdk::is_utf8(sdk::to_json(*bad)));
        // Only a scheme may be told, never what may be a secret.
        check(bad->found.size() <= 600);  // 200 bytes, each of which may have become three
        return;
    }
    check(values.size() == 1);
    check((auth.substr(0, 7) == "bearer " && auth.size() > 7) || (auth.substr(0, 6) == "basic " && auth.size() > 6));
}

bool matches_simply(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*')
        return matches_simply(pattern.substr(1), text) || (!text.empty() && matches_simply(pattern, text.substr(1)));
    return !text.empty() && pattern[0] == text[0] && matches_simply(pattern.substr(1), text.substr(1));
}

void read_pattern(std::string_view text) {
    const auto half = text.find('\n');
    const auto pattern = text.substr(0, half), name = half == text.npos ? text : text.substr(half + 1);
    const bool matched = matches_glob(pattern, name);
    if (pattern.size() + name.size() <= 24) check(matched == matches_simply(pattern, name));
    check(matches_glob("*", name) && matches_glob(name, name));
}

void read_file_of_tokens(const guarded_daemon& d, std::string_view text) {
    const auto path = d.folder + "/other.json";
    {
        std::ofstream file(path, std::ios::binary);
        file << text;
    }
    ::chmod(path.c_str(), 0600);
    token_store other{clock::system()};
    const auto opened = other.open(path);
    check(opened || !opened.error().text().empty());
    if (!opened) return;
    for (const auto& r : other.list()) {
        check(!r.id.empty() && r.sha256.size() == 64 && !json::serialize(r.to_json()).empty());
        check(!other.find("sgt_" + r.id + "_" + std::string(64, '0')));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static guarded_daemon d;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0: read_credentials(d, text); break;
        case 1: read_headers(text); break;
        case 2: read_pattern(text); break;
        default: read_file_of_tokens(d, text);
    }
    return 0;
}
