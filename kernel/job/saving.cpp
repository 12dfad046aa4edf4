// A job's record on its way to the disk, and again until it is there.
//
// What has happened is not undone because the disk refuses the record of it: the job goes on, and what it has come to is
// written again each second. Who waits for a record (a runner keeps its final state for as long) is told once it, or a newer one
// of the same job, is stored.
#include "kernel/job/engine.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_save_again{1};

}  // namespace

// For who can take back what the record says.
void job_engine::save(const job_ptr& j, job_lock& lock, bool fsync, std::function<void(result<void>)> stored) {
    std::vector<journal_record> records;
    records.push_back(record_of(*j));
    // Under the lock, so that a job's records reach the disk in the order of its states. The journal never answers on
    // this stack.
    store_.append(std::move(records), fsync, std::move(stored));
    lock.unlock();
}

// Under the job's lock, which is kept.
void job_engine::keep_saving(const job_ptr& j, bool fsync, std::function<void()> durable) {
    const auto number = ++j->saves;
    std::vector<journal_record> records;
    records.push_back(record_of(*j));
    if (!j->idempotency_key.empty() && !j->key_saved) records.push_back(key_record_of(*j));
    store_.append(std::move(records), fsync,
                  [this, j, number, durable = std::move(durable)](const result<void>& outcome) mutable {
                      saved(j, number, outcome, std::move(durable));
                  });
}

void job_engine::saved(const job_ptr& j, std::uint32_t number, const result<void>& outcome,
                       std::function<void()> durable) {
    std::vector<std::function<void()>> tell;
    {
        job_lock lock(j->mutex);
        if (outcome) {
            tell = overtaken(*j, number);
            j->key_saved = true;
        }
        if (outcome || number < j->saved) {
            tell.push_back(std::move(durable));
        } else {
            if (j->refused_saves->empty())
                SIGRUN_LOG(logs::jobs, debug, "the state of job ", j->uid.text(),
                           " could not be stored: ", outcome.error().text());
            if (stopping_) durable = {};  // it holds a link; the runner will ask again
            if (durable || j->refused_saves->empty()) j->refused_saves.make().emplace_back(number, std::move(durable));
            j->due[deadline::save] = clock_.now() + k_save_again;
            arm(*j);
        }
    }
    for (const auto& each : tell)
        if (each) each();
}

// This record is stored: whoever waits for an older one waits no longer. Under the job's lock.
std::vector<std::function<void()>> job_engine::overtaken(job& j, std::uint32_t number) {
    std::vector<std::function<void()>> tell;
    j.saved = std::max(j.saved, number);
    if (!j.refused_saves->empty()) {
        auto& refused = j.refused_saves.make();
        const auto newer =
            std::partition(refused.begin(), refused.end(), [&](const auto& r) { return r.first > j.saved; });
        for (auto it = newer; it != refused.end(); ++it) tell.push_back(std::move(it->second));
        refused.erase(newer, refused.end());
        if (refused.empty()) j.refused_saves.reset();
    }
    if (j.refused_saves->empty()) j.due[deadline::save] = {};
    return tell;
}

// Under the job's lock.
void job_engine::save_again(const job_ptr& j) {
    // What is on its way to the disk, or will be when the end is written again, is newer.
    if (j->settling)
        j->due[deadline::save] = clock_.now() + k_save_again;
    else
        keep_saving(j, j->spec->keep == durability::fsync);
}

}  // namespace sigrun
