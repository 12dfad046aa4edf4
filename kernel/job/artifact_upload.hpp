// The artifacts of one attempt on their way from the runner into the store.
//
// The runner says what there is; their bytes, one artifact after another in that order, are one sequence with one position. The
// upload tells up to where it has them: that is where the runner goes on, also when contents are here already, after another
// connection, and after a restart of either side. Bytes before the position are ignored, and a gap makes it told again.
// [any] but for what runs on the store's thread; told from there.
#pragma once

#include "kernel/guard/sha256.hpp"
#include "kernel/job/artifact_store.hpp"
#include "kernel/plugin/buffer.hpp"

#include <atomic>
#include <optional>

namespace sigrun {

/// Why they are not taken, as the failure of an attempt.
struct artifact_fault {
    std::string cls, code, message;
};

class artifact_upload : public std::enable_shared_from_this<artifact_upload> {
public:
    /// What a runner may send before it is told more; it keeps to less.
    static constexpr std::uint64_t k_most_queued = 4u << 20;
    /// Written in pieces of this size, so that the last wait for the disk is a short one.
    static constexpr std::uint64_t k_chunk = 4u << 20;

    struct told {
        std::uint64_t position = 0;
        std::optional<artifact_fault> fault;
    };
    using tell_fn = std::function<void(const told&)>;

    /// `name` tells it apart from every other one, and is the same when the same attempt comes again. `tell` runs on the
    /// store's thread.
    artifact_upload(std::shared_ptr<artifact_store> store, std::string name, artifact_list all, bool durable,
                    tell_fn tell);
    artifact_upload(const artifact_upload&) = delete;
    artifact_upload& operator=(const artifact_upload&) = delete;
    ~artifact_upload();

    const artifact_list& list() const noexcept { return all_; }
    /// Tells where to begin, when its turn has come; asked again, where to go on.
    void begin();
    /// Never blocks. E_BUSY: more than may be on its way.
    sigrun_result take(std::uint64_t position, buffer_ref bytes);
    /// All are in the store; null before that. Once: the caller has them from here on.
    artifact_set_ptr finished();
    /// They are not wanted any more, and what came of them is removed.
    void discard();

private:
    struct piece {
        std::uint64_t position;
        buffer_ref bytes;
    };
    void schedule();
    void run();
    bool check_limits();
    bool go_on();  // to the artifact that is to come next
    bool open_partial(const artifact& next);
    bool rehash(std::uint64_t size);
    bool store(const piece& p);
    bool close_partial();
    void fail(std::string cls, std::string code, std::string message);
    void fail_of_disk(const problem& why);

    const std::shared_ptr<artifact_store> store_;
    const std::string path_;
    const artifact_list all_;
    const bool durable_;
    const tell_fn tell_;

    std::mutex mutex_;  // the next group
    std::deque<piece> queue_;
    std::uint64_t queued_ = 0;
    bool scheduled_ = false, asked_ = false, discarded_ = false;
    bool over_ = false;  // all are here, or they are not taken
    std::shared_ptr<void> turn_;

    // Of the store's thread.
    std::unique_ptr<artifact_store::room> room_;
    std::size_t index_ = 0;       // of the artifact that comes, or all_.size()
    std::uint64_t begin_ = 0;     // its position
    std::uint64_t position_ = 0;  // everything before it is here
    std::uint64_t flushed_ = 0;
    owned_fd file_;
    std::optional<sha256_stream> hash_;
    artifact_list held_;
    std::optional<artifact_fault> fault_;
};

}  // namespace sigrun
