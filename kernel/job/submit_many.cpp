// Jobs that are submitted together: all of them are accepted, with one transaction, or none.
#include "kernel/job/engine.hpp"
#include "kernel/job/submission.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <map>

namespace sigrun {
namespace {

problem within(const submitted_job& which, problem p) {
    // "jobs.build.timeouts.run"; what is about the daemon, such as jobs.max_waiting, stays.
    if (p.code != errc::busy) p.field = p.field.empty() ? which.field : which.field + "." + p.field;
    return p;
}

// What makes a submission the same as an earlier one with its key: the document, but secrets only as a mark of them.
std::string compared(const submit_request& request, const std::vector<submitted_job>& jobs,
                     const std::vector<spec_ptr>& specs) {
    const auto has_secrets = [](const spec_ptr& s) { return !s->compared_document.empty(); };
    if (std::none_of(specs.begin(), specs.end(), has_secrets)) return std::string(request.document);
    std::string out;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        out += sdk::concat(jobs[i].name, '\n', to_string(jobs[i].when));
        for (const auto need : jobs[i].needs) out += sdk::concat(' ', need);
        out += sdk::concat('\n', has_secrets(specs[i]) ? specs[i]->compared_document : specs[i]->document, '\n');
    }
    return out;
}

}  // namespace

result<std::vector<spec_ptr>> job_engine::specs_of(const std::vector<submitted_job>& jobs) {
    std::vector<spec_ptr> specs;
    const auto changes = tuned_.changes.load(std::memory_order_acquire);
    for (const auto& each : jobs) {
        auto spec = spec_of(each.document, changes);
        if (!spec) return within(each, spec.error());
        if (!specs.empty() && (*spec)->keep != specs.front()->keep)
            return bad_value(
                each.field + ".durability", "the same for all jobs of a submission, as they are stored together",
                sdk::concat(to_string((*spec)->keep), ", and ", to_string(specs.front()->keep), " before"));
        if ((*spec)->group && (*spec)->group->policy == group_policy::refuse)
            return bad_value(each.field + ".group.policy",
                             "queue, cancel_running or cancel_waiting in a submission of several jobs", "refuse");
        specs.push_back(*spec);
    }
    return specs;
}

// None of them is known to anybody yet. Under no lock.
result<std::vector<job_ptr>> job_engine::tied_jobs(const std::vector<submitted_job>& jobs,
                                                   const std::vector<spec_ptr>& specs, const submit_request& request) {
    std::vector<job_ptr> made;
    const id together = id::make();
    problem refused;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        auto j = std::make_shared<job>(*this, id::make(), specs[i]);
        auto room = has_room(*specs[i]);
        if (room) room = prepare(*j, request.submitter);
        if (options_.traces) j->trace = options_.traces->begin(request.trace_parent);
        if (!room) {
            for (const auto& each : made) count_waiting(*each, false);
            return within(jobs[i], room.error());
        }
        j->ties = std::make_unique<job_ties>();
        j->ties->submission = together;
        j->ties->index = static_cast<std::uint32_t>(i);
        j->ties->name = jobs[i].name;
        j->ties->when = jobs[i].when;
        count_waiting(*j, true);
        made.push_back(std::move(j));
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        for (const auto need : jobs[i].needs) {
            made[i]->ties->needs.push_back({jobs[need].name, made[need]->uid, need_end::open, {}});
            made[need]->ties->dependents.push_back(made[i]->uid);
        }
        block(*made[i]);
    }
    return made;
}

