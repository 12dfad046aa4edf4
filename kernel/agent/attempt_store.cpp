#include "kernel/agent/attempt_store.hpp"

#include "kernel/base/json.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/crc32c.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
constexpr const char* k_record = "/record";
constexpr std::size_t k_largest_record = std::size_t{256} << 20;

// In front of the names, the document and the payload. `cause` changes later, so it is not under the checksum.
struct record_head {
    char magic[8];
    std::uint32_t checksum;
    std::uint32_t names, document, payload;  // bytes
    std::uint32_t cause;
    std::uint32_t reserved;
};
constexpr char k_magic[8] = {'S', 'G', 'A', 'T', 'T', 'M', 'P', '1'};

class file {
public:
    file(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    ~file() {
        if (fd_ >= 0) ::close(fd_);
    }
    bool write(std::string_view bytes, std::size_t at) const {
        while (!bytes.empty()) {
            const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
            at += static_cast<std::size_t>(n);
        }
        return true;
    }

private:
    int fd_;
};

bool has_secrets(std::string_view document) {
    // Looked for in the text first: most documents have none, and need not be read for it.
    if (document.find("\"secrets\"") == std::string_view::npos && document.find("\\u") == std::string_view::npos)
        return false;
    const auto o = parse_object(document);
    return o && o->contains("secrets");
}

result<std::string> encode(const attempt_record& what, secret_box& box) {
    const bool sealed = has_secrets(what.document);
    std::string closed;
    if (sealed) {
        SIGRUN_TRY(text, box.seal(what.document));
        closed = text;
    }
    const std::string_view document = sealed ? closed : what.document;
    const auto names = json::serialize(json::object{{"job", what.names.job},
                                                    {"attempt", what.names.number},
                                                    {"token", what.names.token},
                                                    {"kind", what.kind},
                                                    {"workspace", what.workspace},
                                                    {"in_memory", what.in_memory},
                                                    {"signature", what.signature},
                                                    {"sealed", sealed},
                                                    {"deadline_ns", what.deadline_ns}});
    const auto payload = what.payload ? what.payload.view() : std::string_view();
    record_head head{};
    std::memcpy(head.magic, k_magic, sizeof k_magic);
    head.names = static_cast<std::uint32_t>(names.size());
    head.document = static_cast<std::uint32_t>(document.size());
    head.payload = static_cast<std::uint32_t>(payload.size());
    head.checksum = sdk::crc32c().feed(names).feed(document).feed(payload).value();
    head.cause = static_cast<std::uint32_t>(what.cause);
    std::string text;
    text.reserve(sizeof head + names.size() + document.size() + payload.size());
    text.append(reinterpret_cast<const char*>(&head), sizeof head).append(names).append(document).append(payload);
    return text;
}

std::optional<attempt_record> decode(std::string_view text, secret_box& box) {
    record_head head{};
    if (text.size() < sizeof head) return std::nullopt;
    std::memcpy(&head, text.data(), sizeof head);
    text.remove_prefix(sizeof head);
    // What an earlier and longer record left behind it does not matter.
    const auto size = std::uint64_t{head.names} + head.document + head.payload;
    if (std::memcmp(head.magic, k_magic, sizeof k_magic) != 0 || size > text.size()) return std::nullopt;
    if (sdk::crc32c().feed(text.substr(0, size)).value() != head.checksum) return std::nullopt;
    auto names = parse_object(text.substr(0, head.names));
    if (!names) return std::nullopt;
    attempt_record what;
    what.names = {std::string(text_or(*names, "job")), std::string(text_or(*names, "token")),
                  number_or<std::uint32_t>(*names, "attempt", 0)};
    what.kind = text_or(*names, "kind");
    what.workspace = text_or(*names, "workspace");
    what.in_memory = bool_or(*names, "in_memory", false);
    what.signature = text_or(*names, "signature");
    what.deadline_ns = number_or<std::uint64_t>(*names, "deadline_ns", 0);
    what.document = text.substr(head.names, head.document);
    if (bool_or(*names, "sealed", false)) {
        auto clear = box.open(what.document);
        if (!clear) {
            SIGRUN_LOG(logs::agent, error, "attempt of job ", what.names.job, ": ", clear.error().text());
            return std::nullopt;
        }
        what.document = *clear;
    }
    if (head.payload) what.payload = buffer_ref::copy_of(text.substr(head.names + head.document, head.payload));
    what.cause = head.cause <= static_cast<std::uint32_t>(end_cause::silent) ? static_cast<end_cause>(head.cause)
                                                                             : end_cause::none;
    if (what.names.job.empty() || what.names.token.empty() || what.names.number == 0) return std::nullopt;
    return what;
}

std::optional<attempt_record> read_record(const std::string& path, secret_box& box) {
    std::error_code ec;
    const auto size = fs::file_size(path, ec);
    if (ec || size > k_largest_record) return std::nullopt;
    std::ifstream in(path, std::ios::binary);
    std::string text(size, '\0');
    in.read(text.data(), static_cast<std::streamsize>(size));
    return in ? decode(text, box) : std::nullopt;
}

}  // namespace

