#include "kernel/job/job_log.hpp"

#include "kernel/job/log_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

// A file of entries is at most three quarters as large as that of the bytes.
constexpr std::uint64_t k_bytes_per_entry = 32;
constexpr std::uint64_t k_fewest_entries = 64;

problem no_sync(const std::string& path) { return {errc::io, "cannot sync " + path + ": " + std::strerror(errno)}; }

result<void> sync_folder(const fs::path& folder) {
    const unique_fd at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!at || ::fsync(at.get()) != 0) return no_sync(folder.string());
    return {};
}

}  // namespace

job_log::job_log(std::string path, std::uint64_t limit, log_home home)
    : path_(std::move(path)), limit_(limit), in_memory_(home == log_home::memory) {
    if (!in_memory_) take_up_parts();
}

void job_log::take_up_parts() {
    if (auto first = std::make_unique<log_part>(path_, 0); first->look()) parts_.push_back(std::move(first));
    std::vector<std::uint64_t> begins;
    std::error_code ec;
    for (fs::directory_iterator it(parts_folder(), ec), end; !ec && it != end; it.increment(ec)) {
        const auto name = it->path().filename().string();
        std::uint64_t begin = 0;
        const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), begin);
        if (bad == std::errc() && std::string_view(stop) == ".log") begins.push_back(begin);
    }
    std::sort(begins.begin(), begins.end());
    for (const auto begin : begins) {
        auto next = std::make_unique<log_part>(parts_folder() + "/" + std::to_string(begin), begin);
        const bool after = parts_.empty() || begin >= parts_.back()->end();
        if (after && next->look()) parts_.push_back(std::move(next));
    }
    if (!parts_.empty()) end_ = base_ = parts_.back()->end();
}

bool job_log::stays_in_memory(std::string_view bytes) const {
    return in_memory_ && early_.size() + bytes.size() <= k_most_in_memory &&
           early_segments_.size() < k_most_segments_in_memory && end_ - base_ + bytes.size() <= limit_ / 2;
}

result<void> job_log::move_to_files() {
    if (!early_.empty()) {
        auto first = std::make_unique<log_part>(path_, 0);
        SIGRUN_CHECK_OK(first->begin_with(early_, early_segments_));
        parts_.push_back(std::move(first));
    }
    in_memory_ = false;
    early_ = {};
    early_segments_ = {};
    return {};
}

// What the attempt may still write into it.
std::uint64_t job_log::room_in(const log_part& part) const {
    const bool began_here = part.begin() <= base_;
    const auto most = std::max<std::uint64_t>(1, began_here ? limit_ / 2 : limit_ / 2 / k_tail_parts);
    const auto used = began_here ? part.end() - base_ : part.size();
    const auto entries = part.entries() - (began_here ? entries_before_ : 0);
    return used >= most || entries >= std::max(k_fewest_entries, most / k_bytes_per_entry) ? 0 : most - used;
}

log_part& job_log::part_to_write() {
    if (!parts_.empty() && parts_.back()->end() == end_ && room_in(*parts_.back()) > 0) return *parts_.back();
    const auto path = end_ == 0 ? path_ : parts_folder() + "/" + std::to_string(end_);
    parts_.push_back(std::make_unique<log_part>(path, end_));
    if (end_ == base_) entries_before_ = 0;
    if (parts_.size() > 1) parts_[parts_.size() - 2]->close();
    auto of_tail = [this](const auto& part) { return part->begin() > base_; };
    const auto oldest = std::find_if(parts_.begin(), parts_.end(), of_tail);
    if (static_cast<std::size_t>(parts_.end() - oldest) > k_tail_parts) {
        (*oldest)->erase();
        parts_.erase(oldest);
    }
    return *parts_.back();
}

result<std::uint64_t> job_log::append(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                      std::string_view bytes) {
    result<std::uint64_t> stored = std::uint64_t{0};
    {
        std::lock_guard lock(mutex_);
        stored = append_locked(offset, stream, time_ns, bytes);
    }
    if (stored) wake();
    return stored;
}

result<std::uint64_t> job_log::append(std::uint32_t turn, std::uint64_t offset, std::uint32_t stream,
                                      std::uint64_t time_ns, std::string_view bytes) {
    result<std::uint64_t> stored = std::uint64_t{0};
    {
        std::lock_guard lock(mutex_);
        if (turn != turn_) return problem{errc::cancelled, "another attempt writes to this log now"};
        stored = append_locked(offset, stream, time_ns, bytes);
    }
    if (stored) wake();
    return stored;
}

std::uint32_t job_log::turn() const {
    std::lock_guard lock(mutex_);
    return turn_;
}

result<std::uint64_t> job_log::append_locked(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                             std::string_view bytes) {
    if (offset > end_ - base_) {
        // A crash of the machine may have taken bytes that were acknowledged. The runner has no older ones: what it
        // sends next counts.
        if (!resumed_)
            return bad_value("offset", "a log offset up to " + std::to_string(end_ - base_), std::to_string(offset));
        end_ = base_ + offset;
    }
    const std::uint64_t known = end_ - base_ - offset;
    if (known >= bytes.size()) return end_ - base_;
    bytes.remove_prefix(static_cast<std::size_t>(known));
    if (stays_in_memory(bytes)) {
        early_segments_.push_back({end_, static_cast<std::uint32_t>(bytes.size()), stream, time_ns});
        early_ += bytes;
        end_ += bytes.size();
        bytes = {};
    } else if (in_memory_) {
        SIGRUN_CHECK_OK(move_to_files());
    }
    while (!bytes.empty()) {
        auto& part = part_to_write();
        const auto some = bytes.substr(0, static_cast<std::size_t>(room_in(part)));
        SIGRUN_CHECK_OK(part.append(stream, time_ns, some));
        end_ += some.size();
        bytes.remove_prefix(some.size());
    }
    return end_ - base_;
}

