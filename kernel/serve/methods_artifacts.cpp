// artifacts.list and artifacts.read: what a job has left.
#include "kernel/serve/methods.hpp"
#include "kernel/serve/tenancy.hpp"

#include <sigrun/cpp/text.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sigrun {
namespace {

constexpr std::size_t k_piece = SIGRUN_LOG_MAX;

/// Which bytes of which artifact.
struct artifact_request {
    artifact what;
    std::uint64_t offset = 0, end = 0;
};

/// One reader, at its own pace. Runs on the worker pool, never twice at once: whoever wants it to run sets `wanted_`.
class artifact_streamer : public std::enable_shared_from_this<artifact_streamer> {
public:
    artifact_streamer(controller& c, artifact_set_ptr held, artifact_request what, owned_fd file, const call_ptr& call)
        : c_(c), held_(std::move(held)), what_(std::move(what)), file_(std::move(file)), call_(call) {}

    void start(const call_ptr& call) {
        call->keep(shared_from_this());
        call->on_resume([weak = weak_from_this()] {
            if (auto me = weak.lock()) me->poke();
        });
        poke();
    }

private:
    void poke() {
        if (wanted_.exchange(true)) return;
        c_.plugins.post_work([self = shared_from_this()] { self->run(); });
    }

    void run() {
        std::lock_guard running(mutex_);
        wanted_ = false;
        const auto call = call_.lock();
        if (!call || call->finished()) return;
        for (;;) {
            if (!piece_ && !read(*call)) return;
            const bool last = what_.offset + piece_.view().size() == what_.end;
            const auto text =
                sdk::concat("{\"offset\":", what_.offset, ",\"size\":", what_.what.size, ",\"until\":", what_.end,
                            ",\"sha256\":\"", what_.what.sha256, last ? "\",\"end\":true}" : "\"}");
            if (last) return void(call->last(text, piece_.get()));
            if (call->reply(text, piece_.get()) < 0) return;
            what_.offset += piece_.view().size();
            piece_ = {};
        }
    }

    bool read(inbound_call& call) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(k_piece, what_.end - what_.offset));
        piece_ = buffer_ref::with_capacity(std::max<std::size_t>(wanted, 1));
        std::size_t got = 0;
        while (got < wanted) {
            const ssize_t n =
                ::pread(file_.get(), piece_.get()->bytes() + got, wanted - got, static_cast<off_t>(what_.offset + got));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                call.fail(problem{errc::io, "the content of the artifact cannot be read", what_.what.name});
                return false;
            }
            got += static_cast<std::size_t>(n);
        }
        piece_.get()->length = wanted;
        return true;
    }

    controller& c_;
    const artifact_set_ptr held_;  // so that it stays, also if the job is forgotten
    artifact_request what_;
    const owned_fd file_;
    const std::weak_ptr<inbound_call> call_;
    std::mutex mutex_;
    buffer_ref piece_;  // that was read, and not taken yet
    std::atomic<bool> wanted_{false};
};

result<artifact_set_ptr> artifacts_of(const controller& c, const call_input& in, const json::object& params) {
    SIGRUN_TRY(id, required_text(params, "id"));
    SIGRUN_TRY(j, find_job(c.jobs, in, id));
    std::lock_guard lock(j->mutex);
    return j->end ? j->end->artifacts : nullptr;
}

result<std::string> list(controller& c, const call_input& in, const json::object& params) {
    SIGRUN_TRY(held, artifacts_of(c, in, params));
    return json::serialize(json::object{{"items", held ? to_json(held->list()) : json::array()}, {"next", nullptr}});
}

result<artifact_request> request_of(const artifact_set_ptr& held, const json::object& params) {
    SIGRUN_TRY(name, required_text(params, "name"));
    const auto* found = held ? held->find(name) : nullptr;
    if (!found)
        return problem{errc::not_found, "the job has no such artifact", "name",
                       "one of those that artifacts.list tells", "\"" + name + "\""};
    SIGRUN_TRY(offset, number_param(params, "offset", 0, 0, ~0ull >> 1));
    SIGRUN_TRY(length, number_param(params, "length", ~0ull >> 1, 0, ~0ull >> 1));
    if (offset > found->size)
        return bad_value("offset", sdk::concat("at most ", found->size, ", its size"), std::to_string(offset));
    return artifact_request{*found, offset, offset + std::min(length, found->size - offset)};
}

result<std::shared_ptr<artifact_streamer>> open(controller& c, const call_input& in, const json::object& params,
                                                const call_ptr& call) {
    SIGRUN_TRY(held, artifacts_of(c, in, params));
    SIGRUN_TRY(what, request_of(held, params));
    auto file = held->store()->read(what.what);
    if (!file) return file.error();
    return std::make_shared<artifact_streamer>(c, held, what, std::move(*file), call);
}

}  // namespace

void add_artifact_methods(router& r, controller& c) {
    r.add("artifacts.list", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id"});
        auto answer = o ? list(c, in, *o) : result<std::string>(o.error());
        if (answer)
            call->last(*answer);
        else
            call->fail(answer.error());
    });
    r.add("artifacts.read", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "name", "offset", "length"});
        if (!o) return void(call->fail(o.error()));
        auto reader = open(c, in, *o, call);
        if (reader)
            (*reader)->start(call);
        else
            call->fail(reader.error());
    });
}

}  // namespace sigrun