std::vector<restored_attempt> attempt_store::restore() {
    std::vector<restored_attempt> found;
    if (!present()) return found;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder_, ec)) {
        const auto path = entry.path().string();
        // A record is complete before its offer is accepted: where there is none, nothing has been started.
        if (auto what = read_record(path + k_record, box_))
            found.push_back({path, std::move(*what)});
        else if (fs::remove_all(path, ec); ec)
            SIGRUN_LOG(logs::agent, warning, "cannot remove ", path, ": ", ec.message());
    }
    return found;
}

result<std::string> attempt_store::take(const attempt_record& what) {
    std::string place;
    bool fresh = false;
    {
        std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            place = std::move(free_.back());
            free_.pop_back();
        }
    }
    while (place.empty()) {
        std::error_code ec;
        if (fs::create_directories(folder_, ec); ec)
            return problem{errc::io, folder_ + " cannot be made: " + ec.message(), "state_dir"};
        std::string path;
        {
            std::lock_guard lock(mutex_);
            path = folder_ + "/" + std::to_string(next_++);
        }
        if (::mkdir(path.c_str(), 0700) == 0) {
            place = path;
            fresh = true;
        } else if (errno != EEXIST) {  // that of an attempt which was restored
            return problem{errc::io, path + " cannot be made: " + std::strerror(errno), "state_dir"};
        }
    }
    const auto text = encode(what, box_);
    if (text && file(place + k_record, O_WRONLY | O_CREAT).write(*text, 0)) return place;
    problem why =
        !text ? text.error()
              : problem{errc::io, "cannot write " + place + k_record + ": " + std::strerror(errno), "state_dir"};
    if (fresh) {
        std::error_code ignored;
        fs::remove_all(place, ignored);
    } else {
        give_back(place);
    }
    return why;
}

void attempt_store::note(const std::string& place, end_cause cause) const {
    const auto number = static_cast<std::uint32_t>(cause);
    if (!file(place + k_record, O_WRONLY)
             .write({reinterpret_cast<const char*>(&number), sizeof number}, offsetof(record_head, cause)))
        SIGRUN_LOG(logs::agent, warning, "cannot note in ", place, " why its attempt ends: ", std::strerror(errno));
}

void attempt_store::sync(const std::string& place) const {
    std::error_code ec;
    std::vector<std::string> all{place, folder_};
    for (const auto& entry : fs::directory_iterator(place, ec))
        if (entry.is_regular_file(ec)) all.insert(all.begin(), entry.path().string());
    for (const auto& path : all)
        if (const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); fd >= 0) {
            if (::fsync(fd) != 0)
                SIGRUN_LOG(logs::agent, warning, "cannot bring ", path, " to the disk: ", std::strerror(errno));
            ::close(fd);
        }
}

void attempt_store::give_back(const std::string& place) {
    constexpr char k_nobody[sizeof k_magic] = {};
    if (!file(place + k_record, O_WRONLY).write({k_nobody, sizeof k_nobody}, 0)) {
        // It must not be taken for an attempt that runs.
        std::error_code ec;
        if (fs::remove_all(place, ec); ec)
            SIGRUN_LOG(logs::agent, warning, "cannot remove ", place, ": ", ec.message());
        return;
    }
    std::lock_guard lock(mutex_);
    free_.push_back(place);
}

}  // namespace sigrun