void job_engine::submit_many(const submit_request& request, const std::vector<submitted_job>& jobs,
                             many_accepted accepted) {
    auto specs = specs_of(jobs);
    if (!specs) return accepted(specs.error(), false);
    for (std::size_t i = 0; i < specs->size(); ++i)
        if (auto able = takes_jobs(*(*specs)[i], request.idempotency_key); !able)
            return accepted(able.error().field == "artifacts" ? within(jobs[i], able.error()) : able.error(), false);
    std::map<account_ptr, std::uint32_t> by_tenant;
    for (const auto& spec : *specs) ++by_tenant[spec->tenant_account];
    for (const auto& [tenant, n] : by_tenant)
        if (auto rate = within_rate(*tenant, n); !rate) return accepted(rate.error(), false);
    auto made = tied_jobs(jobs, *specs, request);
    if (!made) return accepted(made.error(), false);
    const auto& all = *made;
    const auto keep = specs->front()->keep;
    const auto& first = all.front();
    const auto give_up = [this](const std::vector<job_ptr>& these) {
        for (const auto& j : these) {
            table_.erase(j->uid);
            count_waiting(*j, false);
        }
    };
    for (const auto& j : all) {
        j->storing = keep != durability::memory;
        table_.insert(j);
    }
    std::vector<journal_record> records;
    // The key is that of the first job, which stands for all of them.
    if (!request.idempotency_key.empty()) {
        first->idempotency_key = request.idempotency_key;
        auto taken =
            keys_.take(first->spec->tenant, request.idempotency_key, first->uid, compared(request, jobs, *specs), {});
        if (!taken || *taken) {
            give_up(all);
            if (!taken) return accepted(taken.error(), false);
            return repeated_many(**taken, first->spec, request.idempotency_key, std::move(accepted));
        }
        records.push_back(key_record_of(*first));
    }
    submitted_.add(static_cast<double>(all.size()));
    for (const auto& j : all)
        if (keep != durability::memory || events_.watched(event_type::job_submitted))
            events_.publish(event_type::job_submitted, {}, j->uid);
    if (keep == durability::memory) {
        accepted(all, false);
        return begin_all(all);
    }
    for (const auto& j : all) records.push_back(record_of(*j));
    store_.append(std::move(records), keep == durability::fsync,
                  [this, all, give_up, keep, accepted = std::move(accepted)](const result<void>& stored) {
                      const auto& eldest = all.front();
                      if (!stored) {
                          give_up(all);
                          if (!eldest->idempotency_key.empty())
                              keys_.drop(eldest->spec->tenant, eldest->idempotency_key);
                      }
                      std::vector<submit_answer> replays;
                      for (const auto& j : all) {
                          job_lock lock(j->mutex);
                          j->storing = false;
                          j->key_saved = true;
                          if (j == eldest) replays = j->replays.take();
                      }
                      for (const auto& j : all) note_accepted(*j);
                      if (stored)
                          accepted(all, false);
                      else
                          accepted(not_stored(stored.error(), keep), false);
                      const result<job_ptr> of_first =
                          stored ? result<job_ptr>(eldest) : not_stored(stored.error(), keep);
                      for (const auto& answer : replays) answer(of_first);
                      if (stored) begin_all(all);
                  });
}

void job_engine::begin_all(const std::vector<job_ptr>& jobs) {
    for (const auto& j : jobs) {
        if (j->ties->needs.empty()) {
            begin_wait(j);
            continue;
        }
        // Its needs, of which some may have ended by now, let it go on.
        job_lock lock(j->mutex);
        if (j->state == job_state::blocked && !j->settling) arm(*j);
    }
}

// In the order of the submission; those that are still kept.
std::vector<job_ptr> job_engine::submitted_with(const job& one) const {
    if (!one.ties) return {};
    auto all = table_.all();
    std::erase_if(all, [&](const job_ptr& j) { return !j->ties || j->ties->submission != one.ties->submission; });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->ties->index < b->ties->index; });
    return all;
}

void job_engine::repeated_many(const submit_keys::holder& by, const spec_ptr& spec, const std::string& key,
                               many_accepted accepted) {
    if (by.same && !table_.find(by.job) && by.past)
        return accepted(
            problem{errc::not_found, "the jobs of this idempotency key have ended and are not kept any more",
                    "idempotency_key", "another key", key},
            false);
    repeated(by, spec, key, [this, accepted = std::move(accepted)](const result<job_ptr>& first, bool replayed) {
        if (!first) return accepted(first.error(), false);
        accepted(submitted_with(**first), replayed);
    });
}

}  // namespace sigrun