void job_log::begin_attempt() {
    std::lock_guard lock(mutex_);
    ++turn_;
    base_ = end_;
    resumed_ = false;
    if (!parts_.empty()) parts_.back()->part_ways();
    entries_before_ = in_memory_ ? early_segments_.size() : parts_.empty() ? 0 : parts_.back()->entries();
}

result<std::uint64_t> job_log::begin_attempt_with(const std::shared_ptr<const job_log>& other) {
    begin_attempt();
    const auto base = size();
    resume_attempt(base);  // where the other has a gap, this one has it, too
    log_reader reader(other);
    for (std::uint64_t at = 0;;) {
        SIGRUN_TRY(pieces, reader.read(at));
        if (pieces.empty()) return base;
        for (const auto& p : pieces) {
            at = p.end();
            if (p.missing) continue;
            SIGRUN_TRY(stored, append(p.at.offset, p.at.stream, p.at.time_ns, p.content.view()));
            static_cast<void>(stored);
        }
    }
}

void job_log::resume_attempt(std::uint64_t base) {
    std::lock_guard lock(mutex_);
    base_ = base;
    end_ = std::max(end_, base);
    resumed_ = true;
}

std::uint64_t job_log::attempt_offset() const {
    std::lock_guard lock(mutex_);
    return end_ - base_;
}

std::uint64_t job_log::synced_offset() const {
    std::lock_guard lock(mutex_);
    for (const auto& part : parts_)
        if (part->synced() < part->end()) return part->synced() > base_ ? part->synced() - base_ : 0;
    return end_ - base_;
}

std::uint64_t job_log::size() const {
    std::lock_guard lock(mutex_);
    return end_;
}

std::vector<log_gap> job_log::gaps() const {
    std::lock_guard lock(mutex_);
    std::vector<log_gap> out;
    if (in_memory_) return out;
    std::uint64_t at = 0;
    auto up_to = [&](std::uint64_t offset) {
        if (offset > at) out.push_back({at, offset - at});
    };
    for (const auto& part : parts_) {
        if (!part->size()) continue;
        up_to(part->begin());
        at = part->end();
    }
    up_to(end_);
    return out;
}

bool job_log::synced() const {
    std::lock_guard lock(mutex_);
    return std::all_of(parts_.begin(), parts_.end(), [](const auto& p) { return p->synced() >= p->end(); });
}

void job_log::note_synced(std::uint64_t size) {
    std::lock_guard lock(mutex_);
    for (const auto& part : parts_) part->note_synced(size);
}

result<void> job_log::sync() {
    std::uint64_t size = 0;
    std::vector<unique_fd> files;
    bool named = true, in_folder = false;
    {
        std::lock_guard lock(mutex_);
        size = end_;
        for (const auto& part : parts_) {
            if (part->synced() >= part->end()) continue;
            // Descriptors of its own: the log may be finished meanwhile.
            for (const auto& path : {part->data_path(), part->index_path()}) {
                files.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
                if (!files.back()) return no_sync(path);
            }
            named = named && part->named();
            in_folder = in_folder || part->path() != path_;
        }
    }
    for (const auto& file : files)
        if (::fdatasync(file.get()) != 0) return no_sync(path_);
    if (!named) {
        if (in_folder) SIGRUN_CHECK_OK(sync_folder(parts_folder()));
        SIGRUN_CHECK_OK(sync_folder(fs::path(path_).parent_path()));
    }
    note_synced(size);
    return {};
}

log_part_view job_log::view_of(const log_part& part) const {
    return {part.begin(), part.end(), part.entries(), part.path(), {}, {}};
}

log_part_view job_log::early_view() const { return {0, end_, early_segments_.size(), {}, early_, early_segments_}; }

std::optional<log_part_view> job_log::part_from(std::uint64_t offset) const {
    std::lock_guard lock(mutex_);
    if (in_memory_) return offset < early_.size() ? std::optional(early_view()) : std::nullopt;
    const auto at =
        std::partition_point(parts_.begin(), parts_.end(), [&](const auto& part) { return part->end() <= offset; });
    return at == parts_.end() ? std::nullopt : std::optional(view_of(**at));
}

std::vector<log_part_view> job_log::parts() const {
    std::lock_guard lock(mutex_);
    if (in_memory_) return {early_view()};
    std::vector<log_part_view> out;
    out.reserve(parts_.size());
    for (const auto& part : parts_)
        if (part->size()) out.push_back(view_of(*part));
    return out;
}

std::shared_ptr<void> job_log::follow(std::function<void()> notify) {
    auto handle = std::make_shared<std::function<void()>>(std::move(notify));
    std::lock_guard lock(mutex_);
    followers_.erase(std::remove_if(followers_.begin(), followers_.end(), [](const auto& w) { return w.expired(); }),
                     followers_.end());
    followers_.push_back(handle);
    return handle;
}

void job_log::wake() {
    std::vector<std::shared_ptr<std::function<void()>>> call;
    {
        std::lock_guard lock(mutex_);
        for (const auto& w : followers_)
            if (auto f = w.lock()) call.push_back(std::move(f));
    }
    for (const auto& f : call) (*f)();
}

void job_log::finish() {
    {
        std::lock_guard lock(mutex_);
        for (const auto& part : parts_) part->close();
    }
    wake();
}

void job_log::erase() {
    std::lock_guard lock(mutex_);
    bool in_folder = false;
    for (const auto& part : parts_) {
        part->erase();
        in_folder = in_folder || part->path() != path_;
    }
    std::error_code ec;
    if (in_folder) fs::remove_all(parts_folder(), ec);
}

}  // namespace sigrun
