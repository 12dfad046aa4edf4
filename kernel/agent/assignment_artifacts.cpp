// What a job has left: looked for when its command has ended, and sent before its end is told. The attempt keeps its place until
// then. An agent that comes after this one begins anew here, and the controller says how much it has.
#include "kernel/agent/assignment.hpp"
#include "kernel/agent/assignment_table.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {

// Of an attempt that the runner itself ends there is nothing to keep, nor of one that has hardly begun.
bool assignment::leaves_artifacts(const final_state& how, end_cause cause) const {
    const bool ended_here = cause == end_cause::cancelled || cause == end_cause::preempted;
    return !offer_.terms.artifacts.empty() && !ended_here && ended_for_good(how);
}

void assignment::upload(final_state how) {
    auto table = table_.lock();
    if (!table) return;
    executor_ptr done_with;
    std::shared_ptr<silence_watch> silence;
    std::string workspace;
    {
        std::lock_guard lock(mutex_);
        if (phase_ >= phase::uploading) return;
        phase_ = phase::uploading;
        done_with.swap(executor_);
        silence.swap(silence_);
        op_ = 0;
        cancellable_ = false;
        workspace = workspace_;
    }
    if (silence) silence->end();
    const auto find = [self = shared_from_this(), workspace, how = std::move(how)]() mutable {
        const auto& terms = self->offer_.terms;
        auto found = find_artifacts(workspace, terms.workdir, terms.artifacts);
        if (!found.amiss.empty()) how = without_artifacts(std::move(how), "user", "artifacts", found.amiss);
        artifact_reader reader(workspace, terms.workdir, found);
        auto sender = std::make_shared<artifact_sender>(std::move(found), std::move(reader), std::move(how));
        {
            std::lock_guard lock(self->mutex_);
            if (self->phase_ != phase::uploading) return;  // cancelled meanwhile
            self->sender_ = std::move(sender);
            self->uploading_due_ = true;
        }
        self->pump();
    };
    table->files().post(find);
}

void assignment::artifacts_answered(std::uint64_t position, std::string_view fault) {
    std::optional<final_state> how;
    {
        std::lock_guard lock(mutex_);
        if (phase_ != phase::uploading || !sender_ || uploading_due_) return;
        if (!fault.empty()) {
            const auto o = parse_object(fault);
            const auto text = [&](std::string_view key) { return o ? std::string(text_or(*o, key)) : std::string(); };
            const auto cls = text("class");
            how = without_artifacts(sender_->take_end(), cls.empty() ? "infra_controller" : cls, text("code"),
                                    {text("message")});
        } else if (sender_->answered(position)) {
            how = sender_->take_end();
        }
    }
    if (how) return finish(std::move(*how));
    fill();
    pump();
}

// Reads ahead, as far as there is room.
void assignment::fill() {
    auto table = table_.lock();
    if (!table) return;
    {
        std::lock_guard lock(mutex_);
        if (!sender_ || sender_->filling || !sender_->wanted()) return;
        sender_->filling = true;
    }
    table->files().post([self = shared_from_this()] {
        for (;;) {
            std::shared_ptr<artifact_sender> sender;
            std::uint64_t position = 0;
            {
                std::lock_guard lock(self->mutex_);
                sender = self->sender_;
                const auto wanted = sender ? sender->wanted() : std::nullopt;
                if (!wanted) {
                    if (sender) sender->filling = false;
                    return;
                }
                position = *wanted;
            }
            const auto content = sender->reader().read(position, SIGRUN_LOG_MAX);
            if (!content) {
                SIGRUN_LOG(logs::agent, warning, "artifacts of job ", self->offer_.names.job, ": ",
                           content.error().text());
                return self->finish(ended_as("infra_runner", "artifacts", content.error().text()));
            }
            {
                std::lock_guard lock(self->mutex_);
                if (self->phase_ != phase::uploading) return;
                sender->add(position, *content);
            }
            self->pump();
        }
    });
}

}  // namespace sigrun
