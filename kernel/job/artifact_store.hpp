// Where artifacts live: <state>/artifacts, one file for each content, named by its SHA-256.
//
//   ab/cdef0123..    a whole content: verified, and brought to the disk if its job wants that, before it got this name
//   partial/...      what is on its way
//
// Contents are counted: whoever needs one holds it, and the last who lets go has it removed. The counts are in memory alone; the
// next life of the daemon counts the jobs that it restores, and sweeps what nobody holds after a while, since a runner may be
// about to say that it has just brought it.
// [any]. File work that may take long is done by `post`, one task after another, on a thread of the store's own.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/task_thread.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/job/artifact.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace sigrun {

struct artifact_limits {
    std::uint64_t each = std::uint64_t{4} << 30;      // bytes of one artifact
    std::uint64_t per_job = std::uint64_t{16} << 30;  // of all artifacts of a job
    std::uint64_t in_all = std::uint64_t{64} << 30;   // of all contents that are kept
};

class artifact_store {
public:
    /// Uploads that are taken at once; others wait for their turn. Bounds memory and open files.
    static constexpr std::size_t k_at_once = 16;
    /// What nobody holds is kept for this long after it was written.
    static constexpr std::chrono::hours k_unheld{1};

    explicit artifact_store(std::string dir) : dir_(std::move(dir)) {}
    artifact_store(const artifact_store&) = delete;
    artifact_store& operator=(const artifact_store&) = delete;
    ~artifact_store() { stop(); }

    /// Looks at what is there. Once, before anything else.
    result<void> open();
    void set_limits(const artifact_limits& now);
    artifact_limits limits() const;

    /// Whether it is here as a whole; then it is held once more, until let_go.
    bool hold(const artifact& what);
    bool has(const artifact& what) const;
    void let_go(const artifact& what);
    /// errc::not_found if it is not here.
    result<owned_fd> read(const artifact& what) const;

    /// A part of what may be kept, for bytes that are on their way; what of it was not used is given back with the object.
    class room {
    public:
        room(artifact_store& of, std::uint64_t bytes) : store_(of), left_(bytes), alive_(of.self_) {}
        room(const room&) = delete;
        room& operator=(const room&) = delete;
        ~room() { used(left_); }
        /// They count as kept from now on.
        void used(std::uint64_t bytes);

    private:
        artifact_store& store_;
        std::uint64_t left_;
        const std::weak_ptr<artifact_store*> alive_;
    };
    result<std::unique_ptr<room>> reserve(std::uint64_t bytes);
    /// A turn to upload: `mine` runs with it now or later, on any thread; given back with the object.
    void when_turn(std::function<void(std::shared_ptr<void>)> mine);

    /// Of what is on its way, by a name that only one upload has.
    std::string partial(const std::string& name) const { return dir_ + "/partial/" + name; }
    /// Blocking. Gives a verified partial its place and holds it; `durable`: it survives a crash of the machine.
    result<void> keep(const artifact& what, const std::string& path, int fd, bool durable);
    /// Blocking. The same for one that was here already, and may have come for a job that did not want it.
    result<void> make_durable(const artifact& what);

    /// Removes what nobody holds and was not written for k_unheld. [post] Returns how many files.
    std::size_t sweep();
    void post(std::function<void()> task) { worker_.post(std::move(task)); }
    /// What was posted is done; from now on nothing is, and nothing is removed. [ctl]
    void stop();

    struct figures {
        std::size_t contents = 0;
        std::uint64_t bytes = 0, reserved = 0, references = 0;
    };
    figures count() const;

private:
    struct content {
        std::uint64_t size = 0;
        std::uint32_t held = 0;
        std::int64_t written_s = 0;  // wall clock
        bool synced = false;         // known to survive a crash of the machine
    };
    std::string path_of(const std::string& sha256) const;
    result<void> scan(const std::string& folder);
    void note_synced(const std::string& sha256);
    bool make_room(std::uint64_t bytes);  // under the lock
    void next_turn();

    const std::string dir_;
    mutable std::mutex mutex_;  // everything below
    artifact_limits limits_;
    std::map<std::string, content, std::less<>> contents_;
    std::uint64_t bytes_ = 0, reserved_ = 0;
    std::size_t uploading_ = 0;
    std::deque<std::function<void(std::shared_ptr<void>)>> turns_;
    bool frozen_ = false;

    task_thread worker_{"sigrun-artifact"};
    std::shared_ptr<artifact_store*> self_ = std::make_shared<artifact_store*>(this);
};

/// The artifacts of one job, held for as long as it is.
class artifact_set {
public:
    /// Those of `all` that are here; the others are counted in `missing`.
    artifact_set(std::shared_ptr<artifact_store> where, artifact_list all);
    /// They are held already, each once.
    struct held_t {};
    artifact_set(std::shared_ptr<artifact_store> where, artifact_list all, held_t)
        : where_(std::move(where)), all_(std::move(all)), held_(all_) {}
    artifact_set(const artifact_set&) = delete;
    artifact_set& operator=(const artifact_set&) = delete;
    ~artifact_set();

    const artifact_list& list() const noexcept { return all_; }
    const artifact* find(std::string_view name) const noexcept;
    const std::shared_ptr<artifact_store>& store() const noexcept { return where_; }

private:
    const std::shared_ptr<artifact_store> where_;
    const artifact_list all_;
    artifact_list held_;
};
using artifact_set_ptr = std::shared_ptr<const artifact_set>;

}  // namespace sigrun
