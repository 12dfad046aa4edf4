#include "containers_probe.hpp"

#include "cri.hpp"
#include "engine.hpp"
#include "sockets.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <set>

namespace sigrun::containers {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t k_max_path = 512, k_max_candidates = 64;
constexpr milliseconds k_slice{20};  // between two looks at whether to go on

struct contacted {
    const candidate* who;
    std::string socket;
    std::optional<uid_t> peer;
    engine_answer answer;
};

std::string reason(int error) {
    char room[128] = {};
    return error == EAGAIN ? "too many callers wait" : strerror_r(error, room, sizeof room);
}

sdk::record record_of(const contacted& c) {
    const auto& f = c.answer.facts;
    sdk::record r;
    r.add("name", f.name.empty() ? c.who->name : f.name);
    const auto add = [&r](std::string_view name, const std::string& value) {
        if (!value.empty()) r.add(name, value);
    };
    add("version", f.version);
    add("api", f.api);
    r.add("socket", c.socket);
    if (f.rootless)
        r.add("rootless", *f.rootless);
    else if (c.peer)
        r.add("rootless", *c.peer != 0);
    r.add("usable", c.answer.usable);
    add("cgroup_driver", f.cgroup_driver);
    add("storage_driver", f.storage_driver);
    if (!f.oci_runtimes.empty()) r.add("oci_runtimes", f.oci_runtimes);
    return r;
}

}  // namespace

std::vector<candidate> candidates(const machine_calls& calls, const std::vector<std::string>& more) {
    std::vector<candidate> out;
    for (const auto& text : more) {
        const auto equals = std::min(text.find('='), text.size());
        const auto name = text.substr(0, equals), path = text.substr(std::min(equals + 1, text.size()));
        const bool engine = name == "docker" || name == "podman";
        if ((!engine && name != "containerd" && name != "cri-o") || path.empty() || path.front() != '/' ||
            path.size() > k_max_path)
            throw sdk::failure(
                SIGRUN_E_CONFIG,
                sdk::concat("sockets: expected NAME=/PATH with the name docker, podman, containerd or cri-o, "
                            "found \"",
                            text.substr(0, 100), "\""));
        out.push_back({name, path, engine ? dialect::engine_api : dialect::cri});
    }
    const auto variable = [&](const char* name) { return calls.variable ? calls.variable(name) : std::string(); };
    const auto add = [&](std::string name, std::string path, dialect speaks) {
        if (path.size() <= k_max_path) out.push_back({std::move(name), std::move(path), speaks});
    };
    const auto engine = dialect::engine_api;
    if (const auto docker = variable("DOCKER_HOST"); docker.starts_with("unix:///"))
        add("docker", docker.substr(7), engine);
    add("docker", "/run/docker.sock", engine);
    add("docker", "/var/run/docker.sock", engine);
    add("podman", "/run/podman/podman.sock", engine);
    if (const auto own = variable("XDG_RUNTIME_DIR"); own.starts_with('/')) {
        add("docker", own + "/docker.sock", engine);
        add("podman", own + "/podman/podman.sock", engine);
        add("containerd", own + "/containerd/containerd.sock", dialect::cri);
    }
    for (const char* path : {"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"})
        add("containerd", path, dialect::cri);
    for (const char* path : {"/run/crio/crio.sock", "/var/run/crio/crio.sock"}) add("cri-o", path, dialect::cri);
    if (out.size() > k_max_candidates) out.resize(k_max_candidates);
    return out;
}

void collect(const sdk::sysroot& root, const std::vector<candidate>& where, milliseconds limit, sdk::probe_run& run) {
    constexpr std::string_view k_source = "/run/*.sock";
    if (!root.stat("/run") && !root.stat("/var/run"))
        return run.facts().none("runtime", "absent", {.source = k_source, .detail = "no folder /run"});

    boost::asio::io_context io(1);
    std::vector<contacted> found;
    found.reserve(where.size());  // the coroutines keep pointers into it
    std::set<std::pair<dev_t, ino_t>> seen;
    std::size_t open = 0;
    std::string detail;
    const auto remark = [&detail](const std::string& path, const std::string& why) {
        detail += (detail.empty() ? "" : "; ") + path + ": " + why;
    };
    for (const auto& who : where) {
        auto made = contact(root, who.path);
        if (!made.there && made.error == EACCES)
            remark(who.path, reason(made.error));  // whether there is one is not known
        if (!made.there) continue;
        if (made.identity.second != 0 && !seen.insert(made.identity).second) {  // a second name of the same socket
            if (made.fd >= 0) ::close(made.fd);
            continue;
        }
        auto& c = found.emplace_back(contacted{&who, who.path, made.peer, {}});
        if (made.fd < 0) {
            c.answer.trouble = reason(made.error);
        } else {
            ++open;
            const auto deadline = clock::now() + limit;
            auto talk = who.speaks == dialect::cri ? ask_cri(made.fd, who.name == "containerd", deadline)
                                                   : ask_engine(made.fd, deadline);
            boost::asio::co_spawn(io, std::move(talk), [&c, &open](std::exception_ptr failed, engine_answer answer) {
                --open;
                c.answer = std::move(answer);
                if (failed) c.answer.trouble = "the conversation failed";
            });
        }
    }
    while (open > 0) {
        if (!run.go_on()) return;  // the sockets close with the context
        io.run_for(k_slice);
        io.restart();
    }

    std::vector<sdk::record> list;
    for (const auto& c : found) {
        list.push_back(record_of(c));
        if (!c.answer.trouble.empty()) remark(c.socket, c.answer.trouble);
    }
    run.facts().ok("runtime", sdk::records(list),
                   {.source = k_source, .method = "measured", .volatility = "slow", .ttl_s = 30, .detail = detail});
}

}  // namespace sigrun::containers
