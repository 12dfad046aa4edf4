// Artifacts of a job: from the runner's word of them to the end of the job, which holds them from then on.
#include "kernel/job/artifact_upload.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_list = 512 * 1024;  // of text, from a runner
constexpr std::string_view k_uploading = "\"uploading\"";

std::string fault_json(const artifact_fault& why) {
    return json::serialize(json::object{{"class", why.cls}, {"code", why.code}, {"message", why.message}});
}

result<artifact_list> list_in(std::string_view state) {
    if (state.size() > k_longest_list) return bad_value("artifacts", "a list of at most 512 KiB", "a longer one");
    SIGRUN_TRY(o, parse_object(state));
    const auto* list = array_or_null(o, "artifacts");
    if (!list) return bad_value("artifacts", "an array", "nothing");
    return parse_artifacts(*list);
}

void answer(const link_ptr& via, const sigrun_attempt& which, const artifact_upload::told& what) {
    const auto text = what.fault ? fault_json(*what.fault) : std::string();
    sigrun_frame ack{};
    ack.struct_size = sizeof ack;
    ack.kind = SIGRUN_ACK;
    ack.stream = SIGRUN_ARTIFACT;
    ack.offset = what.position;
    ack.attempt = &which;
    if (what.fault) ack.flags = SIGRUN_FRAME_ERROR;
    ack.json = sdk::str(text);
    via->send(ack);  // lost with its link: the runner says again what it has on the next one
}

}  // namespace

bool job_engine::says_uploading(std::string_view state) noexcept {
    return state.substr(0, 64).find(k_uploading) != std::string_view::npos;
}

// The command has ended, and this is what it has left. Said again on every connection.
void job_engine::on_uploading(const job_ptr& j, job_lock& lock, attempt& a, const link_ptr& via,
                              const sigrun_frame& frame) {
    const auto list = list_in(sdk::view(frame.json));
    if (!list || j->spec->artifacts.empty() || !options_.artifacts) {
        const auto why = list ? "nobody has asked for artifacts" : list.error().text();
        lock.unlock();
        return answer(via, *frame.attempt, {0, artifact_fault{"infra_runner", "artifacts", why}});
    }
    if (&a == j->live() && j->state == job_state::running) {
        j->state = job_state::uploading;
        publish(*j, job_state::running);
    }
    if (!a.upload || a.upload->list() != *list) {
        if (a.upload) a.upload->discard();
        auto tell = [weak = std::weak_ptr<job>(j), number = a.number,
                     token = a.token](const artifact_upload::told& what) {
            if (const auto owner = weak.lock()) tell_of_artifacts(owner, number, token, what);
        };
        a.upload = std::make_shared<artifact_upload>(options_.artifacts, sdk::concat(j->uid.text(), "-", a.number),
                                                     *list, j->spec->keep == durability::fsync, std::move(tell));
    }
    const auto upload = a.upload;
    arm(*j);
    lock.unlock();
    upload->begin();
}

void job_engine::tell_of_artifacts(const job_ptr& j, std::uint32_t number, const std::string& token,
                                   const artifact_upload::told& what) {
    link_ptr via;
    {
        job_lock lock(j->mutex);
        if (j->settling) return;
        for (const attempt* a : {j->live(), j->other()})
            if (a && a->token == token && a->upload) via = a->via;
    }
    if (!via) return;
    const auto job_text = j->uid.text();
    const sigrun_attempt which{sizeof(sigrun_attempt), number, sdk::str(job_text), sdk::str(token)};
    answer(via, which, what);
}

sigrun_result job_engine::on_artifact(const attempt& a, job_lock& lock, const sigrun_frame& frame) {
    const auto upload = a.upload;
    lock.unlock();
    if (!upload || !frame.payload) return SIGRUN_OK;
    return upload->take(frame.offset, buffer_ref::share(frame.payload));
}

// An end that was reported. Who succeeded without what the job is to leave has not.
void job_engine::take_artifacts(const job& j, const attempt& a, ending& how) {
    if (j.spec->artifacts.empty()) return;
    if (const auto& upload = a.upload) how.artifacts = upload->finished();
    if (how.artifacts || how.state != job_state::succeeded) return;
    how.state = job_state::failed;
    how.why = {failure_class::infra_runner, "artifacts", "the runner ended the job without its artifacts"};
}

// Of an attempt that is over. What a runner that was lost had brought is kept for a while, since it may come back.
void job_engine::drop_upload(attempt& a, const ending& how) {
    const auto upload = std::exchange(a.upload, nullptr);
    if (upload && !how.artifacts && how.why.code != "lost") upload->discard();
}

void job_engine::sweep_artifacts() {
    if (!options_.artifacts || clock_.now() < artifacts_swept_at_ + k_sweep_artifacts) return;
    artifacts_swept_at_ = clock_.now();
    options_.artifacts->post([store = options_.artifacts.get()] {
        if (const auto n = store->sweep())
            SIGRUN_LOG(logs::jobs, info, n, " files of artifacts that nobody needs were removed");
    });
}

}  // namespace sigrun
