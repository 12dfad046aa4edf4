#include "kernel/app/sigrun/artifact_command.hpp"

#include "kernel/app/sigrun/log_feed.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/guard/sha256.hpp"
#include "kernel/job/artifact.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace sigrun::cli {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

artifact_list artifacts_of(context& ctx, const std::string& id) {
    const json::object answer = ctx.insist("artifacts.list", {{"id", id}});
    const json::array* items = array_or_null(answer, "items");
    return items ? need(parse_artifacts(*items)) : artifact_list{};
}

int list(context& ctx, const std::string& id) {
    const auto all = artifacts_of(ctx, id);
    if (ctx.json()) {
        context::print(json::serialize(json::object{{"items", to_json(all)}, {"next", nullptr}}) + "\n");
        return k_ok;
    }
    table t(
        {{"name", column::k_whole}, {"size", column::k_right | column::k_whole}, {"sha-256", column::k_optional, 12}});
    for (const auto& each : all) t.add({each.name, format_size(each.size), each.sha256});
    context::print(t.empty() ? "no artifacts\n" : t.render(ctx.out()));
    return k_ok;
}

artifact find(context& ctx, const std::string& id, const std::string& name) {
    std::string known;
    for (const auto& each : artifacts_of(ctx, id)) {
        if (each.name == name) return each;
        known += (known.empty() ? "" : ", ") + each.name;
    }
    throw failure(make_problem(errc::not_found, "job " + id + " has no artifact \"" + name + "\""),
                  known.empty() ? "it has none; a job names them by --artifact, and has them once it has ended"
                                : "it has " + known);
}

[[noreturn]] void fail_of(const std::string& what, const std::string& path) {
    throw failure(system_problem(what, path));
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) fail_of("cannot write", path);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// Where the bytes go: the file that is asked for, once it is whole, and until then one beside it that a later try goes on with.
class target_file {
public:
    target_file(std::string path, const artifact& what)
        : path_(std::move(path)),
          part_(path_ + "." + what.sha256.substr(0, 12) + ".part"),
          file_(::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
        struct stat about {};
        if (!file_ || ::fstat(file_.get(), &about) != 0) fail_of("cannot write", part_);
        size_ = static_cast<std::uint64_t>(about.st_size);
        if (size_ > what.size) {
            size_ = 0;
            if (::ftruncate(file_.get(), 0) != 0) fail_of("cannot write", part_);
        }
    }
    /// What is there already goes through `hash`; returns how much.
    std::uint64_t begin(sha256_stream& hash) {
        std::string room(256 * 1024, '\0');
        for (std::uint64_t left = size_; left > 0;) {
            const ssize_t n =
                ::read(file_.get(), room.data(), static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left)));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) fail_of("cannot read", part_);
            hash.feed({room.data(), static_cast<std::size_t>(n)});
            left -= static_cast<std::uint64_t>(n);
        }
        return size_;
    }
    void add(std::string_view bytes) { write_all(file_.get(), bytes, part_); }
    void complete() {
        if (::rename(part_.c_str(), path_.c_str()) != 0) fail_of("cannot make", path_);
    }
    void remove() { ::unlink(part_.c_str()); }

private:
    const std::string path_, part_;
    owned_fd file_;
    std::uint64_t size_ = 0;
};

class download {
public:
    download(context& ctx, std::string id, artifact what, const std::string& to)
        : ctx_(ctx), id_(std::move(id)), what_(std::move(what)) {
        if (to != "-") file_.emplace(to, what_);
    }

    void run() {
        if (file_) offset_ = file_->begin(hash_);
        const auto resumed = offset_;
        int idle = 0;
        for (auto before = offset_; offset_ < what_.size || !asked_; before = offset_) {
            read_some();
            idle = offset_ == before ? idle + 1 : 0;
            if (idle > k_most_idle)
                throw failure(make_problem(errc::io, "nothing comes of " + what_.name), "try again; it goes on there");
        }
        const auto found = hash_.hex();
        if (found == what_.sha256) {
            if (file_) file_->complete();
            if (resumed) ctx_.note("went on after " + format_size(resumed) + " that were here already");
            return;
        }
        if (file_) file_->remove();
        throw failure(problem{errc::io, "what has come is not the artifact", what_.name, what_.sha256, found},
                      resumed ? "what was here already was of something else; try again" : "try again");
    }

private:
    void read_some() {
        auto feed = std::make_shared<log_feed>(ctx_.waits());
        const json::object params{{"id", id_}, {"name", what_.name}, {"offset", offset_}};
        asked_ = true;
        ctx_.daemon().start("artifacts.read", json::serialize(params), {}, feed->replies(), feed->done());
        struct leaves {
            log_feed& of;
            ~leaves() { of.abandon(); }
        } const at_last{*feed};
        for (;;) {
            for (const auto& piece : feed->take()) take(piece);
            if (const auto end = feed->ended()) {
                if (!end->how && !end->by_transport) throw failure(end->how.error());
                if (!end->how) artifacts_of(ctx_, id_);  // over a new connection, or it says that there is none
                return;
            }
            if (ctx_.waits().wait_until(steady_clock::now() + 1h) == waiter::outcome::interrupted)
                throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
        }
    }

    void take(const log_piece& piece) {
        if (piece.offset != offset_) return;
        const auto bytes = piece.bytes();
        hash_.feed(bytes);
        if (file_)
            file_->add(bytes);
        else
            context::print(bytes);
        offset_ += bytes.size();
    }

    static constexpr int k_most_idle = 10;  // connections in a row that brought nothing
    context& ctx_;
    const std::string id_;
    const artifact what_;
    std::optional<target_file> file_;
    sha256_stream hash_;
    std::uint64_t offset_ = 0;
    bool asked_ = false;
};

struct choice {
    std::string id, name, to;
};

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

}  // namespace

void add_artifact_commands(CLI::App& group, context& ctx, std::function<std::string(const std::string&)> full_id) {
    const auto what = std::make_shared<choice>();
    auto* artifacts = group.add_subcommand("artifacts", "The files that a job has left");
    artifacts->add_option("id", what->id, "Job id, or the end of one as `job ls` shows it")
        ->required()
        ->type_name("ID");
    artifacts->footer("Example: sigrun job artifacts 0c8e6a1d4b21");
    artifacts->callback(
        [&ctx, what, full_id] { ctx.action = [&ctx, what, full_id] { return list(ctx, full_id(what->id)); }; });

    auto* get = group.add_subcommand("download", "Fetch a file that a job has left");
    get->add_option("id", what->id, "Job id, or the end of one as `job ls` shows it")->required()->type_name("ID");
    get->add_option("name", what->name, "Its name, as `job artifacts` shows it")->required()->type_name("NAME");
    get->add_option("-o,--out", what->to, "Where to (default: the last part of NAME); - is stdout")
        ->type_name("FILE|-");
    get->footer(
        "Examples:\n"
        "  sigrun job download 0c8e6a1d4b21 build/app.bin -o app.bin\n"
        "  sigrun job download 0c8e6a1d4b21 report.json -o - | jq\n"
        "Until it is whole and its SHA-256 is right it is FILE.*.part, and the same command goes on where it stopped.");
    get->callback([&ctx, what, full_id] {
        ctx.action = [&ctx, what, full_id] {
            const auto id = full_id(what->id);
            const auto found = find(ctx, id, what->name);
            download(ctx, id, found, what->to.empty() ? last_part(what->name) : what->to).run();
            return static_cast<int>(k_ok);
        };
    });
}

}  // namespace sigrun::cli
