#include "disk.hpp"

#include "scratch_file.hpp"
#include "team.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_block = 1024 * 1024, k_file = 64 * k_block, k_page = 4096;
constexpr std::size_t k_readers = 16;  // what keeps a disk with deep queues busy
constexpr milliseconds k_write_limit{150}, k_read_limit{100}, k_read_round{15}, k_random_round{15};

/// Aligned as direct transfers need it.
class block_buffer {
public:
    explicit block_buffer(std::size_t size)
        : size_(size),
          at_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)) {
        if (at_ == MAP_FAILED) throw std::bad_alloc();
        // Bytes that no disk and no hypervisor can compress or leave out.
        std::uint64_t x = 88172645463325252;
        for (std::size_t i = 0; i + sizeof x <= size; i += sizeof x) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            std::memcpy(static_cast<char*>(at_) + i, &x, sizeof x);
        }
    }
    ~block_buffer() { ::munmap(at_, size_); }
    block_buffer(const block_buffer&) = delete;
    block_buffer& operator=(const block_buffer&) = delete;
    void* data() const noexcept { return at_; }

private:
    std::size_t size_;
    void* at_;
};

/// Room for the file, twice: what a job needs is not taken away even for a second.
bool has_room(int fd) {
    struct statvfs info {};
    if (::fstatvfs(fd, &info) != 0) return true;  // writing will tell
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize >= 2 * k_file;
}

std::vector<double> read_at_random(time_box& box, int fd, std::size_t size, int& error) {
    team readers(std::vector<unsigned>(k_readers, team::k_anywhere));
    if (!readers.complete()) {
        error = readers.error();
        return {};
    }
    const block_buffer buffer(k_readers * k_page);
    std::atomic<int> failed{0};
    std::vector<double> out;
    while (out.size() < k_rounds && box.open() && !failed) {
        std::atomic<std::size_t> done{0};
        auto round = box.part(k_random_round);
        const auto begin = steady::now();
        readers.run(round, [&](std::size_t me, const std::atomic<bool>& stop) {
            std::uint64_t x = (out.size() * k_readers + me + 1) * 0x9E3779B97F4A7C15;
            char* to = static_cast<char*>(buffer.data()) + me * k_page;
            for (; !stop.load(std::memory_order_relaxed); ++done) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                const auto page = static_cast<off_t>(x % (size / k_page) * k_page);
                if (::pread(fd, to, k_page, page) == static_cast<ssize_t>(k_page)) continue;
                failed = errno ? errno : EIO;
                return;
            }
        });
        if (!failed) out.push_back(static_cast<double>(done) / seconds_since(begin));
    }
    error = failed;
    return out;
}

}  // namespace

disk_result measure_disk(time_box& box, const std::string& folder) {
    disk_result result;
    const auto failed = [&](const char* what, int error) {
        result.what = what;
        result.error = error;
        return result;
    };
    scratch_file file(folder);
    if (file.fd() < 0) return failed("making a file", file.error());
    if (!has_room(file.fd())) return failed("room for a file of 64 MiB, twice", ENOSPC);
    const block_buffer block(k_block);
    result.direct = file.go_direct(block.data(), k_block);

    int error = 0;
    std::size_t at = 0, written = 0;
    const auto in_order = [&](milliseconds limit, std::size_t size, auto&& transfer) {
        auto part = box.part(limit);
        at = 0;
        auto blocks = rates(part, k_read_round, passed_seconds, [&] {
            const ssize_t n = transfer(static_cast<off_t>(at));
            if (n != static_cast<ssize_t>(k_block)) {
                error = n < 0 ? errno : ENOSPC;
                return false;
            }
            at = (at + k_block) % size;
            written = std::max(written, at == 0 ? size : at);
            return true;
        });
        for (double& each : blocks) each *= static_cast<double>(k_block);
        return blocks;
    };
    result.write =
        in_order(k_write_limit, k_file, [&](off_t to) { return ::pwrite(file.fd(), block.data(), k_block, to); });
    if (error) return failed("writing", error);
    if (written == 0) return result;
    if (!result.direct) {
        // What the page cache holds would be read from there.
        ::fdatasync(file.fd());
        ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    }
    const auto size = written;
    result.read =
        in_order(k_read_limit, size, [&](off_t from) { return ::pread(file.fd(), block.data(), k_block, from); });
    if (error) return failed("reading", error);
    result.random = read_at_random(box, file.fd(), size, error);
    if (error) return failed("reading at random", error);
    return result;
}

sync_result measure_sync(time_box& box, const std::string& folder) {
    constexpr std::size_t k_times = 32;
    sync_result result;
    const auto failed = [&](const char* what, int error) {
        result.what = what;
        result.error = error;
        return result;
    };
    scratch_file file(folder);
    if (file.fd() < 0) return failed("making a file", file.error());
    result.honest = file.syncs();
    if (!result.honest) return result;
    const block_buffer page(k_page);
    for (std::size_t i = 0; i < k_times && box.open(); ++i) {
        const auto begin = steady::now();
        if (::pwrite(file.fd(), page.data(), k_page, static_cast<off_t>(i * k_page)) != static_cast<ssize_t>(k_page))
            return failed("writing", errno);
        if (::fdatasync(file.fd()) != 0) return failed("fdatasync", errno);
        result.microseconds.push_back(seconds_since(begin) * 1e6);
    }
    return result;
}

}  // namespace sigrun::benchmark
